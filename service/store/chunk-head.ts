import { ByteReader } from "./byte-reader.ts";
import type { ByteWriter } from "./byte-writer.ts";
import { CHECKED_HEAD_BYTES, openValue, ValueKind } from "./checked-value.ts";

/*
 * A chunk: consecutive entries of one source, by columns.
 *
 * head    [project][src][first position][last position][count][streams][modules][boots][contexts][sizes of the columns]
 *         [body size]
 * body    compressed: the columns below, one after the other
 *
 * Positions, timestamps and seqs are differences to the entry before; in a compact chunk columns are as `number-column.ts` and
 * `template-column.ts` write them. Stream, module and boot, which seldom change, are one
 * number into the head's list of contexts, and those are numbers into its lists of texts (0 is none for modules and boots).
 */
export const Column = {
  Positions: 0,
  Kinds: 1,
  Contexts: 2,
  Seqs: 3,
  Timestamps: 4,
  Received: 5,
  Uptimes: 6,
  ClockErrors: 7,
  Losts: 8,
  /** In a compact chunk: the templates of the messages. */
  Sizes: 9,
  /** In a compact chunk: the words that the templates leave out. */
  Messages: 10,
} as const;
export const COLUMN_COUNT = 11;

/** Bits of a kind beside level (3 bits) and clock (2 bits). */
export const HAS_SEQ = 0x20;
export const HAS_UPTIME = 0x40;
export const HAS_CLOCK_ERROR = 0x80;

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
export interface Context {
  readonly stream: number;
  readonly module: number;
  readonly boot: number;
}

/** The same as names. */
export interface ContextNames {
  readonly stream: string;
  readonly module: string | undefined;
  readonly boot: string | undefined;
}

/** Stream, module and boot of the chunk's entries. */
export class ContextList {
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

  numberOf(row: ContextNames): number {
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
  /** Its columns are in the forms of a compact chunk. */
  readonly isCompact: boolean;
}

/** A chunk as it is stored. Apart from its head, which may be kept for long, and does not hold on to the bytes of the pack around it. */
export interface SealedChunk {
  readonly head: ChunkHead;
  readonly compressed: Uint8Array;
}

/** Undefined where the checksum fails. */
export function readSealedChunk(stored: Uint8Array): SealedChunk | undefined {
  const isCompact = stored[CHECKED_HEAD_BYTES - 1] === ValueKind.CompactChunk;
  const value = openValue(isCompact ? ValueKind.CompactChunk : ValueKind.Chunk, stored);
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
  const head = {
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
    isCompact,
  };
  return { head, compressed: value.subarray(reader.position) };
}

function texts(reader: ByteReader): string[] {
  const list: string[] = [];
  for (let left = reader.varint(); left > 0; left--) list.push(reader.text());
  return list;
}
