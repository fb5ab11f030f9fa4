import type { StoredEntry } from "../../protocol/entry.ts";
import { MalformedRecord } from "./byte-reader.ts";
import { type ChunkColumns, type LostRange, readColumns, readPositions } from "./chunk-columns.ts";
import {
  type ChunkHead,
  Column,
  type ContextNames,
  HAS_CLOCK_ERROR,
  HAS_SEQ,
  HAS_UPTIME,
  type SealedChunk,
} from "./chunk-head.ts";
import { ChunkMemory } from "./chunk-memory.ts";
import type { Compressor } from "./compressor.ts";
import type { SourceDeletions } from "./deletions.ts";
import type { IdMaker } from "./entry-id.ts";
import { clockOfCode, entryOf, levelOfCode } from "./entry-record.ts";
import { firstAfter } from "./memtable.ts";
import { EXPAND_SPARE_BYTES } from "./stream-decoder.ts";

/** Columns of numbers that are always there: positions, timestamps, received times, and where messages begin. */
const COLUMNS_ALWAYS = 4;
/** In place of the last: the templates of messages, and how many of the same come before. */
const COLUMNS_ALWAYS_COMPACT = 5;
/** Memory of an expanded chunk beside its bytes and numbers, about. */
const CHUNK_BYTES = 2048;

/** An entry without what it says. */
export interface ChunkFacts extends ContextNames {
  readonly seq: number | undefined;
  readonly lost: LostRange | undefined;
  readonly timestamp: number;
  readonly levelRank: number;
}

/** An entry of a chunk taken apart, but for its message; one object is used for one entry after the other. */
export class ChunkRow {
  stream = "";
  module: string | undefined;
  boot: string | undefined;
  levelCode = 0;
  clockCode = 0;
  timestamp = 0;
  received = 0;
  seq: number | undefined;
  uptime: number | undefined;
  clockError: number | undefined;
}

/** An expanded chunk. Columns are read when first needed, and entries made one at a time. */
export class OpenChunk {
  readonly head: ChunkHead;
  readonly #memory: ChunkMemory;
  readonly #body: Buffer;
  readonly positions: Float64Array;
  /** By number of the context. */
  readonly #names: readonly ContextNames[];
  #columns: ChunkColumns | undefined;

  /** @throws where the body does not expand to what the head says. */
  constructor({ head, compressed }: SealedChunk, compressor: Compressor) {
    this.head = head;
    this.#memory = new ChunkMemory(head.bodyBytes + EXPAND_SPARE_BYTES, columnCount(head), head.entryCount);
    this.#body = compressor.expand(compressed, head.bodyBytes, this.#memory.body());
    this.positions = readPositions(head, this.#body, this.#memory);
    this.#names = head.contexts.map(({ stream, module, boot }) => ({
      stream: head.streams[stream] ?? "",
      module: module === 0 ? undefined : head.modules[module - 1],
      boot: boot === 0 ? undefined : head.boots[boot - 1],
    }));
  }

  get columns(): ChunkColumns {
    this.#columns ??= readColumns(this.head, this.#body, this.#memory);
    return this.#columns;
  }

  /** Memory it takes, about. */
  get bytes(): number {
    return CHUNK_BYTES + this.#memory.bytes;
  }

  /** Index of the first entry after the position. */
  indexAfter(position: number): number {
    return firstAfter(this.positions, position);
  }

  timestampAt(index: number): number {
    return this.columns.timestamps[index] ?? 0;
  }

  levelRankAt(index: number): number {
    return (this.columns.kinds[index] ?? 0) & 7;
  }

  streamAt(index: number): string {
    return this.namesAt(index).stream;
  }

  namesAt(index: number): ContextNames {
    const names = this.#names[this.columns.contexts[index] ?? 0];
    if (names === undefined) throw new MalformedRecord("an entry has no context");
    return names;
  }

  /** What a check needs of an entry. */
  factsAt(index: number): ChunkFacts {
    const { columns } = this;
    const kind = columns.kinds[index] ?? 0;
    return {
      ...this.namesAt(index),
      seq: kind & HAS_SEQ ? columns.seqs[index] : undefined,
      lost: columns.losts.get(index),
      timestamp: columns.timestamps[index] ?? 0,
      levelRank: kind & 7,
    };
  }

  /** Whether readers see the entry: it is of the stream, where one is named, and was not deleted. */
  isSeen(index: number, stream: string | undefined, gone: SourceDeletions | undefined): boolean {
    if (stream === undefined && gone === undefined) return true;
    const own = this.streamAt(index);
    return (stream === undefined || stream === own) && !gone?.hides(own, this.positions[index] ?? 0);
  }

  readRow(index: number, into: ChunkRow): void {
    const { columns } = this;
    const { stream, module, boot } = this.namesAt(index);
    const kind = columns.kinds[index] ?? 0;
    into.stream = stream;
    into.module = module;
    into.boot = boot;
    into.levelCode = kind & 7;
    into.clockCode = (kind >> 3) & 3;
    into.timestamp = columns.timestamps[index] ?? 0;
    into.received = columns.received[index] ?? 0;
    into.seq = kind & HAS_SEQ ? columns.seqs[index] : undefined;
    into.uptime = kind & HAS_UPTIME ? columns.uptimes[index] : undefined;
    into.clockError = kind & HAS_CLOCK_ERROR ? columns.clockErrors[index] : undefined;
  }

  entryAt(index: number, ids: IdMaker): StoredEntry {
    const { columns } = this;
    const names = this.namesAt(index);
    const kind = columns.kinds[index] ?? 0;
    return entryOf(
      {
        src: this.head.src,
        stream: names.stream,
        msg: columns.messageAt(index),
        timestamp: columns.timestamps[index] ?? 0,
        received: columns.received[index] ?? 0,
        clock: clockOfCode((kind >> 3) & 3),
        level: levelOfCode(kind & 7),
        module: names.module,
        boot: names.boot,
        seq: kind & HAS_SEQ ? columns.seqs[index] : undefined,
        uptime: kind & HAS_UPTIME ? columns.uptimes[index] : undefined,
        clockError: kind & HAS_CLOCK_ERROR ? columns.clockErrors[index] : undefined,
        lost: columns.losts.get(index),
      },
      ids.make(this.positions[index] ?? 0),
    );
  }
}

/** Of those that are numbers, a number an entry. */
function columnCount({ isCompact, columnSizes, contexts }: ChunkHead): number {
  const some = [Column.Seqs, Column.Uptimes, Column.ClockErrors].filter(
    (column) => (columnSizes[column] ?? 0) > 0,
  ).length;
  return (isCompact ? COLUMNS_ALWAYS_COMPACT : COLUMNS_ALWAYS) + some + (contexts.length > 1 ? 1 : 0);
}
