import { rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { CounterTable } from "../../host/counters.ts";
import { systemClock } from "../../host/system-clock.ts";
import { systemRandom } from "../../host/system-random.ts";
import { openStore } from "../../service/store/open-store.ts";
import { makeEntries, readLines } from "./corpus.ts";
import { cpuMicroseconds, diskBytes, percentile } from "./measure.ts";

/*
 * Durable append, sealing counted: entries/s, CPU and bytes an entry. Making the entries is not counted.
 * node append [--corpus FILE] [--entries N] [--sources N] [--batch N] [--waiting N] [--dir DIR]
 */
const { values } = parseArgs({
  options: {
    corpus: { type: "string" },
    entries: { type: "string", default: "1000000" },
    sources: { type: "string", default: "1000" },
    batch: { type: "string", default: "1000" },
    /** Batches under way at a time. */
    waiting: { type: "string", default: "1" },
    dir: { type: "string", default: join(tmpdir(), "boardlog-bench-store") },
  },
});
const entryCount = Number(values.entries);
const batchEntries = Number(values.batch);
const lines = readLines(values.corpus);
rmSync(values.dir, { recursive: true, force: true });
const log = { debug() {}, info() {}, warn: console.warn, error: console.error };
const counters = new CounterTable();
await warmUp();
const store = await openStore({ dir: values.dir, clock: systemClock, random: systemRandom, counters, log });

const latencies: number[] = [];
const some = makeEntries(lines, 1000, 0, 1000);
const entryJsonBytes = JSON.stringify(some).length / some.length;
const cpuStart = process.cpuUsage();
const start = performance.now();
let makingMs = 0;
/** Nothing of the store runs while entries are made, so this is the making's own. */
let makingCpu = 0;
let under: Promise<void>[] = [];
for (let from = 0; from < entryCount; from += batchEntries) {
  const before = performance.now();
  const cpuBefore = process.cpuUsage();
  const entries = makeEntries(lines, Number(values.sources), from, Math.min(batchEntries, entryCount - from));
  makingCpu += cpuMicroseconds(cpuBefore);
  makingMs += performance.now() - before;
  const asked = performance.now();
  under.push(
    store.append([{ project: "default", entries }]).then(() => {
      latencies.push(performance.now() - asked);
    }),
  );
  if (under.length >= Number(values.waiting)) {
    await Promise.all(under);
    under = [];
  }
}
await Promise.all(under);
const appendedMs = performance.now() - start - makingMs;
const appendedCpu = cpuMicroseconds(cpuStart) - makingCpu;
const unsealedBytes = diskBytes(values.dir);
await store.seal();
const sealedMs = performance.now() - start - makingMs;
const sealedCpu = cpuMicroseconds(cpuStart) - makingCpu;
const sealedBytes = diskBytes(values.dir);
const memory = process.memoryUsage();
await store.close();
const openStart = performance.now();
const again = await openStore({ dir: values.dir, clock: systemClock, random: systemRandom, counters, log });
const openMs = performance.now() - openStart;
await again.close();
console.log(
  JSON.stringify({
    entries: entryCount,
    batch: batchEntries,
    entryJsonBytes: Math.round(entryJsonBytes),
    perSecond: Math.round((entryCount / appendedMs) * 1000),
    perSecondSealed: Math.round((entryCount / sealedMs) * 1000),
    cpuMicroseconds: round(appendedCpu / entryCount),
    cpuMicrosecondsSealed: round(sealedCpu / entryCount),
    bytesBeforeLastSeal: round(unsealedBytes / entryCount),
    bytesSealed: round(sealedBytes / entryCount),
    appendMsP50: round(percentile(latencies, 0.5)),
    appendMsP99: round(percentile(latencies, 0.99)),
    appendMsMax: round(percentile(latencies, 1)),
    openMs: round(openMs),
    rssMegabytes: Math.round(memory.rss / 1e6),
    counters: counters.values(),
  }),
);

function round(value: number): number {
  return Math.round(value * 100) / 100;
}

/** The compiler of the engine takes half a second of CPU on other threads until everything is compiled: no cost an entry. */
async function warmUp(): Promise<void> {
  const dir = `${values.dir}-warm`;
  rmSync(dir, { recursive: true, force: true });
  const warm = await openStore({
    dir,
    clock: systemClock,
    random: systemRandom,
    counters: new CounterTable(),
    log,
  });
  for (let from = 0; from < 300_000; from += batchEntries) {
    await warm.append([{ project: "default", entries: makeEntries(lines, 1000, from, batchEntries) }]);
    if (from % 100_000 === 0) await warm.seal();
  }
  await warm.seal();
  await warm.close();
  rmSync(dir, { recursive: true, force: true });
}
