import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { publishPacket, topicBytes } from "../../sim/load/mqtt-wire.ts";
import type { Bench, BenchOptions, BenchResult, Pair } from "../harness/bench.ts";
import { cpuUs, memoryBytes, untilAtRest } from "../harness/process-cost.ts";
import { readLines } from "../store/corpus.ts";
import { fluentBit } from "./fluent-bit.ts";
import { type Phase, startLoad } from "./load-process.ts";
import { NODE_RED, nodeRed } from "./node-red.ts";
import { aedes, type BoardlogTarget, boardlog, type Target, type WritingTarget } from "./targets.ts";

const CONNECTIONS = 500;
const ENTRIES_PER_FRAME = 20;
const PUBLISHES = 200_000;
/** A gateway runs for months: what the engine still compiles in the first ten seconds at full speed is not the work, here and there. */
const WARM_UP_PUBLISHES = 150_000;
/** Node-RED takes some thousand a second. */
const NODE_RED_PUBLISHES = 40_000;
const FLUENT_BIT = {
  against: "Fluent Bit, MQTT input buffered in files to file output, one JSON object a publish, no fsync",
} as const;

interface Phases {
  readonly publishes: number;
  /** Before them. */
  readonly warmUp: number;
}

interface Measured {
  readonly cpuUs: number;
  readonly perSecond: number;
  /** What one core would take, going by the server's CPU. */
  readonly perCoreSecond: number;
  readonly ackMsP99: number;
  readonly peakBytes: number;
  /** On the wire to the server, with topic and head of the packet. */
  readonly bytesPerEntry: number;
}

/** Gateway, embedded broker and store in one process, as `boardlog up` is: MQTT in, fsynced before the PUBACK, listable. */
export const ingest: Bench = {
  name: "mqtt",
  title: "MQTT in, durable: 500 connections, QoS 1, fsync before the PUBACK",
  async run(options: BenchOptions): Promise<BenchResult> {
    const publishes = Math.round(PUBLISHES * options.scale);
    const warmUp = Math.round(WARM_UP_PUBLISHES * options.scale);
    const lone: Pair[] = [];
    const framed: Pair[] = [];
    const framedToFile: Pair[] = [];
    const memory: Pair[] = [];
    const perCoreFramed: number[] = [];
    const perSecondLone: number[] = [];
    const perSecondFramed: number[] = [];
    const ackMs: number[] = [];
    const framedToNodeRed: Pair[] = [];
    const framedToNodeRedCpu: Pair[] = [];
    const loneToFluentBit: Pair[] = [];
    const framedToFluentBit: Pair[] = [];
    const wire: Pair[] = [];
    for (let pair = 0; pair < options.pairCount; pair++) {
      options.progress(`pair ${pair + 1} of ${options.pairCount}`);
      const ourLone = await measure(boardlog, { publishes, warmUp, entries: 1 });
      const aedesLone = await measure(aedes, { publishes, warmUp, entries: 1 });
      const ourFrames = await measure(boardlog, {
        publishes: publishes / 4,
        warmUp,
        entries: ENTRIES_PER_FRAME,
      });
      const aedesFile = await measure(aedesToFile, { publishes, warmUp, entries: 1 });
      const red = await measureWriting(nodeRed, {
        publishes: Math.round(NODE_RED_PUBLISHES * options.scale),
        warmUp,
      });
      if (red !== undefined) {
        framedToNodeRed.push({ ours: ourFrames.perSecond, other: red.perSecond });
        framedToNodeRedCpu.push({ ours: ourFrames.cpuUs, other: red.cpuUs });
      }
      const bit = await measureWriting(fluentBit, { publishes, warmUp, objects: true });
      if (bit !== undefined) {
        loneToFluentBit.push({ ours: ourLone.cpuUs, other: bit.cpuUs });
        framedToFluentBit.push({ ours: ourFrames.cpuUs, other: bit.cpuUs });
      }
      wire.push({ ours: ourFrames.bytesPerEntry, other: jsonPublishBytes() });
      lone.push({ ours: ourLone.cpuUs, other: aedesLone.cpuUs });
      framed.push({ ours: ourFrames.cpuUs, other: ourLone.cpuUs });
      framedToFile.push({ ours: ourFrames.cpuUs, other: aedesFile.cpuUs });
      memory.push({ ours: ourLone.peakBytes / 1e6, other: aedesFile.peakBytes / 1e6 });
      perCoreFramed.push(ourFrames.perCoreSecond);
      perSecondLone.push(ourLone.perSecond);
      perSecondFramed.push(ourFrames.perSecond);
      ackMs.push(ourLone.ackMsP99);
    }
    const us = "us of CPU an entry";
    return {
      comparisons: [
        {
          what: "one entry a publish",
          against: "aedes alone, keeping nothing",
          unit: us,
          pairs: lone,
          atMost: 1.5,
        },
        {
          what: `frames of ${ENTRIES_PER_FRAME}`,
          against: "our own, one entry a publish",
          unit: us,
          pairs: framed,
          atMost: 0.2,
        },
        {
          what: `frames of ${ENTRIES_PER_FRAME}`,
          against: "aedes to a file, one entry a publish, no fsync",
          unit: us,
          pairs: framedToFile,
          atMost: 0.2,
        },
        {
          what: "peak memory at full speed",
          against: "aedes to a file",
          unit: "MB",
          pairs: memory,
          atMost: 0.7,
        },
        ...(framedToNodeRed.length === 0
          ? []
          : [
              {
                what: `frames of ${ENTRIES_PER_FRAME}, stored and listable`,
                against: "Node-RED, MQTT in to a file, one entry a publish, no fsync",
                unit: "entries/s",
                pairs: framedToNodeRed,
                atLeast: 35,
              },
              {
                what: `frames of ${ENTRIES_PER_FRAME}`,
                against: "the same Node-RED, without its broker",
                unit: us,
                pairs: framedToNodeRedCpu,
              },
            ]),
        ...(loneToFluentBit.length === 0
          ? []
          : [
              { what: "one entry a publish", ...FLUENT_BIT, unit: us, pairs: loneToFluentBit, atMost: 0.8 },
              {
                what: `frames of ${ENTRIES_PER_FRAME}`,
                ...FLUENT_BIT,
                unit: us,
                pairs: framedToFluentBit,
                atMost: 1 / 6,
              },
            ]),
        {
          what: `on the wire, frames of ${ENTRIES_PER_FRAME}`,
          against: "a JSON object with time, level and text in a publish of its own",
          unit: "bytes an entry",
          pairs: wire,
          atMost: 0.5,
        },
      ],
      figures: [
        {
          what: `frames of ${ENTRIES_PER_FRAME}: entries a second of one core`,
          unit: "entries/s",
          values: perCoreFramed,
          atLeast: 100_000,
        },
        {
          what: "one entry a publish, generator on the same machine",
          unit: "entries/s",
          values: perSecondLone,
        },
        {
          what: `frames of ${ENTRIES_PER_FRAME}, generator on the same machine`,
          unit: "entries/s",
          values: perSecondFramed,
        },
        { what: "one entry a publish, 20 in flight a connection: PUBACK p99", unit: "ms", values: ackMs },
      ],
      growths: [await growth(options, warmUp)],
      notes: [
        ...(framedToNodeRed.length > 0
          ? []
          : [`left out: ${NODE_RED.name} ${NODE_RED.version} could not be installed here`]),
        ...(loneToFluentBit.length > 0 ? [] : ["left out: Fluent Bit, no `fluent-bit` is on the PATH"]),
      ],
    };
  },
};

