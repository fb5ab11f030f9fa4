import type { StoredEntry } from "../../protocol/entry.ts";
import { type Batch, readRow } from "./batch-record.ts";
import { clockOfCode, entryOf, levelOfCode, RowView } from "./entry-record.ts";
import type { OrderedKv } from "./ordered-kv.ts";
import type { SourceState } from "./source-state.ts";

/** Memory of a table beside its batches' bytes, for each entry: a position, a place, a source. */
const ENTRY_OVERHEAD_BYTES = 40;
/** A place is `batch index * PLACE_SCALE + row start`; a transaction's value stays far below 4 GiB. */
const PLACE_SCALE = 0x100000000;

/** Entries of one source in a table. */
export interface SourceTail {
  readonly positions: number[];
  readonly places: number[];
}

/** One entry of a table, not yet decoded. */
export interface TableRow {
  readonly source: SourceState;
  readonly position: number;
  readonly batch: Batch<SourceState>;
  readonly start: number;
}

export interface TableQuery {
  readonly stream: string | undefined;
  readonly limit: number;
  /** Rows to look at before giving the event loop its turn. */
  readonly rowsMax: number;
}

/** The log that a table was written to; removed once the table is sealed. */
export interface TableLog {
  readonly name: string;
  readonly kv: OrderedKv;
}

/**
 * Committed entries that are not sealed yet: the very bytes that were written to the log, and where each source's rows are
 * in them. Rebuilt from the log at open.
 */
export class Memtable {
  readonly logs: TableLog[] = [];
  readonly sources = new Map<SourceState, SourceTail>();
  readonly batches: Batch<SourceState>[] = [];
  entryCount = 0;
  bytes = 0;
  lastPosition = 0;
  readonly #row = new RowView();

  /** Takes a batch that is durable. */
  add(batch: Batch<SourceState>): void {
    const place = this.batches.length * PLACE_SCALE;
    this.batches.push(batch);
    const { rowSources, rowStarts, firstPosition, entryCount } = batch;
    for (let index = 0; index < entryCount; index++) {
      const source = rowSources[index];
      const start = rowStarts[index];
      if (source === undefined || start === undefined) throw new RangeError("a batch lacks a row");
      let tail = this.sources.get(source);
      if (tail === undefined) {
        tail = { positions: [], places: [] };
        this.sources.set(source, tail);
        source.pinCount++;
      }
      tail.positions.push(firstPosition + index);
      tail.places.push(place + start);
    }
    this.entryCount += entryCount;
    this.bytes += batch.value.length + entryCount * ENTRY_OVERHEAD_BYTES;
    this.lastPosition = firstPosition + entryCount - 1;
  }

  /**
   * Appends to `into` the source's entries after `after` and up to `through`, ascending, until it holds `limit` or
   * `rowsMax` rows were looked at. Returns the position up to which it looked.
   */
  listAfter(
    source: SourceState,
    after: number,
    through: number,
    query: TableQuery,
    into: StoredEntry[],
  ): number {
    const tail = this.sources.get(source);
    if (tail === undefined) return through;
    const { positions } = tail;
    let cursor = after;
    let index = firstAfter(positions, after);
    for (const end = index + query.rowsMax; index < end; index++) {
      const position = positions[index];
      if (position === undefined || position > through) return through;
      if (into.length >= query.limit) return cursor;
      const entry = this.#entryAt(source, tail, index, query.stream);
      if (entry !== undefined) into.push(entry);
      cursor = position;
    }
    return cursor;
  }

  /** The same backwards: entries before `before` and after `after`, descending. Returns the position it looked down to. */
  listBefore(
    source: SourceState,
    before: number,
    after: number,
    query: TableQuery,
    into: StoredEntry[],
  ): number {
    const tail = this.sources.get(source);
    if (tail === undefined) return after + 1;
    const { positions } = tail;
    let cursor = before;
    let index = firstAfter(positions, before - 1) - 1;
    for (const end = index - query.rowsMax; index > end; index--) {
      const position = positions[index];
      if (position === undefined || position <= after) return after + 1;
      if (into.length >= query.limit) return cursor;
      const entry = this.#entryAt(source, tail, index, query.stream);
      if (entry !== undefined) into.push(entry);
      cursor = position;
    }
    return cursor;
  }

