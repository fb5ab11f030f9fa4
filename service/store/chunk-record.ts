import type { StoredEntry } from "../../protocol/entry.ts";
import type { BatchValue } from "./batch-record.ts";
import { ByteReader, MalformedRecord } from "./byte-reader.ts";
import { ByteWriter } from "./byte-writer.ts";
import { CHECKED_HEAD_BYTES, openValue, sealValue, ValueKind } from "./checked-value.ts";
import { type ChunkSummary, SummaryBuilder } from "./chunk-summary.ts";
import type { Compressor } from "./compressor.ts";
import type { IdMaker } from "./entry-id.ts";
import { clockOfCode, entryOf, levelOfCode, type RowView } from "./entry-record.ts";
import { firstAfter, messageOf } from "./memtable.ts";

/*
 * A chunk: consecutive entries of one source, by columns.
 *
 * head    [project][src][first position][last position][count][streams][modules][boots][contexts][sizes of the columns]
 *         [body size]
 * body    compressed: the columns below, one after the other
 *
 * Positions, timestamps and seqs are differences to the entry before. Stream, module and boot, which seldom change, are one
 * number into the head's list of contexts, and those are numbers into its lists of texts (0 is none for modules and boots).
 */
const Column = {
  Positions: 0,
  Kinds: 1,
  Contexts: 2,
  Seqs: 3,
  Timestamps: 4,
  Received: 5,
  Uptimes: 6,
  ClockErrors: 7,
  Losts: 8,
  Sizes: 9,
  Messages: 10,
} as const;
const COLUMN_COUNT = 11;

/** Bits of a kind beside level (3 bits) and clock (2 bits). */
const HAS_SEQ = 0x20;
const HAS_UPTIME = 0x40;
const HAS_CLOCK_ERROR = 0x80;

/** Texts of a chunk by number of first appearance. */
class TextList {
  readonly texts: string[] = [];
  readonly #numbers = new Map<string, number>();

  numberOf(text: string): number {
    let number = this.#numbers.get(text);
    if (number === undefined) {
      number = this.texts.push(text) - 1;
      this.#numbers.set(text, number);
    }
    return number;
  }
}

/** What seldom changes from entry to entry, as numbers into the lists of texts. */
interface Context {
  readonly stream: number;
  readonly module: number;
  readonly boot: number;
}

/** Stream, module and boot of the chunk's entries. */
class ContextList {
  readonly streams = new TextList();
  readonly modules = new TextList();
  readonly boots = new TextList();
  readonly contexts: Context[] = [];
  readonly #numbers = new Map<string, number>();
  #stream: string | undefined;
  #module: string | undefined;
  #boot: string | undefined;
  #number = 0;

