import { crc32 } from "node:zlib";

/*
 * A segment file (docs/gateway.md, Spool): a header, then records one after the other, numbers big-endian.
 *
 * header   magic 8, checksum 4, epoch 8, epoch's start 6, first position 6, time 6 (UTC ms)
 * record   mark 4, checksum 4, length of the payload 4, kind 1, position 6, place 3, payload
 *
 * The checksum of a record is seeded with the epoch, which no board knows, and the mark is no part of any UTF-8 text: what a
 * board logs is never taken for a record when the reader looks for the next good one behind a damaged one.
 * The place counts from the first entry of the same write: what is missing of the last write was perhaps never synced.
 */
export const RecordKind = {
  /** An entry as docs/protocol.md 13.4 writes it. */
  Entry: 1,
  /** Marks of boots whose entries stand in no segment any more (`mark-table.ts`). */
  Marks: 2,
  /** Positions whose damage has been written down as a loss: pairs of first and last. */
  Damage: 3,
} as const;
export type RecordKind = (typeof RecordKind)[keyof typeof RecordKind];

export interface SpoolRecord {
  readonly kind: RecordKind;
  /** Entries count from 1; another kind has the position of the entry before it. */
  readonly position: number;
  readonly payload: Uint8Array;
  /** Position of the first entry of the same write; known of records that were read. */
  readonly writeFirst?: number;
}

export interface SegmentHeader {
  /** 16 hex digits. */
  readonly epoch: string;
  /** Entries below this position belong to an earlier epoch. */
  readonly epochStart: number;
  /** Position of its first entry; what older segments have from here on does not count. */
  readonly firstPosition: number;
  readonly createdMs: number;
}

export interface SegmentContent {
  readonly header: SegmentHeader;
  readonly records: readonly SpoolRecord[];
  /** Bytes that are no good record. */
  readonly badBytes: number;
  /** Bad bytes stand before the last good record: not the tail that a power cut leaves. */
  readonly isDamagedInside: boolean;
}

export const HEADER_BYTES = 38;
export const RECORD_HEAD_BYTES = 22;
/** An entry of 1 MiB of text that is all escapes; what claims more is damage. */
export const PAYLOAD_BYTES_MAX = 7 * 1024 * 1024;

const MAGIC = Buffer.from("blspool1");
const MARK = Buffer.of(0xfc, 0xfd, 0xfe, 0xfc);
const KINDS: readonly number[] = Object.values(RecordKind);

export function encodeHeader(header: SegmentHeader): Buffer {
  const bytes = Buffer.alloc(HEADER_BYTES);
  MAGIC.copy(bytes);
  bytes.write(header.epoch, 12, "hex");
  bytes.writeUIntBE(header.epochStart, 20, 6);
  bytes.writeUIntBE(header.firstPosition, 26, 6);
  bytes.writeUIntBE(header.createdMs, 32, 6);
  bytes.writeUInt32BE(crc32(bytes.subarray(12)), 8);
  return bytes;
}

export function decodeHeader(file: Uint8Array): SegmentHeader | undefined {
  const bytes = bufferOf(file);
  if (bytes.length < HEADER_BYTES || !bytes.subarray(0, 8).equals(MAGIC)) return undefined;
  if (bytes.readUInt32BE(8) !== crc32(bytes.subarray(12, HEADER_BYTES))) return undefined;
  return {
    epoch: bytes.toString("hex", 12, 20),
    epochStart: bytes.readUIntBE(20, 6),
    firstPosition: bytes.readUIntBE(26, 6),
    createdMs: bytes.readUIntBE(32, 6),
  };
}

export function encodedBytes(record: SpoolRecord): number {
  return RECORD_HEAD_BYTES + record.payload.length;
}

/** The records of one write, one after the other. */
export function encodeRecords(epoch: string, records: readonly SpoolRecord[]): Buffer {
  const seed = seedOf(epoch);
  const bytes = Buffer.allocUnsafe(records.reduce((sum, record) => sum + encodedBytes(record), 0));
  const first = records.find(({ kind }) => kind === RecordKind.Entry)?.position ?? 0;
  let at = 0;
  for (const { kind, position, payload } of records) {
    const end = at + RECORD_HEAD_BYTES + payload.length;
    MARK.copy(bytes, at);
    bytes.writeUInt32BE(payload.length, at + 8);
    bytes[at + 12] = kind;
    bytes.writeUIntBE(position, at + 13, 6);
    bytes.writeUIntBE(Math.max(0, position - first), at + 19, 3);
    bytes.set(payload, at + RECORD_HEAD_BYTES);
    bytes.writeUInt32BE(crc32(bytes.subarray(at + 8, end), seed), at + 4);
    at = end;
  }
  return bytes;
}

