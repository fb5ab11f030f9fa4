import { type Batch, type BatchValue, grown } from "./batch-record.ts";
import { ByteReader } from "./byte-reader.ts";
import type { ByteWriter } from "./byte-writer.ts";
import type { SourceDeletions } from "./deletions.ts";
import type { EntryForm } from "./entry-form.ts";
import { RowView } from "./entry-record.ts";
import type { OrderedKv } from "./ordered-kv.ts";
import type { SourceState } from "./source-state.ts";
import type { ValueMemory } from "./value-memory.ts";

/** Memory of a row beside its batch's bytes: four numbers, and room to grow. */
const ROW_OVERHEAD_BYTES = 24;
/** Rows of a source between two that its tail remembers: what finding one walks at most. */
const BLOCK_ROWS = 64;
/** No row before this one. */
const ROW_NONE = 0xffffffff;

/** Entries of one source in a table: a chain from the last row back, and every 64th row. */
export interface SourceTail {
  readonly source: SourceState;
  readonly table: Memtable;
  /** Number of the source in the table. */
  readonly index: number;
  entryCount: number;
  lastRow: number;
  readonly blockFirstRows: number[];
}

/** The log that a table was written to; removed once the table is sealed. */
export interface TableLog {
  readonly name: string;
  readonly kv: OrderedKv;
}

/** One entry of a table, not yet decoded. */
export interface TableRow {
  readonly row: number;
  readonly position: number;
  readonly source: SourceState;
}

/** What of a table's rows is seen, and as what. */
export interface RowForm<T> {
  readonly form: EntryForm<T>;
  readonly stream: string | undefined;
  readonly gone: SourceDeletions | undefined;
}

export interface TableQuery<T> extends RowForm<T> {
  readonly limit: number;
  /** Rows to look at before giving the event loop its turn. */
  readonly rowsMax: number;
}

/** A batch as a table keeps it: its bytes, and the numbers of its rows. */
interface TableBatch extends BatchValue {
  readonly firstPosition: number;
  readonly firstRow: number;
}

/**
 * Committed entries that are not sealed yet: the very bytes that were written to the log, and which row of which source is
 * where. Rebuilt from the log at open. The index is in flat arrays: as objects, it would cost more time in garbage collection
 * than everything else that an append does.
 */
export class Memtable {
  readonly logs: TableLog[] = [];
  readonly tails = new Map<SourceState, SourceTail>();
  readonly #tailList: SourceTail[] = [];
  readonly #batches: TableBatch[] = [];
  /** By row: its batch, its start in it, its source's tail, and the row of the same source before it. */
  #rowBatches: Uint32Array;
  #rowStarts: Uint32Array;
  #rowTails: Uint32Array;
  #rowsBefore: Uint32Array;
  #rowCount = 0;
  #valueBytes = 0;
  lastPosition = 0;
  #oldestMs: number | undefined;
  readonly #row = new RowView();
  readonly #reader = new ByteReader(Buffer.alloc(0));

  /** @param rowsHint how many entries the table is expected to take, so that its index need not be copied as it grows. */
  constructor(rowsHint = 0) {
    const room = Math.max(256, rowsHint);
    this.#rowBatches = new Uint32Array(room);
    this.#rowStarts = new Uint32Array(room);
    this.#rowTails = new Uint32Array(room);
    this.#rowsBefore = new Uint32Array(room);
  }

  get entryCount(): number {
    return this.#rowCount;
  }

  /** Memory it takes, about. */
  get bytes(): number {
    return this.#valueBytes + this.#rowCount * ROW_OVERHEAD_BYTES;
  }

