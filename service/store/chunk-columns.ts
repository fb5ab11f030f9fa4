import { ByteReader } from "./byte-reader.ts";
import { type ByteWriter, wordsOf } from "./byte-writer.ts";
import { type ChunkHead, Column, HAS_CLOCK_ERROR, HAS_SEQ, HAS_UPTIME } from "./chunk-head.ts";
import type { ChunkMemory } from "./chunk-memory.ts";
import { readNumbers } from "./number-column.ts";
import { TemplateReader } from "./template-column.ts";

/** What an entry's `lost` says. */
export interface LostRange {
  readonly boot: string;
  readonly first: number;
  readonly last: number;
}

/** The columns of an expanded chunk, by index of the entry; all but the positions. One that holds nothing but zeros may be empty. */
export interface ChunkColumns {
  readonly kinds: ArrayLike<number>;
  readonly contexts: ArrayLike<number>;
  readonly seqs: ArrayLike<number>;
  readonly timestamps: ArrayLike<number>;
  readonly received: ArrayLike<number>;
  readonly uptimes: ArrayLike<number>;
  readonly clockErrors: ArrayLike<number>;
  readonly losts: ReadonlyMap<number, LostRange>;
  readonly messageAt: (index: number) => string;
  /** The same as UTF-8 bytes. */
  readonly writeMessage: (index: number, to: ByteWriter) => void;
}

/** A column that no entry of the chunk has anything in. */
const NONE = new Float64Array(0);

/** How the received times of a compact chunk are written. */
export const ReceivedForm = { Distances: 0, Times: 1 } as const;

export function readPositions(head: ChunkHead, body: Buffer, memory: ChunkMemory): Float64Array {
  const reader = columnReader(head, body, Column.Positions);
  const positions = memory.numbers(head.entryCount);
  if (head.isCompact) return readNumbers(reader, head.entryCount, positions);
  let position = head.firstPosition;
  if (head.entryCount > 0) positions[0] = position;
  for (let index = 1; index < head.entryCount; index++) {
    position += reader.varint() + 1;
    positions[index] = position;
  }
  return positions;
}

export function readColumns(head: ChunkHead, body: Buffer, memory: ChunkMemory): ChunkColumns {
  return head.isCompact ? readCompactColumns(head, body, memory) : readPlainColumns(head, body, memory);
}

function columnReader(head: ChunkHead, body: Buffer, column: number): ByteReader {
  let start = 0;
  for (let index = 0; index < column; index++) start += head.columnSizes[index] ?? 0;
  return new ByteReader(body, start, start + (head.columnSizes[column] ?? 0));
}

function readPlainColumns(head: ChunkHead, body: Buffer, memory: ChunkMemory): ChunkColumns {
  const count = head.entryCount;
  const reader = (column: number): ByteReader => columnReader(head, body, column);
  const kinds = bytesOf(reader(Column.Kinds), count);
  const timestamps = memory.numbers(count);
  const received = memory.numbers(count);
  const timestampReader = reader(Column.Timestamps);
  const receivedReader = reader(Column.Received);
  let timestamp = 0;
  for (let index = 0; index < count; index++) {
    timestamp += timestampReader.signed();
    timestamps[index] = timestamp;
    received[index] = timestamp + receivedReader.signed();
  }
  const msgStarts = memory.numbers(count + 1);
  const sizes = reader(Column.Sizes);
  let start = reader(Column.Messages).position;
  for (let index = 0; index < count; index++) {
    msgStarts[index] = start;
    start += sizes.varint();
  }
  msgStarts[count] = start;
  const words = wordsOf(body);
  return {
    kinds,
    contexts: head.contexts.length === 1 ? NONE : readVarints(reader(Column.Contexts), memory.numbers(count)),
    seqs: readSparse(reader(Column.Seqs), kinds, HAS_SEQ, true, memory),
    timestamps,
    received,
    uptimes: readSparse(reader(Column.Uptimes), kinds, HAS_UPTIME, true, memory),
    clockErrors: readSparse(reader(Column.ClockErrors), kinds, HAS_CLOCK_ERROR, false, memory),
    losts: readLosts(reader(Column.Losts), head),
    messageAt: (index) => body.toString("utf8", msgStarts[index], msgStarts[index + 1]),
    writeMessage: (index, to) => to.copyWords(words, msgStarts[index] ?? 0, msgStarts[index + 1] ?? 0),
  };
}

