import { spawnSync } from "node:child_process";
import type { Bench, BenchOptions, BenchResult, Pair } from "../harness/bench.ts";
import { cpuUs, untilAtRest } from "../harness/process-cost.ts";
import { type Phase, startLoad } from "../mqtt/load-process.ts";
import { boardlog } from "../mqtt/targets.ts";

/** Of an SD card, for one sync. */
const SYNC_MS = 20;
/** Of lmdb: a commit syncs its pages, then its head page by a write that cannot be told from others: the first stands for both. */
const COMMIT_MS = 2 * SYNC_MS;
const ENTRIES_PER_FRAME = 20;
const BOARDS = { connections: 500, entries: ENTRIES_PER_FRAME };
const FRAMES = 40_000;
/** What a shelf full of boards sends at most. */
const STEADY_FRAMES_PER_S = 500;
const STEADY_S = 20;

interface Measured {
  readonly perSecond: number;
  readonly cpuUs: number;
  readonly steadyMsP50: number;
  readonly steadyMsP99: number;
}

/** `strace` lets the kernel go on with everything else at full speed, and is a child of what it traces, so that its CPU is its own. */
const SLOW = [
  ...["strace", "-D", "-f", "--seccomp-bpf", "-o", "/dev/null", "-e", "trace=fdatasync,pwritev"],
  ...["-e", `inject=fdatasync:delay_exit=${COMMIT_MS * 1000}`],
  // The store's journal: each write is durable when it returns. Some of lmdb's pages are written so too, which makes it slower still.
  ...["-e", `inject=pwritev:delay_exit=${SYNC_MS * 1000}`],
];

/** Gateway, broker and store in one process on a disk whose syncs take as long as an SD card's: the price is time to the ack, not rate. */
export const slowDisk: Bench = {
  name: "slow-disk",
  title: `A disk with a sync of ${SYNC_MS} ms, simulated: MQTT in, frames of ${ENTRIES_PER_FRAME}, fsync before the PUBACK`,
  async run(options: BenchOptions): Promise<BenchResult> {
    if (spawnSync(SLOW[0] ?? "", [...SLOW.slice(1), "true"]).status !== 0) {
      return { notes: ["left out: strace is missing or may not trace; apt-get install strace"] };
    }
    const rates: Pair[] = [];
    const cpu: Pair[] = [];
    const steadyMsP50: number[] = [];
    const steadyMsP99: number[] = [];
    for (let pair = 0; pair < options.pairCount; pair++) {
      options.progress(`pair ${pair + 1} of ${options.pairCount}`);
      const slow = await measure(SLOW, options.scale);
      const fast = await measure([], options.scale);
      rates.push({ ours: slow.perSecond, other: fast.perSecond });
      cpu.push({ ours: slow.cpuUs, other: fast.cpuUs });
      steadyMsP50.push(slow.steadyMsP50);
      steadyMsP99.push(slow.steadyMsP99);
    }
    const against = "the same on the disk of this machine";
    const steady = `${(STEADY_FRAMES_PER_S * ENTRIES_PER_FRAME).toLocaleString("en")} entries a second`;
    return {
      comparisons: [
        { what: "entries a second at full speed", against, unit: "/s", pairs: rates },
        { what: "CPU of an entry at full speed", against, unit: "us", pairs: cpu },
      ],
      figures: [
        {
          what: `from publish to PUBACK at ${steady}, p50`,
          unit: "ms",
          values: steadyMsP50,
          atMost: 3 * COMMIT_MS,
        },
        {
          what: `from publish to PUBACK at ${steady}, p99`,
          unit: "ms",
          values: steadyMsP99,
          atMost: 5 * COMMIT_MS,
        },
      ],
    };
  },
};

async function measure(under: readonly string[], scale: number): Promise<Measured> {
  const target = await boardlog([], under);
  try {
    const full = await startLoad(target, BOARDS);
    let sent = 0;
    let perSecond = 0;
    let usedUs = 0;
    try {
      const frames = Math.round(FRAMES * scale);
      sent += (await full.ask<Phase>({ publishes: Math.round(frames / 3) })).entries;
      await untilAtRest(target.pid);
      const before = cpuUs(target.pid);
      const { ms, entries } = await full.ask<Phase>({ publishes: frames });
      await untilAtRest(target.pid);
      usedUs = (cpuUs(target.pid) - before) / entries;
      perSecond = (entries / ms) * 1000;
      sent += entries;
    } finally {
      await full.stop();
    }
    const steady = await startLoad(target, { ...BOARDS, rate: STEADY_FRAMES_PER_S, prefix: "steady" });
    try {
      const publishes = Math.max(500, Math.round(STEADY_S * scale * STEADY_FRAMES_PER_S));
      const { ackMsP50, ackMsP99, entries } = await steady.ask<Phase>({ publishes });
      sent += entries;
      const stored = await target.storedEntries();
      if (stored !== sent) throw new Error(`${sent} entries sent, ${stored} listable`);
      return { perSecond, cpuUs: usedUs, steadyMsP50: ackMsP50, steadyMsP99: ackMsP99 };
    } finally {
      await steady.stop();
    }
  } finally {
    await target.stop();
  }
}
