import type { Clock, Timers } from "../../host/clock.ts";
import type { Counters } from "../../host/counters.ts";
import type { ProcessLog } from "../../host/log.ts";
import type { KeyedQueue } from "../keyed-queue.ts";
import type { Compressor } from "./compressor.ts";
import type { DamageReporter } from "./damage-reporter.ts";
import type { Deletions } from "./deletions.ts";
import type { DiskRoom } from "./disk-room.ts";
import { StoreUnavailable } from "./log-store.ts";
import type { Memtable } from "./memtable.ts";
import type { KvSpace, OrderedKv } from "./ordered-kv.ts";
import type { ReaderGate } from "./reader-gate.ts";
import type { Segment } from "./segment.ts";
import type { SegmentReader } from "./segment-reader.ts";
import type { SourceTable } from "./source-table.ts";
import type { SpoolPositions } from "./spool-positions.ts";

/** What the store takes from outside. */
export interface StoreDeps {
  readonly space: KvSpace;
  readonly clock: Clock;
  readonly counters: Counters;
  readonly log: ProcessLog;
  readonly compressor: Compressor;
  /** Of compact chunks, which are made once and at leisure; what it makes, `compressor` expands. */
  readonly compactCompressor: Compressor;
  /** Lets other work of the process have a turn. */
  readonly yieldTurn: () => Promise<void>;
  /** Lets other work go first for some time: what is in no hurry rests between its turns. */
  readonly rest: () => Promise<void>;
  readonly timers: Timers;
  /** Called once when the store fails for good: the process should stop and be started again. */
  readonly onFailure?: (error: StoreUnavailable) => void;
}

export interface ChunkedStoreOptions {
  /** Unsealed entries are sealed from this many bytes in memory on (or when sources have full chunks). Twice as much can be held. */
  readonly sealBytes: number;
  /** Entries of a sealed chunk at most: a page of a hundred expands two of them. */
  readonly chunkEntriesMax: number;
  /** Bytes of a chunk before compression at most, unless one entry alone is larger. */
  readonly chunkBytesMax: number;
  /** A new segment is begun once the last one holds this many bytes: the unit that retention removes. */
  readonly segmentBytesMax: number;
  /** Likewise once it is this old, ms. */
  readonly segmentMsMax: number;
  /** Entries of one transaction at most; one append() call is never divided. */
  readonly groupEntriesMax: number;
  /** Entries, and characters of their messages, of a compact chunk at most, about. */
  readonly compactEntriesMax: number;
  readonly compactCharactersMax: number;
  /** Entries received longer ago than this go, ms; kept for good where absent. */
  readonly keepMs: number | undefined;
  /** Where the store takes more than this, the oldest entries go; no limit where absent. */
  readonly keepBytes: number | undefined;
  /** How often retention and compaction are looked after, ms; 0 is never but by `maintain()`. */
  readonly maintenanceMs: number;
  /** Characters of `msg` in one transaction at most, likewise. */
  readonly groupCharactersMax: number;
  /** Entries that may wait for the disk; past it append() throws StoreBusy. */
  readonly queueEntriesMax: number;
  /** Characters of `msg` that may wait for the disk; past it append() throws StoreBusy. */
  readonly queueCharactersMax: number;
  /**
   * Where less than this is free, nothing more is taken: what is needed to seal what was taken, and for retention. LMDB is never
   * brought to where a write fails, which it survives badly. Twice `sealBytes` where absent.
   */
  readonly reserveBytes: number | undefined;
  readonly cachedSourcesMax: number;
  /** Boots of one source whose marks stay in memory once they are written. */
  readonly cachedBootsMax: number;
  /** Inflated chunks kept for readers; one that is not among them is a third of what a page costs. */
  readonly openChunkBytesMax: number;
}

