import type { NewEntry, StoredEntry } from "../../protocol/entry.ts";

/** Entries of one project, in the order they get their ids. */
export interface StoreBatch {
  readonly project: string;
  readonly entries: readonly NewEntry[];
}

export interface AppendResult {
  /** Entries stored, in order, with their ids; duplicates are not among them. */
  readonly stored: readonly StoredEntry[];
  /** Entries with a `(src, boot, seq)` the store already held. */
  readonly duplicateCount: number;
}

export interface ListQuery {
  readonly project: string;
  readonly src: string;
  /** Exclusive continuation token. */
  readonly after?: string;
  /** 1 to 1000. */
  readonly limit: number;
  /** Only the newest `limit` entries (after `after`), in ascending order all the same. */
  readonly newest?: boolean;
  readonly stream?: string;
}

export interface SourceSummary {
  readonly src: string;
  /** Received time of its last entry, UTC ms. */
  readonly lastReceived: number;
  readonly entryCount: number;
}

/**
 * Where entries live. Durable, ordered by arrival, exactly once per `(project, src, boot, seq)`.
 * One conformance suite (test/conformance/) runs over every driver.
 */
export interface LogStore {
  /**
   * Stores the batches in one transaction and resolves when durable, with ids in the order given: ascending, never reused.
   * The mark and the open gaps of each `(src, boot)` are written in the same transaction (docs/protocol.md 6.9).
   * @throws StoreUnavailable when nothing was stored.
   */
  append(batches: readonly StoreBatch[]): Promise<readonly AppendResult[]>;

  /**
   * One page, ascending by id.
   * @throws UnknownToken for an `after` that this store never gave for this project.
   */
  list(query: ListQuery): Promise<readonly StoredEntry[]>;

  /** The same over all sources of a project: what the live socket replays and REST pages through. */
  listProject(query: Omit<ListQuery, "src">): Promise<readonly StoredEntry[]>;

  /**
   * Calls `listener` with entries once they are durable and listable, in id order, each exactly once, from now on.
   * The listener must not block; the returned function ends the subscription.
   */
  subscribe(project: string, listener: (entries: readonly StoredEntry[]) => void): () => void;

  /**
   * The highest seq of the boot that is stored or accounted for by a loss record (`lost`); 0 for a boot never seen.
   * Seqs below it that never came are open gaps: an entry that fills one is stored once.
   */
  mark(project: string, src: string, boot: string): Promise<number>;

  sources(project: string): Promise<readonly SourceSummary[]>;

  /** Waits for what was accepted and closes; later calls throw StoreUnavailable. */
  close(): Promise<void>;
}

export class UnknownToken extends Error {
  readonly code = "UNKNOWN_TOKEN";
  constructor() {
    super("after: not a continuation token of this service and project");
    this.name = "UnknownToken";
  }
}

export class StoreUnavailable extends Error {
  readonly code = "STORE_UNAVAILABLE";
  constructor(reason: string, options?: ErrorOptions) {
    super(`the store is unavailable: ${reason}`, options);
    this.name = "StoreUnavailable";
  }
}
