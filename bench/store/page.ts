import { rmSync, statfsSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { keepObjectsYoung } from "../../host/young-objects.ts";
import type { ChunkedStore } from "../../service/store/chunked-store.ts";
import { type ChunkedStoreOptions, OPTIONS_DEFAULT } from "../../service/store/store-core.ts";
import { compact, openBenchStore, openCompacting } from "./bench-store.ts";
import { EntryPool, readLines } from "./corpus.ts";
import { cpuMicroseconds, diskBytes, median, percentile, readFiles } from "./measure.ts";

/*
 * What a store costs as it grows: CPU of an append, bytes an entry, time to open, pages of 100 after random places, in process,
 * with chunks kept expanded as the service does and with none;
 * at the end what it costs to remove the older half. No compaction runs beside it; with --compact all is compacted before pages.
 * node page [--corpus FILE] [--sizes N,N] [--sources N] [--pages N] [--dir DIR] [--disk-gb N] [--compact] [--retain]
 *           [--beside N]
 * With --beside pages of the last size are measured in turns with those of a store of so many entries of the same sources: once both
 * are mapped, as the processor's caches find them, then with these emptied before each page.
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
    beside: { type: "string", default: "0" },
  },
});
/** More than an entry takes before compaction. */
const ENTRY_BYTES_MAX = 30;
/** Left to the others on the disk. */
const FREE_BYTES_MIN = 5e9;
const WARM_ENTRIES = 300_000;
const WARM_PAGES = 6_000;
/** Turns of two stores, and pages of one in a turn. */
const TURNS = 15;
const TURN_PAGES = 200;
/** After as many, nearly all places of the last size are mapped. */
const MAPPING_PAGES = 20_000;
/** Of entries, that pages begin in: behind each are enough of its source for a full page in the smallest store that is compared. */
const PLACES_SHARE = 0.6;
/** Right after opening. */
const FIRST_PAGES = 1_000;
/** In a turn of pages before which the caches are emptied, which takes ten times as long as the page. */
const EMPTIED_TURN_PAGES = 50;
/** More than caches hold. */
const SWEEP_BYTES = 48 << 20;
const CACHE_LINE_BYTES = 64;
const RANDOM = "source, random place";
const RANDOM_COLD = "source, random place, nothing kept";
const RANDOM_FIRST = "source, random place, nothing kept, first after opening";
const RANDOM_EMPTIED = "source, random place, nothing kept, caches emptied";
/** Every chunk is read from the file and expanded anew. */
const NOTHING_KEPT: Partial<ChunkedStoreOptions> = { openChunkBytesMax: 0 };
const project = "default";

/** A store that is filled, and pages of it. */
class Filled {
  readonly dir: string;
  readonly #sourceCount: number;
  readonly #pool: EntryPool;
  readonly #ids: string[] = [];
  entryCount = 0;
  /** Open from the first call of `open` on. */
  store!: ChunkedStore;

  constructor(dir: string, sourceCount: number) {
    this.dir = dir;
    this.#sourceCount = sourceCount;
    this.#pool = new EntryPool(readLines(values.corpus), sourceCount, 1000);
    rmSync(dir, { recursive: true, force: true });
  }

  async open(options: Partial<ChunkedStoreOptions> = {}): Promise<void> {
    this.store = await openBenchStore(this.dir, { maintenanceMs: 0, ...options });
  }

  async openAnew(options: Partial<ChunkedStoreOptions> = {}): Promise<void> {
    await this.store.close();
    await this.open(options);
  }

  /**
   * Appends up to so many entries, and seals them.
   * @param sealEntries sealed each time, where it is not left to the store
   */
  async fill(size: number, sealEntries = Number.POSITIVE_INFINITY): Promise<void> {
    while (this.entryCount < size) {
      const [result] = await this.store.append([{ project, entries: this.#pool.batch() }]);
      this.#ids.push(result?.stored[this.entryCount % 997]?.id ?? "");
      this.entryCount += 1000;
      if (this.entryCount % sealEntries === 0) await this.store.seal();
    }
    await this.store.seal();
  }

  async compact(): Promise<void> {
    await this.store.close();
    this.store = await openCompacting(this.dir, this.#pool);
    await compact(this.store);
  }

  async appendOne(): Promise<void> {
    await this.store.append([{ project, entries: this.#pool.batch().slice(0, 1) }]);
  }

  readonly randomPage = (): Promise<unknown> =>
    this.store.list({ project, src: this.#randomSource(), after: this.#randomId(), limit: 100 });

  readonly newestPage = (): Promise<unknown> =>
    this.store.list({ project, src: this.#randomSource(), limit: 100, newest: true });

  readonly randomPageOfAll = (): Promise<unknown> =>
    this.store.listProject({ project, after: this.#randomId(), limit: 100 });

  readonly newestPageOfAll = (): Promise<unknown> =>
    this.store.listProject({ project, limit: 100, newest: true });

  #randomSource(): string {
    return `dev-${String(Math.floor(Math.random() * this.#sourceCount)).padStart(4, "0")}`;
  }

  #randomId(): string {
    return this.#ids[Math.floor(Math.random() * this.#ids.length * PLACES_SHARE)] ?? "";
  }
}

const sourceCount = Number(values.sources);
const pageCount = Number(values.pages);
// What the engine compiles on the way is not the work.
const warm = new Filled(values.dir, sourceCount);
await warm.open(NOTHING_KEPT);
await warm.fill(WARM_ENTRIES);
for (let count = 0; count < WARM_PAGES; count++) await warm.randomPage();
await warm.store.close();

const filled = new Filled(values.dir, sourceCount);
await filled.open();
for (const size of values.sizes.split(",").map(Number)) {
  if (!hasRoom((size - filled.entryCount) * ENTRY_BYTES_MAX)) {
    console.log(
      JSON.stringify({
        entries: size,
        skipped: "there is too little room on the disk, or more than --disk-gb is needed",
      }),
    );
    break;
  }
  const appended = size - filled.entryCount;
  const appendCpu = process.cpuUsage();
  await filled.fill(size);
  const appendCpuUs = cpuMicroseconds(appendCpu) / appended;
  if (values.compact) await filled.compact();
  await filled.store.close();
  const openStart = performance.now();
  await filled.open();
  const openMs = performance.now() - openStart;
  console.log(
    JSON.stringify({
      entries: size,
      appendCpuUs: Math.round(appendCpuUs * 100) / 100,
      bytesAnEntry: Math.round((diskBytes(values.dir) / size) * 100) / 100,
      openMs: Math.round(openMs * 10) / 10,
    }),
  );
  readFiles(values.dir);
  await measure(RANDOM, filled.randomPage, pageCount);
  await measure("source, newest", filled.newestPage, pageCount);
  await measure("project, newest", filled.newestPageOfAll, pageCount / 10);
  await measure("project, random place", filled.randomPageOfAll, pageCount / 10);
  await filled.openAnew(NOTHING_KEPT);
  await timesOf(filled.randomPage, MAPPING_PAGES);
  await measure(RANDOM_COLD, filled.randomPage, pageCount);
  await filled.openAnew();
}
if (Number(values.beside) > 0) await compareWithSmall();
if (values.retain) await retainHalf();
await filled.store.close();
rmSync(values.dir, { recursive: true, force: true });

/** In turns, since a machine is not as fast all the time. */
async function compareWithSmall(): Promise<void> {
  const small = new Filled(`${values.dir}-small`, sourceCount);
  await small.open();
  // Left to the store, its chunks would be less full than the large one's, and pages cheaper for that.
  await small.fill(Number(values.beside), OPTIONS_DEFAULT.chunkEntriesMax * sourceCount);
  const sweep = new Float64Array(SWEEP_BYTES / Float64Array.BYTES_PER_ELEMENT);
  const emptyCaches = (): void => {
    const step = CACHE_LINE_BYTES / Float64Array.BYTES_PER_ELEMENT;
    for (let index = 0; index < sweep.length; index += step) sweep[index] = (sweep[index] ?? 0) + 1;
  };
  const inTurns = async (page: string, count: number, before?: () => void): Promise<void> => {
    const pairs: { ours: number; other: number }[] = [];
    for (let turn = 0; turn < TURNS; turn++)
      pairs.push({
        ours: await medianUs(filled, count, before),
        other: await medianUs(small, count, before),
      });
    console.log(JSON.stringify({ entries: filled.entryCount, page, beside: small.entryCount, pairs }));
  };
  const openBoth = async (options: Partial<ChunkedStoreOptions>): Promise<void> => {
    await small.openAnew(options);
    await filled.openAnew(options);
    readFiles(values.dir);
  };
  await openBoth({});
  await inTurns(RANDOM, TURN_PAGES);
  await openBoth(NOTHING_KEPT);
  const pairs = [{ ours: await medianUs(filled, FIRST_PAGES), other: await medianUs(small, FIRST_PAGES) }];
  console.log(
    JSON.stringify({ entries: filled.entryCount, page: RANDOM_FIRST, beside: small.entryCount, pairs }),
  );
  await timesOf(filled.randomPage, MAPPING_PAGES);
  await inTurns(RANDOM_COLD, TURN_PAGES);
  await inTurns(RANDOM_EMPTIED, EMPTIED_TURN_PAGES, emptyCaches);
  await small.store.close();
  rmSync(small.dir, { recursive: true, force: true });
}

async function medianUs({ randomPage }: Filled, count: number, before?: () => void): Promise<number> {
  return Math.round(median(await timesOf(randomPage, count, before)) * 10) / 10;
}

/** What is over the bytes to keep goes before a seal. */
async function retainHalf(): Promise<void> {
  await filled.store.close();
  const before = diskBytes(values.dir);
  await filled.open({ keepBytes: before / 2 });
  await filled.appendOne();
  const cpu = process.cpuUsage();
  const start = performance.now();
  await filled.store.seal();
  const retainMs = Math.round((performance.now() - start) * 10) / 10;
  const retainCpuMs = Math.round(cpuMicroseconds(cpu) / 100) / 10;
  const freedMegabytes = Math.round((before - diskBytes(values.dir)) / 1e6);
  console.log(JSON.stringify({ entries: filled.entryCount, retainMs, retainCpuMs, freedMegabytes }));
}

function hasRoom(bytes: number): boolean {
  const { bavail, bsize } = statfsSync(values.dir);
  return bytes <= Number(values["disk-gb"]) * 1e9 && bavail * bsize > bytes + FREE_BYTES_MIN;
}

async function measure(name: string, page: () => Promise<unknown>, count: number): Promise<void> {
  for (let index = 0; index < count / 3; index++) await page();
  const cpu = process.cpuUsage();
  const times = await timesOf(page, count);
  const cpuUs = Math.round(cpuMicroseconds(cpu) / count);
  const [p50Us, p99Us] = [0.5, 0.99].map((fraction) => Math.round(percentile(times, fraction)));
  console.log(JSON.stringify({ entries: filled.entryCount, page: name, cpuUs, p50Us, p99Us }));
}

/**
 * Of each page, us.
 * @param before called before each, and not measured
 */
async function timesOf(page: () => Promise<unknown>, count: number, before?: () => void): Promise<number[]> {
  const times: number[] = [];
  for (let index = 0; index < count; index++) {
    before?.();
    const start = performance.now();
    await page();
    times.push((performance.now() - start) * 1000);
  }
  return times;
}