export const OPTIONS_DEFAULT: ChunkedStoreOptions = {
  sealBytes: 32 << 20,
  chunkEntriesMax: 128,
  chunkBytesMax: 128 << 10,
  segmentBytesMax: 256 << 20,
  segmentMsMax: 7 * 86_400_000,
  groupEntriesMax: 4096,
  compactEntriesMax: 512,
  compactCharactersMax: 256 << 10,
  keepMs: undefined,
  keepBytes: undefined,
  maintenanceMs: 60_000,
  groupCharactersMax: 4 << 20,
  queueEntriesMax: 100_000,
  queueCharactersMax: 64 << 20,
  reserveBytes: undefined,
  cachedSourcesMax: 20_000,
  cachedBootsMax: 4,
  openChunkBytesMax: 32 << 20,
};

/** Shares of what is kept that go at a time: retention removes whole segments. */
const SEGMENTS_KEPT_MIN = 8;
/** Shares of what is kept that are sealed at a time: room is left for a few of them, for what is unsealed and for the seal. */
const SEALS_KEPT_MIN = 32;

/** The defaults where nothing is said; segments no larger and no longer than retention needs them. */
export function optionsOf(given: Partial<ChunkedStoreOptions>): ChunkedStoreOptions {
  const options = { ...OPTIONS_DEFAULT, ...given };
  const { keepMs = Number.POSITIVE_INFINITY, keepBytes = Number.POSITIVE_INFINITY } = options;
  const sealBytes = Math.min(options.sealBytes, keepBytes / SEALS_KEPT_MIN);
  return {
    ...options,
    sealBytes,
    groupCharactersMax: Math.min(options.groupCharactersMax, sealBytes),
    reserveBytes: options.reserveBytes ?? Math.min(options.sealBytes, keepBytes / SEGMENTS_KEPT_MIN) * 2,
    segmentMsMax: Math.min(options.segmentMsMax, keepMs / SEGMENTS_KEPT_MIN),
    segmentBytesMax: Math.min(options.segmentBytesMax, keepBytes / SEGMENTS_KEPT_MIN),
  };
}

/** The state that the parts of one open store share. */
export interface StoreCore {
  readonly deps: StoreDeps;
  readonly options: ChunkedStoreOptions;
  readonly head: OrderedKv;
  readonly sources: SourceTable;
  readonly spools: SpoolPositions;
  readonly segments: Segment[];
  readonly reader: SegmentReader;
  /** Entries up to here are read from the segments. */
  sealedPosition: number;
  /** The last entry that is durable. */
  lastPosition: number;
  /** Takes new entries. */
  active: Memtable;
  /** Being sealed. */
  frozen: Memtable | undefined;
  nextLogNumber: number;
  readonly deletions: Deletions;
  /** What changes the state or the segments waits here for its turn. */
  readonly changes: KeyedQueue;
  /** A segment that is being written anew, and how large it may become. */
  compaction: { readonly name: string; readonly bytesMax: number } | undefined;
  readonly gate: ReaderGate;
  readonly damages: DamageReporter;
  nextSegmentNumber: number;
  readonly health: StoreHealth;
  readonly room: DiskRoom;
}

/** Whether the store may still be used. */
export class StoreHealth {
  #reason: StoreUnavailable | undefined;
  readonly #onFailure: ((error: StoreUnavailable) => void) | undefined;

  constructor(onFailure: ((error: StoreUnavailable) => void) | undefined) {
    this.#onFailure = onFailure;
  }

  /** @throws StoreUnavailable */
  assertUsable(): void {
    if (this.#reason !== undefined) throw this.#reason;
  }

  get usable(): boolean {
    return this.#reason === undefined;
  }

  closed(): void {
    this.#reason ??= new StoreUnavailable("it is closed");
  }

  /** Nothing is retried: after a failed sync nobody knows what is on the disk until it is read again. */
  failed(cause: unknown): StoreUnavailable {
    if (this.#reason !== undefined) return this.#reason;
    const reason =
      cause instanceof StoreUnavailable
        ? cause
        : new StoreUnavailable("it failed and must be opened again", { cause });
    this.#reason = reason;
    this.#onFailure?.(reason);
    return reason;
  }
}