  /** Number of the boot of the row that was asked for last, counted from 0. */
  get bootNumber(): number {
    return (this.contexts[this.#number]?.boot ?? 0) - 1;
  }

  numberOf(row: RowView): number {
    const { stream, module, boot } = row;
    if (stream === this.#stream && module === this.#module && boot === this.#boot) return this.#number;
    this.#stream = stream;
    this.#module = module;
    this.#boot = boot;
    const context = {
      stream: this.streams.numberOf(stream),
      module: module === undefined ? 0 : this.modules.numberOf(module) + 1,
      boot: boot === undefined ? 0 : this.boots.numberOf(boot) + 1,
    };
    const name = `${context.stream} ${context.module} ${context.boot}`;
    this.#number = this.#numbers.get(name) ?? this.contexts.push(context) - 1;
    this.#numbers.set(name, this.#number);
    return this.#number;
  }

  encode(to: ByteWriter): void {
    for (const { texts } of [this.streams, this.modules, this.boots]) {
      to.varint(texts.length);
      for (const text of texts) to.text(text);
    }
    to.varint(this.contexts.length);
    for (const { stream, module, boot } of this.contexts) {
      to.varint(stream);
      to.varint(module);
      to.varint(boot);
    }
  }
}

/** Collects the entries of one chunk; used again for the next after `finish`. */
export class ChunkBuilder {
  readonly #positions = new ByteWriter(1024);
  readonly #kinds = new ByteWriter(1024);
  readonly #contextNumbers = new ByteWriter(1024);
  readonly #seqs = new ByteWriter(1024);
  readonly #timestamps = new ByteWriter(4096);
  readonly #received = new ByteWriter(1024);
  readonly #uptimes = new ByteWriter(256);
  readonly #clockErrors = new ByteWriter(256);
  readonly #losts = new ByteWriter(256);
  readonly #sizes = new ByteWriter(1024);
  readonly #messages = new ByteWriter(1 << 15);
  /** In the order of `Column`. */
  readonly #columns = [
    this.#positions,
    this.#kinds,
    this.#contextNumbers,
    this.#seqs,
    this.#timestamps,
    this.#received,
    this.#uptimes,
    this.#clockErrors,
    this.#losts,
    this.#sizes,
    this.#messages,
  ];
  #contexts = new ContextList();
  readonly #summary = new SummaryBuilder();
  #count = 0;
  #first = 0;
  #last = 0;
  #timestamp = 0;
  #seq = 0;
  #uptime = 0;

  get entryCount(): number {
    return this.#count;
  }

  /** Bytes of its messages. */
  get messageBytes(): number {
    return this.#messages.length;
  }

  /** `row` was read from `batch`. */
  add(position: number, row: RowView, batch: BatchValue): void {
    const { seq, timestamp, uptime, clockError, lost } = row;
    if (this.#count === 0) this.#first = position;
    else this.#positions.varint(position - this.#last - 1);
    this.#last = position;
    this.#count++;
    this.#kinds.u8(
      row.levelCode |
        (row.clockCode << 3) |
        (seq === undefined ? 0 : HAS_SEQ) |
        (uptime === undefined ? 0 : HAS_UPTIME) |
        (clockError === undefined ? 0 : HAS_CLOCK_ERROR),
    );
    this.#contextNumbers.varint(this.#contexts.numberOf(row));
    this.#summary.add(row.levelCode, timestamp, this.#contexts.bootNumber, seq);
    if (seq !== undefined) {
      this.#seqs.signed(seq - this.#seq);
      this.#seq = seq;
    }
    this.#timestamps.signed(timestamp - this.#timestamp);
    this.#timestamp = timestamp;
    this.#received.signed(row.received - timestamp);
    if (uptime !== undefined) {
      this.#uptimes.signed(uptime - this.#uptime);
      this.#uptime = uptime;
    }
    if (clockError !== undefined) this.#clockErrors.varint(clockError);
    if (lost !== undefined) {
      this.#losts.varint(this.#count - 1);
      this.#losts.varint(this.#contexts.boots.numberOf(lost.boot));
      this.#losts.varint(lost.first);
      this.#losts.varint(lost.last);
    }
    const messages = this.#messages;
    if (batch.unitBytes === 1) {
      const start = batch.messagesStart + row.messageStart;
      messages.copy(batch.value, start, start + row.messageUnits);
      this.#sizes.varint(row.messageUnits);
    } else {
      const before = messages.length;
      messages.characters(messageOf(batch, row));
      this.#sizes.varint(messages.length - before);
    }
  }

  /** The head and the body of the chunk; the builder is empty again. */
  finish(project: string, src: string): UnsealedChunk {
    const head = new ByteWriter(256);
    head.text(project);
    head.text(src);
    head.varint(this.#first);
    head.varint(this.#last - this.#first);
    head.varint(this.#count);
    this.#contexts.encode(head);
    for (const column of this.#columns) head.varint(column.length);
    const body = Buffer.concat(this.#columns.map((column) => column.view()));
    head.varint(body.length);
    const { streams, boots } = this.#contexts;
    const summary = this.#summary.finish(
      {
        firstPosition: this.#first,
        lastPosition: this.#last,
        entryCount: this.#count,
        streams: streams.texts,
      },
      boots.texts,
    );
    const chunk = { head: head.view(), body, summary };
    for (const column of this.#columns) column.clear();
    this.#contexts = new ContextList();
    this.#count = this.#timestamp = this.#seq = this.#uptime = 0;
    return chunk;
  }
}

export interface UnsealedChunk {
  readonly head: Buffer;
  readonly body: Buffer;
  readonly summary: ChunkSummary;
}

export function sealChunk(chunk: UnsealedChunk, compressor: Compressor): Buffer {
  return sealValue(ValueKind.Chunk, chunk.head, compressor.compress(chunk.body));
}

/** What a chunk says of itself without being expanded. */
export interface ChunkHead {
  readonly project: string;
  readonly src: string;
  readonly firstPosition: number;
  readonly lastPosition: number;
  readonly entryCount: number;
  readonly streams: readonly string[];
  readonly modules: readonly string[];
  readonly boots: readonly string[];
  readonly contexts: readonly Context[];
  readonly columnSizes: readonly number[];
  readonly bodyBytes: number;
  /** The whole value, and where its body starts. */
  readonly value: Buffer;
  readonly bodyStart: number;
}

/** Undefined where the checksum fails. */
export function readChunkHead(stored: Uint8Array): ChunkHead | undefined {
  const value = openValue(ValueKind.Chunk, stored);
  if (value === undefined) return undefined;
  const reader = new ByteReader(value, CHECKED_HEAD_BYTES);
  const project = reader.text();
  const src = reader.text();
  const firstPosition = reader.varint();
  const lastPosition = firstPosition + reader.varint();
  const entryCount = reader.varint();
  const streams = texts(reader);
  const modules = texts(reader);
  const boots = texts(reader);
  const contexts: Context[] = [];
  for (let left = reader.varint(); left > 0; left--) {
    contexts.push({ stream: reader.varint(), module: reader.varint(), boot: reader.varint() });
  }
  const columnSizes: number[] = [];
  for (let index = 0; index < COLUMN_COUNT; index++) columnSizes.push(reader.varint());
  const bodyBytes = reader.varint();
  return {
    project,
    src,
    firstPosition,
    lastPosition,
    entryCount,
    streams,
    modules,
    boots,
    contexts,
    columnSizes,
    bodyBytes,
    value,
    bodyStart: reader.position,
  };
}

function texts(reader: ByteReader): string[] {
  const list: string[] = [];
  for (let left = reader.varint(); left > 0; left--) list.push(reader.text());
  return list;
}

/** An expanded chunk. Columns are read when first needed, and entries made one at a time. */
export class OpenChunk {
  readonly head: ChunkHead;
  readonly #body: Buffer;
  readonly positions: Float64Array;
  #columns: ReadColumns | undefined;

  constructor(head: ChunkHead, compressor: Compressor) {
    this.head = head;
    this.#body = compressor.expand(head.value.subarray(head.bodyStart), head.bodyBytes);
    this.positions = new Float64Array(head.entryCount);
    const reader = this.#reader(Column.Positions);
    let position = head.firstPosition;
    for (let index = 0; index < head.entryCount; index++) {
      if (index > 0) position += reader.varint() + 1;
      this.positions[index] = position;
    }
  }

  /** Memory it takes, about. */
  get bytes(): number {
    return this.#body.length + this.head.value.length + this.head.entryCount * 100;
  }

  /** Index of the first entry after the position. */
  indexAfter(position: number): number {
    return firstAfter(this.positions, position);
  }

  timestampAt(index: number): number {
    this.#columns ??= this.#readColumns();
    return this.#columns.timestamps[index] ?? 0;
  }

  levelRankAt(index: number): number {
    this.#columns ??= this.#readColumns();
    return (this.#columns.kinds[index] ?? 0) & 7;
  }

  streamAt(index: number): string {
    this.#columns ??= this.#readColumns();
    const context = this.head.contexts[this.#columns.contexts[index] ?? 0];
    return this.head.streams[context?.stream ?? 0] ?? "";
  }

  /** The entry at `index`, or undefined where it is of another stream. */
  entryAt(index: number, stream: string | undefined, ids: IdMaker): StoredEntry | undefined {
    this.#columns ??= this.#readColumns();
    const columns = this.#columns;
    const context = this.head.contexts[columns.contexts[index] ?? 0];
    if (context === undefined) throw new MalformedRecord("an entry has no context");
    const { module, boot } = context;
    const entryStream = this.head.streams[context.stream] ?? "";
    if (stream !== undefined && stream !== entryStream) return undefined;
    const kind = columns.kinds[index] ?? 0;
    return entryOf(
      {
        src: this.head.src,
        stream: entryStream,
        msg: this.#body.toString("utf8", columns.msgStarts[index], columns.msgStarts[index + 1]),
        timestamp: columns.timestamps[index] ?? 0,
        received: columns.received[index] ?? 0,
        clock: clockOfCode((kind >> 3) & 3),
        level: levelOfCode(kind & 7),
        module: module === 0 ? undefined : this.head.modules[module - 1],
        boot: boot === 0 ? undefined : this.head.boots[boot - 1],
        seq: kind & HAS_SEQ ? columns.seqs[index] : undefined,
        uptime: kind & HAS_UPTIME ? columns.uptimes[index] : undefined,
        clockError: kind & HAS_CLOCK_ERROR ? columns.clockErrors[index] : undefined,
        lost: columns.losts.get(index),
      },
      ids.make(this.positions[index] ?? 0),
    );
  }

  #reader(column: number): ByteReader {
    let start = 0;
    for (let index = 0; index < column; index++) start += this.head.columnSizes[index] ?? 0;
    return new ByteReader(this.#body, start, start + (this.head.columnSizes[column] ?? 0));
  }

  #readColumns(): ReadColumns {
    const count = this.head.entryCount;
    const kinds = this.#numbers(Column.Kinds, count, (reader) => reader.u8());
    const readVarint = (reader: ByteReader): number => reader.varint();
    const readSigned = (reader: ByteReader): number => reader.signed();
    const timestamps = runningSum(this.#numbers(Column.Timestamps, count, readSigned));
    const received = this.#numbers(Column.Received, count, readSigned);
    for (let index = 0; index < count; index++)
      received[index] = (received[index] ?? 0) + (timestamps[index] ?? 0);
    const msgStarts = new Float64Array(count + 1);
    const sizes = this.#reader(Column.Sizes);
    let start = this.#reader(Column.Messages).position;
    for (let index = 0; index < count; index++) {
      msgStarts[index] = start;
      start += sizes.varint();
    }
    msgStarts[count] = start;
    return {
      kinds,
      contexts: this.#numbers(Column.Contexts, count, readVarint),
      seqs: this.#sparse(Column.Seqs, kinds, HAS_SEQ, true),
      timestamps,
      received,
      uptimes: this.#sparse(Column.Uptimes, kinds, HAS_UPTIME, true),
      clockErrors: this.#sparse(Column.ClockErrors, kinds, HAS_CLOCK_ERROR, false),
      losts: this.#losts(),
      msgStarts,
    };
  }

  #numbers(column: number, count: number, read: (reader: ByteReader) => number): Float64Array {
    const reader = this.#reader(column);
    const numbers = new Float64Array(count);
    for (let index = 0; index < count; index++) numbers[index] = read(reader);
    return numbers;
  }

  /** A column that only entries with `bit` in their kind have. */
  #sparse(column: number, kinds: Float64Array, bit: number, differences: boolean): Float64Array {
    const reader = this.#reader(column);
    const numbers = new Float64Array(kinds.length);
    let last = 0;
    for (let index = 0; index < kinds.length; index++) {
      if (((kinds[index] ?? 0) & bit) === 0) continue;
      last = differences ? last + reader.signed() : reader.varint();
      numbers[index] = last;
    }
    return numbers;
  }

  #losts(): Map<number, { boot: string; first: number; last: number }> {
    const reader = this.#reader(Column.Losts);
    const losts = new Map<number, { boot: string; first: number; last: number }>();
    while (!reader.done) {
      const index = reader.varint();
      const boot = this.head.boots[reader.varint()] ?? "";
      losts.set(index, { boot, first: reader.varint(), last: reader.varint() });
    }
    return losts;
  }
}

interface ReadColumns {
  readonly kinds: Float64Array;
  readonly contexts: Float64Array;
  readonly seqs: Float64Array;
  readonly timestamps: Float64Array;
  readonly received: Float64Array;
  readonly uptimes: Float64Array;
  readonly clockErrors: Float64Array;
  readonly losts: ReadonlyMap<number, { boot: string; first: number; last: number }>;
  readonly msgStarts: Float64Array;
}

function runningSum(numbers: Float64Array): Float64Array {
  let sum = 0;
  for (let index = 0; index < numbers.length; index++) {
    sum += numbers[index] ?? 0;
    numbers[index] = sum;
  }
  return numbers;
}
