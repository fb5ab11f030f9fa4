import { createHash } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Clock, Timers } from "../../host/clock.ts";
import { CounterTable } from "../../host/counters.ts";
import type { ProcessLog } from "../../host/log.ts";
import type { Random } from "../../host/random.ts";
import { systemTimers } from "../../host/system-clock.ts";
import type { CheckReport } from "../../service/store/check-report.ts";
import { ChunkedStore } from "../../service/store/chunked-store.ts";
import { brotliCompressor } from "../../service/store/compressor.ts";
import type { StoreUnavailable } from "../../service/store/log-store.ts";
import { MemoryKvSpace } from "../../service/store/memory-kv.ts";
import { openStore } from "../../service/store/open-store.ts";
import type { KvSpace, KvViews } from "../../service/store/ordered-kv.ts";
import { checkStore } from "../../service/store/store-checker.ts";
import type { ChunkedStoreOptions } from "../../service/store/store-core.ts";
import { viewStore } from "../../service/store/store-view.ts";

/** Randomness that a seed repeats (mulberry32). */
export class SeededRandom implements Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed | 0;
  }

  fraction(): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 0x100000000;
  }

  bytes(size: number): Uint8Array {
    return Uint8Array.from({ length: size }, () => Math.floor(this.fraction() * 256));
  }

  /** An integer from 0 to below `end`. */
  below(end: number): number {
    return Math.floor(this.fraction() * end);
  }
}

export const quietLog: ProcessLog = { debug() {}, info() {}, warn() {}, error() {} };

/** Chunks, groups and segments so small that a few dozen entries cross every border. */
export const TINY: Partial<ChunkedStoreOptions> = {
  sealBytes: 1500,
  chunkEntriesMax: 4,
  chunkBytesMax: 400,
  segmentBytesMax: 2500,
  groupEntriesMax: 5,
  cachedSourcesMax: 4,
  openChunkBytesMax: 4000,
  compactEntriesMax: 9,
  // Rounds are made when a test asks for one.
  maintenanceMs: 0,
};

const noTimers: Timers = { after: () => ({ cancel() {} }), every: () => ({ cancel() {} }) };

const clock: Clock = { wallMs: () => 1_763_784_000_000, monotonicMs: () => performance.now() };

/** A clock by which every look at it is a turn's worth of work later, so that listings and seals give way all the time. */
function hastyClock(wallMs = () => 1_763_784_000_000): Clock {
  let now = 0;
  return { wallMs, monotonicMs: () => (now += 3) };
}

interface OpenOptions {
  readonly counters?: CounterTable;
  readonly options?: Partial<ChunkedStoreOptions>;
  readonly onFailure?: (error: StoreUnavailable) => void;
  /** The wall clock of a store on simulated engines. */
  readonly wallMs?: () => number;
}

/** A chunked store on simulated engines; everything happens in microtasks. */
export function openMemoryStore(
  space: KvSpace,
  seed: number,
  { counters = new CounterTable(), options = TINY, onFailure = () => {}, wallMs }: OpenOptions = {},
): Promise<ChunkedStore> {
  const random = new SeededRandom(seed);
  return ChunkedStore.open(
    {
      space,
      clock: hastyClock(wallMs),
      counters,
      log: quietLog,
      compressor: brotliCompressor,
      compactCompressor: brotliCompressor,
      newSecret: (size) => random.bytes(size),
      yieldTurn: () => Promise.resolve(),
      rest: () => Promise.resolve(),
      timers: noTimers,
      onFailure,
    },
    options,
  );
}

export function openLmdbStore(
  dir: string,
  { counters = new CounterTable(), options = TINY, onFailure = () => {} }: OpenOptions = {},
): Promise<ChunkedStore> {
  const seed = createHash("sha256").update(dir).digest().readInt32LE(0);
  return openStore(
    { dir, clock, timers: systemTimers, random: new SeededRandom(seed), counters, log: quietLog, onFailure },
    options,
  );
}

/** What a check finds. */
export async function checkOf(views: KvViews): Promise<CheckReport> {
  const view = await viewStore(views);
  try {
    return await checkStore(view, async () => {});
  } finally {
    await view.close();
  }
}

/** A folder of its own, and how to remove it. */
export async function temporaryFolder(): Promise<{ dir: string; remove: () => Promise<void> }> {
  const dir = await mkdtemp(join(tmpdir(), "boardlog-store-"));
  return { dir, remove: () => rm(dir, { recursive: true, force: true }) };
}

export function memorySpace(seed: number): MemoryKvSpace {
  return new MemoryKvSpace(new SeededRandom(seed));
}