/**
 * Everything good in a segment file; undefined where there is nothing. Payloads are views of `file`.
 * @param other whose epoch is tried where the header is damaged.
 */
export function decodeSegment(
  file: Uint8Array,
  other?: Pick<SegmentHeader, "epoch" | "epochStart">,
): SegmentContent | undefined {
  const header = decodeHeader(file);
  if (header !== undefined) return { header, ...scanRecords(file, header.epoch) };
  if (other === undefined) return undefined;
  const scanned = scanRecords(file, other.epoch);
  const first = scanned.records.find(({ kind }) => kind === RecordKind.Entry);
  if (first === undefined) return undefined;
  const { epoch, epochStart } = other;
  return {
    ...scanned,
    header: { epoch, epochStart, firstPosition: first.writeFirst ?? first.position, createdMs: 0 },
    isDamagedInside: true,
  };
}

function scanRecords(file: Uint8Array, epoch: string): Omit<SegmentContent, "header"> {
  const scanner = new RecordScanner(file, epoch);
  const records: SpoolRecord[] = [];
  let badBeforeLast = 0;
  for (let record = scanner.next(); record !== undefined; record = scanner.next()) {
    records.push(record);
    badBeforeLast = scanner.badBytes;
  }
  return { records, badBytes: scanner.badBytes, isDamagedInside: badBeforeLast > 0 };
}

/** Goes through the records of a segment file, one at a time, past what is no good record. */
export class RecordScanner {
  readonly #bytes: Buffer;
  readonly #seed: number;
  #at: number;
  /** That stood before the last record given, or at the end. */
  badBytes = 0;
  /** Where the last record given ends; another scanner may go on from there in a longer copy of the file. */
  goodBytes: number;

  /** @param at where a record begins, or the header ends. */
  constructor(file: Uint8Array, epoch: string, at = HEADER_BYTES) {
    this.#bytes = bufferOf(file);
    this.#seed = seedOf(epoch);
    this.#at = at;
    this.goodBytes = at;
  }

  /** The next good record; undefined at the end. Its payload is a view of the file. */
  next(): SpoolRecord | undefined {
    const bytes = this.#bytes;
    while (this.#at < bytes.length) {
      const record = recordAt(bytes, this.#at, this.#seed);
      if (record !== undefined) {
        this.#at += encodedBytes(record);
        this.goodBytes = this.#at;
        return record;
      }
      const mark = bytes.indexOf(MARK, this.#at + 1);
      const end = mark < 0 ? bytes.length : mark;
      this.badBytes += end - this.#at;
      this.#at = end;
    }
    return undefined;
  }
}

function recordAt(bytes: Buffer, at: number, seed: number): SpoolRecord | undefined {
  if (at + RECORD_HEAD_BYTES > bytes.length || bytes.compare(MARK, 0, 4, at, at + 4) !== 0) return undefined;
  const length = bytes.readUInt32BE(at + 8);
  const end = at + RECORD_HEAD_BYTES + length;
  if (length > PAYLOAD_BYTES_MAX || end > bytes.length) return undefined;
  const kind = bytes[at + 12] ?? 0;
  if (!KINDS.includes(kind) || bytes.readUInt32BE(at + 4) !== crc32(bytes.subarray(at + 8, end), seed))
    return undefined;
  const position = bytes.readUIntBE(at + 13, 6);
  return {
    kind: kind as RecordKind,
    position,
    payload: bytes.subarray(at + RECORD_HEAD_BYTES, end),
    writeFirst: position - bytes.readUIntBE(at + 19, 3),
  };
}

function seedOf(epoch: string): number {
  return crc32(Buffer.from(epoch, "hex"));
}

function bufferOf(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
}

/**
 * The records without what stands behind the first missing entry of the last write: that write was perhaps never synced and
 * nobody was told of it, so it counts as far as it is whole.
 */
export function wholeWrites({ header, records }: SegmentContent): readonly SpoolRecord[] {
  const lastEntry = records.findLast(({ kind }) => kind === RecordKind.Entry);
  if (lastEntry === undefined) return records;
  let next = Math.max(lastEntry.writeFirst ?? 0, header.firstPosition);
  for (const [index, { kind, position }] of records.entries()) {
    if (kind !== RecordKind.Entry || position < next) continue;
    if (position > next) return records.slice(0, index);
    next += 1;
  }
  return records;
}