function readCompactColumns(head: ChunkHead, body: Buffer, memory: ChunkMemory): ChunkColumns {
  const count = head.entryCount;
  const reader = (column: number): ByteReader => columnReader(head, body, column);
  const kinds = bytesOf(reader(Column.Kinds), count);
  const spread = (column: number, bit: number): Float64Array => {
    let present = 0;
    for (let index = 0; index < count; index++) if (((kinds[index] ?? 0) & bit) !== 0) present++;
    if (present === 0) return NONE;
    if (present === count) return readNumbers(reader(column), count, memory.numbers(count));
    const numbers = readNumbers(reader(column), present);
    const wide = memory.numbers(count);
    let next = 0;
    for (let index = 0; index < count; index++) {
      if (((kinds[index] ?? 0) & bit) !== 0) wide[index] = numbers[next++] ?? 0;
    }
    return wide;
  };
  const timestamps = readNumbers(reader(Column.Timestamps), count, memory.numbers(count));
  const receivedReader = reader(Column.Received);
  const form = receivedReader.u8();
  const received = readNumbers(receivedReader, count, memory.numbers(count));
  if (form === ReceivedForm.Distances) {
    for (let index = 0; index < count; index++)
      received[index] = (received[index] ?? 0) + (timestamps[index] ?? 0);
  }
  let opened: TemplateReader | undefined;
  const messages = (): TemplateReader => {
    opened ??= new TemplateReader(reader(Column.Sizes), reader(Column.Messages), count, memory);
    return opened;
  };
  return {
    kinds,
    contexts:
      head.contexts.length === 1 ? NONE : readNumbers(reader(Column.Contexts), count, memory.numbers(count)),
    seqs: spread(Column.Seqs, HAS_SEQ),
    timestamps,
    received,
    uptimes: spread(Column.Uptimes, HAS_UPTIME),
    clockErrors: spread(Column.ClockErrors, HAS_CLOCK_ERROR),
    losts: readLosts(reader(Column.Losts), head),
    messageAt: (index) => messages().messageAt(index),
    writeMessage: (index, to) => messages().writeMessage(index, to),
  };
}

function readVarints(reader: ByteReader, numbers: Float64Array): Float64Array {
  for (let index = 0; index < numbers.length; index++) numbers[index] = reader.varint();
  return numbers;
}

function bytesOf(reader: ByteReader, count: number): Uint8Array {
  const start = reader.position;
  reader.skip(count);
  return reader.bytes.subarray(start, reader.position);
}

/** A column that only entries with `bit` in their kind have. */
function readSparse(
  reader: ByteReader,
  kinds: Uint8Array,
  bit: number,
  differences: boolean,
  memory: ChunkMemory,
): Float64Array {
  if (reader.done) return NONE;
  const numbers = memory.numbers(kinds.length);
  let last = 0;
  for (let index = 0; index < kinds.length; index++) {
    if (((kinds[index] ?? 0) & bit) === 0) continue;
    last = differences ? last + reader.signed() : reader.varint();
    numbers[index] = last;
  }
  return numbers;
}

function readLosts(reader: ByteReader, head: ChunkHead): Map<number, LostRange> {
  const losts = new Map<number, LostRange>();
  while (!reader.done) {
    const index = reader.varint();
    const boot = head.boots[reader.varint()] ?? "";
    losts.set(index, { boot, first: reader.varint(), last: reader.varint() });
  }
  return losts;
}
