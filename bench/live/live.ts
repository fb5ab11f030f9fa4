import { closeSync, fdatasyncSync, openSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { freePort, Mosquitto } from "../../test/support/mosquitto.ts";
import { requires } from "../../test/support/requirements.ts";
import { type Bench, type BenchOptions, type BenchResult, median, type Pair } from "../harness/bench.ts";
import { LineProcess } from "../harness/line-process.ts";
import { cpuUs } from "../harness/process-cost.ts";
import { boardlog } from "../mqtt/targets.ts";

const RATE = 1_000;
const FAST_RATE = 5_000;
const READERS = 100;
const ENTRIES_PER_FRAME = 20;
/** What 100 readers in one process have not read yet stays below what a reader may leave unread, on a slow machine too. */
const FAN_LINES_MAX = 3_000;
const FAN_ROUNDS = 3;
const SYNCS = 200;
const SYNC_BYTES = 4_096;

interface Heard {
  readonly lost: number;
  readonly p50: number;
  readonly p99: number;
}

interface Way {
  readonly pid: number;
  readonly mqttPort: number;
  readonly wsUrl: string;
  readonly login: readonly string[];
  stop(): Promise<void>;
}

/** From a board's publish to a reader's socket; ours is on disk before. */
export const live: Bench = {
  name: "live",
  title: "Live: from a publish to a reader's WebSocket, durable before it is seen",
  async run(options: BenchOptions): Promise<BenchResult> {
    const mosquitto = requires("mosquitto");
    if (mosquitto.path === undefined)
      return { notes: ["left out: mosquitto is missing; apt-get install mosquitto"] };
    const program = mosquitto.path;
    const p50: Pair[] = [];
    const p99: Pair[] = [];
    const fanOut: Pair[] = [];
    const fast: number[] = [];
    const lost: number[] = [];
    const overSync: number[] = [];
    const fanLines = Math.min(FAN_LINES_MAX, Math.round(10_000 * options.scale));
    for (let pair = 0; pair < options.pairCount; pair++) {
      options.progress(`pair ${pair + 1} of ${options.pairCount}`);
      const syncMs = await medianSyncMs();
      const lines = Math.round(5 * RATE * options.scale);
      const ours = await heard(ourWay, { lines, rate: RATE });
      const theirs = await heard(() => bridged(program), { lines, rate: RATE });
      p50.push({ ours: ours.p50, other: theirs.p50 + 1.5 * syncMs });
      p99.push({ ours: ours.p99, other: theirs.p99 });
      overSync.push(syncMs);
      const atFastRate = await heard(ourWay, { lines: lines * 5, rate: FAST_RATE });
      fast.push(atFastRate.p99);
      lost.push(ours.lost + atFastRate.lost);
      const many = { lines: fanLines, rate: FAST_RATE, readers: READERS };
      fanOut.push({
        ours: await deliveryCpuUs(ourWay, { ...many, entries: ENTRIES_PER_FRAME }),
        other: await deliveryCpuUs(() => bridged(program), { ...many, entries: 1 }),
      });
    }
    const growth: { size: number; value: number }[] = [];
    for (const readers of [READERS, 10 * READERS]) {
      options.progress(`${readers} readers`);
      const run = { lines: fanLines, rate: FAST_RATE, readers, entries: ENTRIES_PER_FRAME };
      growth.push({ size: readers, value: await deliveryCpuUs(ourWay, run) });
    }
    return {
      comparisons: [
        {
          what: `p50 at ${RATE} lines a second`,
          against: "Mosquitto to MQTT.js to a WebSocket, keeping nothing, and 1.5 fdatasync",
          unit: "ms",
          pairs: p50,
          atMost: 1,
        },
        {
          what: `p99 at ${RATE} lines a second`,
          against: "the same, without fdatasync",
          unit: "ms",
          pairs: p99,
        },
        {
          what: `to ${READERS} readers, lines in frames of ${ENTRIES_PER_FRAME} as an agent sends a burst`,
          against: "a send for each entry and reader",
          unit: "us of CPU a delivered entry",
          pairs: fanOut,
          atMost: 0.1,
        },
      ],
      figures: [
        {
          what: `p99 at ${FAST_RATE.toLocaleString("en")} lines a second`,
          unit: "ms",
          values: fast,
          atMost: 25,
        },
        { what: "lines lost", unit: "lines", values: lost, atMost: 0 },
        { what: `fdatasync of 4 KiB, ${RATE} a second, median`, unit: "ms", values: overSync },
      ],
      growths: [
        {
          what: "A line in frames of 20 to a reader, by readers",
          unit: "us of CPU",
          per: "delivered entry",
          points: growth,
        },
      ],
    };
  },
};

async function heard(
  start: () => Promise<Way>,
  run: { readonly lines: number; readonly rate: number },
): Promise<Heard> {
  const way = await start();
  const probe = await probeOf(way, 1, 1);
  try {
    await probe.ask({ lines: Math.min(run.lines, 2_000), rate: run.rate });
    return await probe.ask<Heard>(run);
  } finally {
    await probe.stop();
    await way.stop();
  }
}

/** CPU of the sender for one entry to one reader; what it costs without readers is taken off. */
async function deliveryCpuUs(
  start: () => Promise<Way>,
  {
    lines,
    rate,
    readers,
    entries,
  }: { readonly lines: number; readonly rate: number; readonly readers: number; readonly entries: number },
): Promise<number> {
  const way = await start();
  try {
    const cost = async (count: number): Promise<number> => {
      const probe = await probeOf(way, count, entries);
      try {
        await probe.ask({ lines: 500, rate });
        const before = cpuUs(way.pid);
        const { lost } = await probe.ask<Heard>({ lines, rate });
        if (lost > 0) throw new Error(`${lost} lines did not come`);
        return cpuUs(way.pid) - before;
      } finally {
        await probe.stop();
      }
    };
    // What the engine compiles on the way would count as the cost of the first.
    await cost(1);
    let added = 0;
    for (let round = 0; round < FAN_ROUNDS; round++) added += (await cost(readers)) - (await cost(1));
    return added / FAN_ROUNDS / (lines * (readers - 1));
  } finally {
    await way.stop();
  }
}

async function probeOf(way: Way, readers: number, entries: number): Promise<LineProcess> {
  const probe = await LineProcess.start("bench/live/probe.ts", [
    "--mqtt",
    String(way.mqttPort),
    "--ws",
    way.wsUrl,
    "--readers",
    String(readers),
    "--entries",
    String(entries),
    ...way.login,
  ]);
  await probe.next();
  return probe;
}

async function ourWay(): Promise<Way> {
  const target = await boardlog();
  return {
    pid: target.pid,
    mqttPort: target.port,
    wsUrl: `${target.url.replace("http", "ws")}/v1/ws/projects/default/logs?x-api-key=${target.key}`,
    login: target.login,
    stop: () => target.stop(),
  };
}

async function bridged(program: string): Promise<Way> {
  const broker = new Mosquitto(program);
  await broker.start();
  const port = await freePort();
  const bridge = await LineProcess.start("bench/live/bridge.ts", [
    "--mqtt",
    String(broker.port),
    "--port",
    String(port),
  ]);
  await bridge.next();
  return {
    pid: bridge.pid,
    mqttPort: broker.port,
    wsUrl: `ws://127.0.0.1:${port}`,
    login: [],
    stop: async () => {
      await bridge.stop();
      await broker.dispose();
    },
  };
}

/** As often as lines come: back to back, where neither the processor nor the disk has rests, it takes two thirds of that. */
async function medianSyncMs(): Promise<number> {
  const path = join(tmpdir(), `boardlog-bench-sync-${process.pid}`);
  const file = openSync(path, "w");
  const bytes = Buffer.alloc(SYNC_BYTES, 1);
  const times: number[] = [];
  while (times.length < SYNCS) {
    await pause(1_000 / RATE);
    writeSync(file, bytes);
    const start = performance.now();
    fdatasyncSync(file);
    times.push(performance.now() - start);
  }
  closeSync(file);
  rmSync(path);
  return median(times);
}
