import { rmSync, statfsSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { keepObjectsYoung } from "../../host/young-objects.ts";
import type { ChunkedStore } from "../../service/store/chunked-store.ts";
import type { ChunkedStoreOptions } from "../../service/store/store-core.ts";
import { compact, openBenchStore, openCompacting } from "./bench-store.ts";
import { EntryPool, readLines } from "./corpus.ts";
import { cpuMicroseconds, diskBytes, percentile, readFiles } from "./measure.ts";

/*
 * What a store costs as it grows: CPU of an append, bytes an entry, time to open, pages of 100 after random places, in process,
 * with chunks kept expanded as the service does and with none;
 * at the end what it costs to remove the older half. No compaction runs beside it; with --compact all is compacted before pages.
 * node page [--corpus FILE] [--sizes N,N] [--sources N] [--pages N] [--dir DIR] [--disk-gb N] [--compact] [--retain]
 * For all sizes: --sizes 100000,1000000,10000000,100000000 takes six minutes, and 2 GB of disk.
 */
// As the program does that this store is part of.
keepObjectsYoung();
const { values } = parseArgs({
  options: {
    corpus: { type: "string" },
    sizes: { type: "string", default: "100000,1000000" },
    sources: { type: "string", default: "1000" },
    pages: { type: "string", default: "3000" },
    dir: { type: "string", default: join(tmpdir(), "boardlog-bench-page") },
    "disk-gb": { type: "string", default: "20" },
    compact: { type: "boolean", default: false },
    retain: { type: "boolean", default: false },
  },
});
/** More than an entry takes before compaction. */
const ENTRY_BYTES_MAX = 30;
/** Left to the others on the disk. */
const FREE_BYTES_MIN = 5e9;
const WARM_ENTRIES = 300_000;
const WARM_PAGES = 6_000;
const sourceCount = Number(values.sources);
const pageCount = Number(values.pages);
rmSync(values.dir, { recursive: true, force: true });
// What the engine compiles on the way is not the work.
let store = await open({ openChunkBytesMax: 0 });
const project = "default";
const warmPool = new EntryPool(readLines(values.corpus), sourceCount, 1000);
for (let count = 0; count < WARM_ENTRIES; count += 1000)
  await store.append([{ project, entries: warmPool.batch() }]);
await store.seal();
for (let count = 0; count < WARM_PAGES; count++)
  await store.list({ project, src: randomSource(), limit: 100 });
await store.close();
rmSync(values.dir, { recursive: true, force: true });
store = await open();
const ids: string[] = [];
const pool = new EntryPool(readLines(values.corpus), sourceCount, 1000);
let entryCount = 0;

for (const size of values.sizes.split(",").map(Number)) {
  if (!hasRoom((size - entryCount) * ENTRY_BYTES_MAX)) {
    console.log(
      JSON.stringify({
        entries: size,
        skipped: "there is too little room on the disk, or more than --disk-gb is needed",
      }),
    );
    break;
  }
  const appended = size - entryCount;
  const appendCpu = process.cpuUsage();
  while (entryCount < size) {
    const entries = pool.batch();
    const [result] = await store.append([{ project, entries }]);
    ids.push(result?.stored[entryCount % 997]?.id ?? "");
    entryCount += 1000;
  }
  await store.seal();
  const appendCpuUs = cpuMicroseconds(appendCpu) / appended;
  await store.close();
  if (values.compact) {
    store = await openCompacting(values.dir, pool);
    await compact(store);
    await store.close();
  }
  const openStart = performance.now();
  store = await open();
  const openMs = performance.now() - openStart;
  const asPages = {
    "source, random place": (): Promise<unknown> =>
      store.list({ project, src: randomSource(), after: randomId(), limit: 100 }),
    "source, newest": (): Promise<unknown> =>
      store.list({ project, src: randomSource(), limit: 100, newest: true }),
    "project, newest": (): Promise<unknown> => store.listProject({ project, limit: 100, newest: true }),
    "project, random place": (): Promise<unknown> =>
      store.listProject({ project, after: randomId(), limit: 100 }),
  };
  console.log(
    JSON.stringify({
      entries: size,
      appendCpuUs: Math.round(appendCpuUs * 100) / 100,
      bytesAnEntry: Math.round((diskBytes(values.dir) / size) * 100) / 100,
      openMs: Math.round(openMs * 10) / 10,
    }),
  );
  readFiles(values.dir);
  for (const [name, page] of Object.entries(asPages)) await measure(name, page);
  await store.close();
  // Every chunk is read from the file and expanded anew.
  store = await open({ openChunkBytesMax: 0 });
  await measure("source, random place, nothing kept", asPages["source, random place"]);
  await store.close();
  store = await open();
}
if (values.retain) await retainHalf();
await store.close();
rmSync(values.dir, { recursive: true, force: true });

function open(options: Partial<ChunkedStoreOptions> = {}): Promise<ChunkedStore> {
  return openBenchStore(values.dir, { maintenanceMs: 0, ...options });
}

/** What is over the bytes to keep goes before a seal. */
async function retainHalf(): Promise<void> {
  await store.close();
  const before = diskBytes(values.dir);
  store = await open({ keepBytes: before / 2 });
  await store.append([{ project, entries: pool.batch().slice(0, 1) }]);
  const cpu = process.cpuUsage();
  const start = performance.now();
  await store.seal();
  const retainMs = Math.round((performance.now() - start) * 10) / 10;
  const retainCpuMs = Math.round(cpuMicroseconds(cpu) / 100) / 10;
  const freedMegabytes = Math.round((before - diskBytes(values.dir)) / 1e6);
  console.log(JSON.stringify({ entries: entryCount, retainMs, retainCpuMs, freedMegabytes }));
}

function hasRoom(bytes: number): boolean {
  const { bavail, bsize } = statfsSync(values.dir);
  return bytes <= Number(values["disk-gb"]) * 1e9 && bavail * bsize > bytes + FREE_BYTES_MIN;
}

async function measure(name: string, page: () => Promise<unknown>): Promise<void> {
  const count = name.startsWith("project") ? pageCount / 10 : pageCount;
  for (let index = 0; index < count / 3; index++) await page();
  const times: number[] = [];
  const cpu = process.cpuUsage();
  for (let index = 0; index < count; index++) {
    const start = performance.now();
    await page();
    times.push((performance.now() - start) * 1000);
  }
  const cpuUs = Math.round(cpuMicroseconds(cpu) / count);
  const [p50Us, p99Us] = [0.5, 0.99].map((fraction) => Math.round(percentile(times, fraction)));
  console.log(JSON.stringify({ entries: entryCount, page: name, cpuUs, p50Us, p99Us }));
}

function randomSource(): string {
  return `dev-${String(Math.floor(Math.random() * sourceCount)).padStart(4, "0")}`;
}

function randomId(): string {
  return ids[Math.floor(Math.random() * ids.length * 0.9)] ?? "";
}