async function growth(
  options: BenchOptions,
  warmUp: number,
): Promise<NonNullable<BenchResult["growths"]>[number]> {
  const points: { size: number; value: number }[] = [];
  for (const size of [PUBLISHES / 8, (PUBLISHES * 10) / 8]) {
    options.progress(`frames of ${ENTRIES_PER_FRAME}, ${size} publishes`);
    const publishes = Math.round(size * options.scale);
    const { cpuUs: value } = await measure(boardlog, { publishes, warmUp, entries: ENTRIES_PER_FRAME });
    points.push({ size: publishes * ENTRIES_PER_FRAME, value });
  }
  return { what: "MQTT in, durable, frames of 20", unit: "us of CPU", per: "entry", points };
}

async function measure(
  start: () => Promise<Target | BoardlogTarget>,
  { publishes, warmUp, entries }: Phases & { readonly entries: number },
): Promise<Measured> {
  const target = await start();
  const load = await startLoad(target, { connections: CONNECTIONS, entries });
  try {
    const warm = await load.ask<Phase>({ publishes: warmUp });
    await untilAtRest(target.pid);
    const before = cpuUs(target.pid);
    const phase = await load.ask<Phase>({ publishes });
    await untilAtRest(target.pid);
    const usedUs = cpuUs(target.pid) - before;
    const stored = "storedEntries" in target ? await target.storedEntries() : undefined;
    const sent = warm.entries + phase.entries;
    if (stored !== undefined && stored !== sent) throw new Error(`${sent} entries sent, ${stored} listable`);
    return {
      cpuUs: usedUs / phase.entries,
      perSecond: (phase.entries / phase.ms) * 1000,
      perCoreSecond: (phase.entries / usedUs) * 1e6,
      ackMsP99: phase.ackMsP99,
      peakBytes: memoryBytes(target.pid).peak,
      bytesPerEntry: phase.sentBytes / phase.entries,
    };
  } finally {
    await load.stop();
    await target.stop();
  }
}

async function aedesToFile(): Promise<Target> {
  const folder = await mkdtemp(join(tmpdir(), "boardlog-bench-"));
  const target = await aedes(["--file", join(folder, "log")]);
  return {
    ...target,
    stop: async () => {
      await target.stop();
      await rm(folder, { recursive: true });
    },
  };
}

/** The time counts until the last line is in its file: acks come long before. Undefined where the peer cannot be had. */
async function measureWriting(
  start: () => Promise<WritingTarget | undefined>,
  { publishes, warmUp, ...form }: Phases & { readonly objects?: true },
): Promise<{ readonly perSecond: number; readonly cpuUs: number } | undefined> {
  const target = await start();
  if (target === undefined) return undefined;
  const load = await startLoad(target, { connections: CONNECTIONS, entries: 1, ...form });
  try {
    await load.ask<Phase>({ publishes: warmUp });
    await target.written(warmUp);
    const before = cpuUs(target.pid);
    const start = performance.now();
    await load.ask<Phase>({ publishes });
    await target.written(publishes);
    const ms = performance.now() - start;
    return { perSecond: (publishes / ms) * 1000, cpuUs: (cpuUs(target.pid) - before) / publishes };
  } finally {
    await load.stop();
    await target.stop();
  }
}

/** What a board without the agent would send for each line of the same corpus, bytes. */
function jsonPublishBytes(): number {
  const lines = readLines(undefined);
  const topic = topicBytes("boardlog/default/dev-0001/log");
  const sizes = lines.map(({ level, msg }) => {
    const text = JSON.stringify({ ts: 1_763_784_000_000, src: "dev-0001", lvl: level, msg });
    return publishPacket(topic, 1, text).length;
  });
  return sizes.reduce((sum, size) => sum + size, 0) / sizes.length;
}
