import type { NewEntry, SeqRange, StoredEntry } from "../../protocol/entry.ts";
import type { EntryPart } from "../../protocol/entry-run.ts";
import type { ExtraField } from "../../protocol/methods.ts";
import type { SourceSummary } from "../../protocol/source-summary.ts";
import type { ByteWriter } from "./byte-writer.ts";

/** Entries of one project, in the order they get their ids. */
export interface StoreBatch {
  readonly project: string;
  readonly entries: readonly NewEntry[];
  /** All that `entries` says, where some of it came in columns: then those are made where they are asked for. */
  readonly parts?: readonly EntryPart[];
  /**
   * Where each entry is in the spool that the call's `position` is of, ascending: tells repeats where an append is not one
   * transaction over all its sources.
   */
  readonly spoolPositions?: readonly number[];
}

/** How far a gateway's spool has come in one of its lives (docs/protocol.md 13). */
export interface SpoolPosition {
  readonly project: string;
  readonly gateway: string;
  readonly epoch: string;
  readonly position: number;
}

/**
 * What became listable of a project at once, in the order of its ids; at least one entry. Ids are made for those that are asked for:
 * of many entries, most readers want few.
 */
export interface StoredBatch {
  /** As they were appended. */
  readonly entries: readonly NewEntry[];
  /** The id of the entry at `index` of `entries`. */
  idAt(index: number): string;
  /** All of them with their ids. Made when first asked for. */
  readonly stored: readonly StoredEntry[];
}

export interface AppendResult {
  /** Entries stored, in the order of their ids; duplicates are not among them. Made when first asked for. */
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

/**
 * What the messages of a page hold, about: with the entry that passes it a page ends, or with the few that are fetched together with
 * it. A page is made in memory, and entries may be 1 MiB each.
 */
export const PAGE_CHARACTERS_MAX = 4 * 1024 * 1024;

/** Whether nothing lies beyond a page that `list` or `listProject` gave: it is shorter than asked for, and not for its size. */
export function isLastPage(page: readonly StoredEntry[], limit: number): boolean {
  if (page.length >= limit) return false;
  let characters = 0;
  for (const { msg } of page) characters += msg.length;
  return characters < PAGE_CHARACTERS_MAX;
}

/** A page of one source, or of all of a project where none is named. */
export type PageQuery = Omit<ListQuery, "src"> & Partial<Pick<ListQuery, "src">>;

/** A page that was written as text. */
export interface WrittenPage {
  readonly entryCount: number;
  readonly firstId: string | undefined;
  readonly lastId: string | undefined;
}

/** What places an entry among others by time (`compareTime`). */
export type TimePlace = Pick<StoredEntry, "timestamp" | "src" | "boot" | "seq" | "id">;

export interface TimeQuery {
  readonly project: string;
  /** All sources where absent. */
  readonly src?: string;
  readonly stream?: string;
  /** UTC ms, inclusive; compared with `timestamp`, as `untilMs`. */
  readonly sinceMs: number;
  /** UTC ms, exclusive. */
  readonly untilMs: number;
  /** Exclusive: only what is later (`newest`: earlier) than this entry, which need not be kept any more. */
  readonly beyond?: TimePlace;
  /** 1 to 1000. */
  readonly limit: number;
  /** The last ones rather than the first ones; ascending all the same. */
  readonly newest?: boolean;
}

export interface RatesQuery {
  readonly project: string;
  readonly src?: string;
  readonly stream?: string;
  /** UTC ms, inclusive; compared with `timestamp`, as `untilMs`. */
  readonly sinceMs: number;
  /** UTC ms, exclusive. */
  readonly untilMs: number;
  /** Equal spans that the time is divided into, 1 to 1000. */
  readonly bucketCount: number;
}

export type SpanQuery = Pick<RatesQuery, "project" | "src" | "sinceMs" | "untilMs">;

/** Exclusive tokens around the arrival of some entries; without one, up to the end of the log on that side. */
export interface IdSpan {
  readonly after?: string;
  readonly before?: string;
}

/** Columns of `SourceRates.counts`: entries without a level, then debug, info, warn and error. */
export const RATE_COLUMNS = 5;

export interface SourceRates {
  readonly src: string;
  /** By bucket, then by column: the rank of the level (protocol/level.ts), 0 for none. */
  readonly counts: readonly (readonly number[])[];
}

/** What a store holds and keeps. */
export interface StoreStatus {
  /** Bytes that it takes on disk. */
  readonly diskBytes: number;
  /** Entries on the disk, of all projects; deleted ones are among them until their room is freed. */
  readonly entryCount: number;
  /** About when the oldest that is kept was received, UTC ms. */
  readonly oldestMs?: number;
  /** Limits of retention, where there are any. */
  readonly keepMs?: number;
  readonly keepBytes?: number;
  /** Figures of the driver itself, by name. */
  readonly details: Readonly<Record<string, number>>;
}

/** Seqs of a boot that never came, both ends included. */
export type OpenGap = Omit<SeqRange, "boot">;

/**
 * Where entries live. Durable, ordered by arrival, exactly once per `(project, src, boot, seq)`.
 * One conformance suite (test/conformance/) runs over every driver.
 */
export interface LogStore {
  /**
   * Stores the batches and resolves when durable. What a call has of one source is stored in transactions that also hold the
   * mark and the open gaps of each `(src, boot)` (docs/protocol.md 6.9); its ids ascend in the order given and are never
   * reused. Calls are stored in the order they were made, source by source. The embedded driver makes one transaction of the
   * whole call, and keeps order over sources too.
   * @param position written with the entries, or after them: it never leads. One that is not above the stored one changes nothing.
   * @throws StoreBusy when too much is waiting; the caller tries again later.
   * @throws StoreFull while the disk is full; likewise.
   * @throws StoreUnavailable when the store is closed or has failed. Nothing was acked, though some may be stored.
   */
  append(batches: readonly StoreBatch[], position?: SpoolPosition): Promise<readonly AppendResult[]>;