  /** When its first entry was received, UTC ms. */
  get oldestMs(): number {
    if (this.#oldestMs === undefined && this.#rowCount > 0) {
      this.readRow(0, this.#row);
      this.#oldestMs = this.#row.received;
    }
    return this.#oldestMs ?? Number.MAX_SAFE_INTEGER;
  }

  /** Position before its first entry. */
  get floor(): number {
    return (this.#batches[0]?.firstPosition ?? this.lastPosition + 1) - 1;
  }

  /** Takes a batch that is durable. */
  add(batch: Batch<SourceState>): void {
    const { firstPosition, entryCount, value, words, messagesStart, unitBytes, block } = batch;
    const { sources, rowSources, rowStarts } = batch;
    const batchIndex = this.#batches.length;
    this.#batches.push({
      firstPosition,
      firstRow: this.#rowCount,
      value,
      words,
      messagesStart,
      unitBytes,
      block,
    });
    while (this.#rowCount + entryCount > this.#rowStarts.length) this.#grow();
    for (let index = 0; index < entryCount; index++) {
      const source = sources[rowSources[index] ?? 0];
      if (source === undefined) throw new RangeError("a batch names a source that it does not list");
      const tail = source.tail?.table === this ? source.tail : this.#tailOf(source);
      const row = this.#rowCount++;
      this.#rowBatches[row] = batchIndex;
      this.#rowStarts[row] = rowStarts[index] ?? 0;
      this.#rowTails[row] = tail.index;
      this.#rowsBefore[row] = tail.lastRow;
      if (tail.entryCount % BLOCK_ROWS === 0) tail.blockFirstRows.push(row);
      tail.entryCount++;
      tail.lastRow = row;
    }
    this.#valueBytes += value.length;
    this.lastPosition = firstPosition + entryCount - 1;
  }

  /** Its batches' memory is to be used again: nobody reads the table any more. */
  giveBack(memory: ValueMemory): void {
    for (const { block } of this.#batches) if (block !== undefined) memory.giveBack(block);
    this.#batches.length = 0;
  }

  /** The source's rows after a position, ascending. */
  *rowsOfSource(source: SourceState, after = 0): Generator<TableRow> {
    const tail = this.tails.get(source);
    if (tail === undefined) return;
    for (let block = this.#blockOf(tail, after); block < tail.blockFirstRows.length; block++) {
      for (const row of this.#rowsOfBlock(tail, block)) {
        const position = this.positionOf(row);
        if (position > after) yield { row, position, source };
      }
    }
  }

  /** The source's rows, ascending, some at a time. */
  *blocksOfSource(tail: SourceTail): Generator<number[]> {
    for (let block = 0; block < tail.blockFirstRows.length; block++) yield this.#rowsOfBlock(tail, block);
  }

  /**
   * Appends to `into` the source's entries after `after` and up to `through`, ascending, until it holds `limit` or
   * `rowsMax` rows were looked at. Returns the position up to which it looked.
   */
  listAfter<T>(source: SourceState, after: number, through: number, query: TableQuery<T>, into: T[]): number {
    const tail = this.tails.get(source);
    if (tail === undefined) return through;
    let cursor = after;
    let rowsLeft = query.rowsMax;
    // Without `rowsOfSource`: a generator and an object for each row cost a page a twentieth.
    for (let block = this.#blockOf(tail, after); block < tail.blockFirstRows.length; block++) {
      for (const row of this.#rowsOfBlock(tail, block)) {
        const position = this.positionOf(row);
        if (position <= after) continue;
        if (position > through) return through;
        if (into.length >= query.limit || query.form.isFull || rowsLeft-- === 0) return cursor;
        const entry = this.formOfRow(row, position, source, query);
        if (entry !== undefined) into.push(entry);
        cursor = position;
      }
    }
    return through;
  }

  /** The same backwards: entries before `before` and after `after`, descending. Returns the position it looked down to. */
  listBefore<T>(source: SourceState, before: number, after: number, query: TableQuery<T>, into: T[]): number {
    const tail = this.tails.get(source);
    let cursor = before;
    let rowsLeft = query.rowsMax;
    for (let row = tail && this.#lastRowBefore(tail, before); row !== undefined; row = this.#rowBefore(row)) {
      const position = this.positionOf(row);
      if (position <= after) break;
      if (into.length >= query.limit || query.form.isFull || rowsLeft-- === 0) return cursor;
      const entry = this.formOfRow(row, position, source, query);
      if (entry !== undefined) into.push(entry);
      cursor = position;
    }
    return after + 1;
  }

  /** Rows of all sources after `after` and up to `through`, ascending. */
  *rowsAfter(after: number, through: number): Generator<TableRow> {
    for (let row = this.#firstRowAfter(after); row < this.#rowCount; row++) {
      const position = this.positionOf(row);
      if (position > through) return;
      yield { row, position, source: this.sourceOf(row) };
    }
  }

  /** Rows of all sources before `before` and after `after`, descending. */
  *rowsBefore(before: number, after: number): Generator<TableRow> {
    for (let row = this.#firstRowAfter(before - 1) - 1; row >= 0; row--) {
      const position = this.positionOf(row);
      if (position <= after) return;
      yield { row, position, source: this.sourceOf(row) };
    }
  }

  /** The entry of a row, or undefined where it is of another stream or was deleted. */
  formOfRow<T>(
    row: number,
    position: number,
    source: SourceState,
    { stream, gone, form }: RowForm<T>,
  ): T | undefined {
    const view = this.#row;
    const batch = this.readRow(row, view);
    if (stream !== undefined && view.stream !== stream) return undefined;
    if (gone?.hides(view.stream, position)) return undefined;
    return form.ofRow(view, batch, source, position);
  }

  /** When a row's entry was, and its level; undefined as in `formOfRow`. */
  briefOfRow(
    { row, position }: TableRow,
    stream: string | undefined,
    gone: SourceDeletions | undefined,
  ): { readonly timestamp: number; readonly levelRank: number } | undefined {
    const view = this.#row;
    this.readRow(row, view);
    if (stream !== undefined && view.stream !== stream) return undefined;
    if (gone?.hides(view.stream, position)) return undefined;
    return { timestamp: view.timestamp, levelRank: view.levelCode };
  }

  /** Takes a row apart; returns the batch that holds its message. */
  readRow(row: number, into: RowView): BatchValue {
    const batch = this.#batchOf(row);
    this.#reader.moveTo(batch.value, this.#rowStarts[row] ?? 0);
    into.read(this.#reader);
    return batch;
  }

  positionOf(row: number): number {
    const batch = this.#batchOf(row);
    return batch.firstPosition + row - batch.firstRow;
  }

  sourceOf(row: number): SourceState {
    const tail = this.#tailList[this.#rowTails[row] ?? 0];
    if (tail === undefined) throw new RangeError("no such row");
    return tail.source;
  }

  #tailOf(source: SourceState): SourceTail {
    let tail = this.tails.get(source);
    if (tail === undefined) {
      const index = this.#tailList.length;
      tail = { source, table: this, index, entryCount: 0, lastRow: ROW_NONE, blockFirstRows: [] };
      this.#tailList.push(tail);
      this.tails.set(source, tail);
      source.pinCount++;
    }
    source.tail = tail;
    return tail;
  }

  #batchOf(row: number): TableBatch {
    const batch = this.#batches[this.#rowBatches[row] ?? 0];
    if (batch === undefined) throw new RangeError("no such row");
    return batch;
  }

  #rowBefore(row: number): number | undefined {
    const before = this.#rowsBefore[row];
    return before === ROW_NONE ? undefined : before;
  }