  /** Rows of all sources after `after` and up to `through`, ascending. */
  *rowsAfter(after: number, through: number): Generator<TableRow> {
    for (let at = firstBatchEndingAfter(this.batches, after); at < this.batches.length; at++) {
      const batch = this.batches[at];
      if (batch === undefined || batch.firstPosition > through) return;
      const end = Math.min(batch.entryCount, through - batch.firstPosition + 1);
      for (let index = Math.max(0, after + 1 - batch.firstPosition); index < end; index++)
        yield rowOf(batch, index);
    }
  }

  /** Rows of all sources before `before` and after `after`, descending. */
  *rowsBefore(before: number, after: number): Generator<TableRow> {
    for (let at = this.batches.length - 1; at >= 0; at--) {
      const batch = this.batches[at];
      if (batch === undefined || batch.firstPosition + batch.entryCount - 1 <= after) return;
      const last = Math.min(batch.entryCount, before - batch.firstPosition) - 1;
      for (let index = last; index >= 0 && batch.firstPosition + index > after; index--)
        yield rowOf(batch, index);
    }
  }

  /** The entry of a row, or undefined where it is of another stream. */
  entryOfRow(row: TableRow, stream: string | undefined): StoredEntry | undefined {
    return readEntry(this.#row, row, stream);
  }

  /** The batch and row start of a place. */
  rowAt(place: number): { readonly batch: Batch<SourceState>; readonly start: number } {
    const batch = this.batches[Math.floor(place / PLACE_SCALE)];
    if (batch === undefined) throw new RangeError("a place of another table");
    return { batch, start: place % PLACE_SCALE };
  }

  #entryAt(
    source: SourceState,
    tail: SourceTail,
    index: number,
    stream: string | undefined,
  ): StoredEntry | undefined {
    const { batch, start } = this.rowAt(tail.places[index] ?? 0);
    return readEntry(this.#row, { source, position: tail.positions[index] ?? 0, batch, start }, stream);
  }
}

function rowOf(batch: Batch<SourceState>, index: number): TableRow {
  const source = batch.rowSources[index];
  const start = batch.rowStarts[index];
  if (source === undefined || start === undefined) throw new RangeError("a batch lacks a row");
  return { source, position: batch.firstPosition + index, batch, start };
}

function readEntry(into: RowView, row: TableRow, stream: string | undefined): StoredEntry | undefined {
  const { source, position, batch, start } = row;
  readRow(batch, start, into);
  if (stream !== undefined && into.stream !== stream) return undefined;
  return entryOf(
    {
      src: source.src,
      stream: into.stream,
      msg: batch.value.toString("utf8", into.msgStart, into.msgEnd),
      timestamp: into.timestamp,
      received: into.received,
      clock: clockOfCode(into.clockCode),
      level: levelOfCode(into.levelCode),
      module: into.module,
      boot: into.boot,
      seq: into.seq,
      uptime: into.uptime,
      clockError: into.clockError,
      lost: into.lost,
    },
    source.project.ids.make(position),
  );
}

/** Index of the first of ascending `positions` that is above `after`. */
export function firstAfter(positions: ArrayLike<number>, after: number): number {
  let low = 0;
  let high = positions.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((positions[middle] ?? 0) <= after) low = middle + 1;
    else high = middle;
  }
  return low;
}

function firstBatchEndingAfter(batches: readonly Batch<SourceState>[], after: number): number {
  let low = 0;
  let high = batches.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const batch = batches[middle];
    if (batch !== undefined && batch.firstPosition + batch.entryCount - 1 <= after) low = middle + 1;
    else high = middle;
  }
  return low;
}