  /**
   * The highest position stored with entries of the gateway in this epoch; 0 for one never seen. Only what is durable counts.
   * @throws StoreUnavailable
   */
  spoolPosition(project: string, gateway: string, epoch: string): Promise<number>;

  /**
   * One page, ascending by id. It may be shorter where its entries are large (`PAGE_CHARACTERS_MAX`); only an empty one is the end
   * for sure (`isLastPage`).
   * @throws UnknownToken for an `after` or `before` that this store never gave for this project.
   * @throws StoreUnavailable
   */
  list(query: ListQuery): Promise<readonly StoredEntry[]>;

  /** The same over all sources of a project: what the live socket replays and REST pages through. */
  listProject(query: Omit<ListQuery, "src">): Promise<readonly StoredEntry[]>;

  /**
   * The page that `list` gives, or `listProject` where no `src` is named, as the JSON array of `Log.List` with these fields
   * (docs/protocol.md 4.2), written behind what `to` holds. Where it throws, what `to` holds is of no use any more.
   * @throws as `list`
   */
  writePage(query: PageQuery, fields: readonly ExtraField[], to: ByteWriter): Promise<WrittenPage>;

  /**
   * Calls `listener` with entries once they are durable and listable, in id order, each exactly once, from now on.
   * The listener must not block; what it throws is logged and counted. The returned function ends the subscription.
   */
  subscribe(project: string, listener: (batch: StoredBatch) => void): () => void;

  /**
   * The highest seq of the boot that is stored or accounted for by a loss record (`lost`); 0 for a boot never seen.
   * Seqs below it that never came are open gaps: an entry that fills one is stored once. Only what is durable counts.
   * @throws StoreUnavailable
   */
  mark(project: string, src: string, boot: string): Promise<number>;

  /**
   * The open gaps below that mark, ascending (docs/protocol.md 6.9).
   * @throws StoreUnavailable
   */
  gaps(project: string, src: string, boot: string): Promise<readonly OpenGap[]>;

  /**
   * Every source of the project, ascending by name (code units); also one whose entries are all gone.
   * @throws StoreUnavailable
   */
  sources(project: string): Promise<readonly SourceSummary[]>;

  /**
   * Entries by time: ascending by `compareTime`. A view, not a cursor: an entry that comes late lands where its time is.
   * @throws StoreUnavailable
   */
  listByTime(query: TimeQuery): Promise<readonly StoredEntry[]>;

  /**
   * How many entries of which level lie in each span of time, of each source that has any, ascending by name.
   * @throws StoreUnavailable
   */
  rates(query: RatesQuery): Promise<readonly SourceRates[]>;

  /**
   * Between which ids all entries of a time lie, that walking the log for them may begin there: not narrow, but never too
   * narrow. Undefined where it is known that there are none.
   * @throws StoreUnavailable
   */
  spanOf(query: SpanQuery): Promise<IdSpan | undefined>;

  /**
   * Removes the entries of a source (or of one of its streams) whose append has resolved; returns how many there were.
   * Durable and seen by every reader of this process when it resolves. Marks stay: what was deleted is still a duplicate when it comes again.
   * Ids stay tokens.
   * @throws StoreUnavailable
   */
  delete(project: string, src: string, stream?: string): Promise<number>;

  /** @throws StoreUnavailable */
  status(): Promise<StoreStatus>;

  /** Whether `append` throws StoreFull now; absent where a store knows no such thing. */
  readonly isFull?: boolean;

  /** Waits for what was accepted and closes; later calls throw StoreUnavailable. */
  close(): Promise<void>;
}

/**
 * Order by time: by timestamp, then by source, boot and seq, so that entries of one boot never stand against their seq; else
 * in order of arrival.
 */
export function compareTime(left: TimePlace, right: TimePlace): number {
  return (
    left.timestamp - right.timestamp ||
    compareText(left.src, right.src) ||
    compareText(left.boot ?? "", right.boot ?? "") ||
    (left.seq ?? 0) - (right.seq ?? 0) ||
    compareText(left.id, right.id)
  );
}

function compareText(left: string, right: string): number {
  return left < right ? -1 : left > right ? 1 : 0;
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

/** The disk has no more room than the store needs for itself. Nothing of the call was stored; it will be taken when there is room. */
export class StoreFull extends StoreUnavailable {
  override readonly code: string = "STORE_FULL";
  constructor() {
    super("its disk is full");
    this.name = "StoreFull";
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

/** What a caller of the service is told: nothing of the disk but that it is full. */
export function reasonOf(error: StoreUnavailable): string {
  return error instanceof StoreFull ? "the disk of the service is full" : "the store is unavailable";
}