  /** The block of a tail in which its first row after the position is, or the one before that. */
  #blockOf(tail: SourceTail, after: number): number {
    let low = 0;
    let high = tail.blockFirstRows.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.positionOf(tail.blockFirstRows[middle] ?? 0) <= after) low = middle + 1;
      else high = middle;
    }
    return Math.max(0, low - 1);
  }

  /** Rows of a block, ascending: the chain is walked from the row before the next block. */
  #rowsOfBlock(tail: SourceTail, block: number): number[] {
    const next = tail.blockFirstRows[block + 1];
    const rows = new Array<number>(Math.min(BLOCK_ROWS, tail.entryCount - block * BLOCK_ROWS));
    let row = next === undefined ? tail.lastRow : (this.#rowsBefore[next] ?? 0);
    for (let index = rows.length - 1; index >= 0; index--) {
      rows[index] = row;
      row = this.#rowsBefore[row] ?? 0;
    }
    return rows;
  }

  #lastRowBefore(tail: SourceTail, before: number): number | undefined {
    const next = tail.blockFirstRows[this.#blockOf(tail, before - 1) + 1];
    let row = next === undefined ? tail.lastRow : this.#rowBefore(next);
    while (row !== undefined && this.positionOf(row) >= before) row = this.#rowBefore(row);
    return row;
  }

  #firstRowAfter(after: number): number {
    let low = 0;
    let high = this.#rowCount;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.positionOf(middle) <= after) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #grow(): void {
    this.#rowBatches = grown(this.#rowBatches);
    this.#rowStarts = grown(this.#rowStarts);
    this.#rowTails = grown(this.#rowTails);
    this.#rowsBefore = grown(this.#rowsBefore);
  }
}

/** The message of a row of this batch. */
export function messageOf(batch: BatchValue, row: RowView): string {
  const start = batch.messagesStart + row.messageStart * batch.unitBytes;
  const end = start + row.messageUnits * batch.unitBytes;
  return batch.value.toString(batch.unitBytes === 1 ? "latin1" : "utf16le", start, end);
}

/** The same as UTF-8 bytes. */
export function writeMessage(batch: BatchValue, row: RowView, to: ByteWriter): void {
  const start = batch.messagesStart + row.messageStart;
  if (batch.unitBytes === 1) to.copyWords(batch.words, start, start + row.messageUnits);
  else to.characters(messageOf(batch, row));
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
