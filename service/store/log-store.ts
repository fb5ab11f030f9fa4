import type { NewEntry, StoredEntry } from "../../protocol/entry.ts";

/** Entries of one project, in the order they get their ids. */
export interface StoreBatch {
  readonly project: string;
  readonly entries: readonly NewEntry[];
}

/** How far a gateway's spool has come in one of its lives (docs/protocol.md 13). */
export interface SpoolPosition {
  readonly project: string;
  readonly gateway: string;
  readonly epoch: string;
  readonly position: number;
}

export interface AppendResult {
  /** Entries stored, in order, with their ids; duplicates are not among them. Made when first asked for. */
  readonly stored: readonly StoredEntry[];
  readonly storedCount: number;
  /**
   * Entries that say nothing new: their `(src, boot, seq)`, and all of `lost` where they have it, were already stored or
   * accounted for (docs/protocol.md 6.2).
   */
  readonly duplicateCount: number;
}

export interface ListQuery {
  readonly project: string;
  readonly src: string;
  /** Exclusive continuation token. */
  readonly after?: string;
  /** Exclusive upper end; together with `newest`, to walk back through history. */
  readonly before?: string;
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
   * Calls are stored in the order they were made.
   * @param position written in the same transaction; one that is not above the stored one changes nothing.
   * @throws StoreBusy when too much is waiting; the caller tries again later.
   * @throws StoreUnavailable when the store is closed or has failed. Nothing was acked, though some may be stored.
   */
  append(batches: readonly StoreBatch[], position?: SpoolPosition): Promise<readonly AppendResult[]>;

  /**
   * The highest position stored with entries of the gateway in this epoch; 0 for one never seen. Only what is durable counts.
   * @throws StoreUnavailable
   */
  spoolPosition(project: string, gateway: string, epoch: string): Promise<number>;

  /**
   * One page, ascending by id.
   * @throws UnknownToken for an `after` or `before` that this store never gave for this project.
   * @throws StoreUnavailable
   */
  list(query: ListQuery): Promise<readonly StoredEntry[]>;

  /** The same over all sources of a project: what the live socket replays and REST pages through. */
  listProject(query: Omit<ListQuery, "src">): Promise<readonly StoredEntry[]>;

  /**
   * Calls `listener` with entries once they are durable and listable, in id order, each exactly once, from now on.
   * The listener must not block; what it throws is logged and counted. The returned function ends the subscription.
   */
  subscribe(project: string, listener: (entries: readonly StoredEntry[]) => void): () => void;

  /**
   * The highest seq of the boot that is stored or accounted for by a loss record (`lost`); 0 for a boot never seen.
   * Seqs below it that never came are open gaps: an entry that fills one is stored once. Only what is durable counts.
   * @throws StoreUnavailable
   */
  mark(project: string, src: string, boot: string): Promise<number>;

  /** Every source of the project, ascending by name (code units). */
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
  readonly code: string = "STORE_UNAVAILABLE";
  constructor(reason: string, options?: ErrorOptions) {
    super(`the store is unavailable: ${reason}`, options);
    this.name = "StoreUnavailable";
  }
}

/** More waits for the disk than the store's queue holds. Nothing of the call was stored. */
export class StoreBusy extends StoreUnavailable {
  override readonly code: string = "STORE_BUSY";
  constructor() {
    super("too many entries wait for the disk");
    this.name = "StoreBusy";
  }
}
