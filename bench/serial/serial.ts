import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import type { Bench, BenchOptions, BenchResult, Pair } from "../harness/bench.ts";
import { LineProcess } from "../harness/line-process.ts";
import { cpuUs } from "../harness/process-cost.ts";
import { boardlog } from "../mqtt/targets.ts";

const PORTS = 16;
/** Some seconds at full speed: within one, what the engine compiles still counts, and a commit more or less. */
const TEXT_LINES = 60_000;
const FRAMES = 7_500;
const ENTRIES_PER_FRAME = 10;
const BAUD = 921_600;
/** 921,600 baud for some 5 s. */
const PACED_FRAMES = 700;
/** A gateway runs for months: what the engine still compiles in the first 20 s is not the work. */
const WARM_UP_FRAMES = 4 * PACED_FRAMES;
/** Of each port at full speed, both sides alike and whatever the scale: the first so many cost a gateway twice what all others do. */
const WARM_UP: Readonly<Record<Kind, number>> = { text: 15_000, frames: 1_500 };
/** Boards that run at full speed are over the rate of any real one. */
const NO_RATE = "sourceRate: { entriesPerSecond: 1000000, burstEntries: 10000000 }\n";
const LOOK_MS = 25;
const QUIET_LOOKS = 80;

type Kind = "text" | "frames";
interface Speed {
  readonly perSecond: number;
  readonly cpuUsPerLine: number;
}

/** Many fast boards on serial lines, read, decoded and stored, beside the bare reader. */
export const serial: Bench = {
  name: "serial",
  title: `Serial lines: ${PORTS} ptys at full speed`,
  async run(options: BenchOptions): Promise<BenchResult> {
    const pairs: Record<Kind, Pair[]> = { text: [], frames: [] };
    const cpu: Record<Kind, Pair[]> = { text: [], frames: [] };
    const share: number[] = [];
    for (let pair = 0; pair < options.pairCount; pair++) {
      options.progress(`pair ${pair + 1} of ${options.pairCount}`);
      for (const [kind, count] of [
        ["frames", FRAMES],
        ["text", TEXT_LINES],
      ] as const) {
        const size = { kind, ports: PORTS, lines: Math.round(count * options.scale) };
        const ours = await atFullSpeed(size, ourReader);
        const other = await atFullSpeed(size, bareReader);
        pairs[kind].push({ ours: ours.perSecond, other: other.perSecond });
        cpu[kind].push({ ours: ours.cpuUsPerLine, other: other.cpuUsPerLine });
      }
      share.push(await paced());
    }
    const growth: { size: number; value: number }[] = [];
    for (const times of [1, 10]) {
      options.progress(`${PORTS * times} ports`);
      const lines = Math.round((FRAMES * options.scale) / times);
      const size = { kind: "frames", ports: PORTS * times, lines } as const;
      growth.push({ size: PORTS * times, value: (await atFullSpeed(size, ourReader)).cpuUsPerLine });
    }
    const against = "serialport and its readline parser alone";
    return {
      comparisons: [
        {
          what: "lines that are frames of 10 entries, stored",
          against,
          unit: "lines/s",
          pairs: pairs.frames,
          atLeast: 0.9,
        },
        {
          what: "lines of console text, each stored",
          against,
          unit: "lines/s",
          pairs: pairs.text,
          atLeast: 0.9,
        },
        {
          what: "lines that are frames of 10 entries, stored",
          against,
          unit: "us of CPU a line",
          pairs: cpu.frames,
        },
        { what: "lines of console text, each stored", against, unit: "us of CPU a line", pairs: cpu.text },
      ],
      figures: [
        {
          what: `one port of frames at ${BAUD} baud, after 20 s of them`,
          unit: "% of a core",
          values: share,
          atMost: 10,
        },
      ],
      growths: [
        {
          what: "A line that is a frame of 10 entries, by ports that bring as many together",
          unit: "us of CPU",
          per: "line",
          points: growth,
        },
      ],
    };
  },
};

/** So many lines of each port. */
interface Size {
  readonly kind: Kind;
  readonly ports: number;
  readonly lines: number;
}

async function atFullSpeed(
  { kind, ports, lines: linesPerPort }: Size,
  read: (paths: readonly string[], kind: Kind) => Promise<Reader>,
): Promise<Speed> {
  const feeder = await LineProcess.start("bench/serial/feeder.ts", ["--ports", String(ports)]);
  const { paths } = await feeder.next<{ paths: readonly string[] }>();
  const reader = await read(paths, kind);
  try {
    await pause(500);
    await feeder.ask({ lines: Math.round((WARM_UP[kind] * PORTS) / ports), kind });
    const before = await settled(reader.lines);
    const cpu = cpuUs(reader.pid);
    const start = performance.now();
    await feeder.ask({ lines: linesPerPort, kind });
    const wanted = before + linesPerPort * ports;
    let looks = 0;
    while ((await reader.lines()) < wanted) {
      if (looks++ > 60_000 / LOOK_MS) throw new Error(`${wanted} lines sent, ${await reader.lines()} read`);
      await pause(LOOK_MS);
    }
    const ms = performance.now() - start;
    return {
      perSecond: ((linesPerPort * ports) / ms) * 1000,
      cpuUsPerLine: (cpuUs(reader.pid) - cpu) / (linesPerPort * ports),
    };
  } finally {
    await reader.stop();
    await feeder.stop();
  }
}

/** Part of a core that one fast port takes. */
async function paced(): Promise<number> {
  const feeder = await LineProcess.start("bench/serial/feeder.ts", ["--ports", "1", "--baud", String(BAUD)]);
  const { paths } = await feeder.next<{ paths: readonly string[] }>();
  const reader = await ourReader(paths, "frames");
  try {
    await pause(500);
    await feeder.ask({ lines: WARM_UP_FRAMES, kind: "frames" });
    const cpu = cpuUs(reader.pid);
    const { ms } = await feeder.ask<{ ms: number }>({ lines: PACED_FRAMES, kind: "frames" });
    return ((cpuUs(reader.pid) - cpu) / 1000 / ms) * 100;
  } finally {
    await reader.stop();
    await feeder.stop();
  }
}

interface Reader {
  readonly pid: number;
  lines(): Promise<number>;
  stop(): Promise<void>;
}

async function ourReader(paths: readonly string[], kind: Kind): Promise<Reader> {
  const folder = await mkdtemp(join(tmpdir(), "boardlog-serial-"));
  const settings = join(folder, "no-rate.yaml");
  await writeFile(settings, NO_RATE);
  const ports = paths.flatMap((path) => ["--serial", `${path}:115200`]);
  const target = await boardlog(["--settings", settings, ...ports]);
  const entriesPerLine = kind === "frames" ? ENTRIES_PER_FRAME : 1;
  return {
    pid: target.pid,
    lines: async () => Math.floor((await target.storedEntries()) / entriesPerLine),
    stop: async () => {
      await target.stop();
      await rm(folder, { recursive: true });
    },
  };
}

async function bareReader(paths: readonly string[]): Promise<Reader> {
  const reader = await LineProcess.start("bench/serial/readline-reader.ts", paths);
  await reader.next();
  return {
    pid: reader.pid,
    lines: async () => (await reader.ask<{ lines: number }>({})).lines,
    stop: () => reader.stop(),
  };
}

/** The count once it has stopped growing. */
async function settled(count: () => Promise<number>): Promise<number> {
  let last = await count();
  for (let looks = 0; looks < QUIET_LOOKS; looks++) {
    await pause(LOOK_MS * 8);
    const now = await count();
    if (now === last && now > 0) return now;
    last = now;
  }
  return last;
}
