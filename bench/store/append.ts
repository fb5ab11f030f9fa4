import { rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { CounterTable } from "../../host/counters.ts";
import { keepObjectsYoung } from "../../host/young-objects.ts";
import type { ChunkedStore } from "../../service/store/chunked-store.ts";
import { openBenchStore } from "./bench-store.ts";
import { EntryPool, readLines } from "./corpus.ts";
import { cpuMicroseconds, diskBytes, percentile } from "./measure.ts";

/*
 * Durable append, sealing counted: entries/s, CPU and bytes an entry. Making the entries is not counted.
 * node append [--corpus FILE] [--entries N] [--sources N] [--batch N] [--callers N] [--dir DIR]
 * With several callers, each appends a batch of so many entries at the same moment as the others, and waits for all of them.
 */
// As the program does that this store is part of.
keepObjectsYoung();
const { values } = parseArgs({
  options: {
    corpus: { type: "string" },
    entries: { type: "string", default: "1000000" },
    sources: { type: "string", default: "1000" },
    batch: { type: "string", default: "1000" },
    callers: { type: "string", default: "1" },
    dir: { type: "string", default: join(tmpdir(), "boardlog-bench-store") },
  },
});
/**
 * Entries appended and sealed before measuring, in large batches and then in those that are measured: until then the engine's
 * compiler takes half a second of CPU on other threads, which a service that runs for months pays once.
 */
const WARM_ENTRIES = 300_000;
const WARM_BATCHES = 2_000;

const entryCount = Number(values.entries);
const batchEntries = Number(values.batch);
const callers = Number(values.callers);
const lines = readLines(values.corpus);
const counters = new CounterTable();

for (const [count, entries] of [
  [WARM_ENTRIES / 1000, 1000],
  [Math.min(WARM_BATCHES, WARM_ENTRIES / batchEntries), batchEntries],
] as const) {
  const warm = await open(values.dir);
  await appendAll(warm, count * entries, entries);
  await warm.seal();
  await warm.close();
}

const store = await open(values.dir);
const appended = await appendAll(store, entryCount, batchEntries);
const unsealedBytes = diskBytes(values.dir);
const sealStart = performance.now();
const sealCpu = process.cpuUsage();
await store.seal();
const sealMs = performance.now() - sealStart;
const sealedCpu = appended.cpu + cpuMicroseconds(sealCpu);
const sealedBytes = diskBytes(values.dir);
const memory = process.memoryUsage();
await store.close();
const openStart = performance.now();
const again = await open(values.dir, false);
const openMs = performance.now() - openStart;
await again.close();
console.log(
  JSON.stringify({
    entries: entryCount,
    batch: batchEntries,
    callers,
    perSecond: Math.round((entryCount / appended.ms) * 1000),
    perSecondSealed: Math.round((entryCount / (appended.ms + sealMs)) * 1000),
    cpuMicroseconds: round(appended.cpu / entryCount),
    cpuMicrosecondsSealed: round(sealedCpu / entryCount),
    bytesBeforeLastSeal: round(unsealedBytes / entryCount),
    bytesSealed: round(sealedBytes / entryCount),
    appendMsP50: round(percentile(appended.latencies, 0.5)),
    appendMsP99: round(percentile(appended.latencies, 0.99)),
    appendMsMax: round(percentile(appended.latencies, 1)),
    openMs: round(openMs),
    rssMegabytes: Math.round(memory.rss / 1e6),
    counters: counters.values(),
  }),
);

function open(dir: string, fresh = true): Promise<ChunkedStore> {
  if (fresh) rmSync(dir, { recursive: true, force: true });
  return openBenchStore(dir, {}, counters);
}

async function appendAll(
  to: ChunkedStore,
  count: number,
  batchSize: number,
): Promise<{ ms: number; cpu: number; latencies: number[] }> {
  const roundSize = batchSize * callers;
  const pool = new EntryPool(lines, Number(values.sources), roundSize);
  const latencies: number[] = [];
  let cpu = 0;
  for (let from = 0; from < count; from += roundSize) {
    const entries = pool.batch();
    const batches = Array.from({ length: callers }, (_, caller) => ({
      project: "default",
      entries: entries.slice(caller * batchSize, (caller + 1) * batchSize),
    }));
    const usage = process.cpuUsage();
    const start = performance.now();
    await Promise.all(batches.map((batch) => to.append([batch])));
    latencies.push(performance.now() - start);
    cpu += cpuMicroseconds(usage);
  }
  return { ms: latencies.reduce((sum, ms) => sum + ms, 0), cpu, latencies };
}

function round(value: number): number {
  return Math.round(value * 100) / 100;
}
