import { crc32 } from "node:zlib";
import { ByteReader } from "./byte-reader.ts";
import { ByteWriter } from "./byte-writer.ts";
import type { KvChange } from "./ordered-kv.ts";

/*
 * A journal is a file of transactions, one after the other, each from a multiple of 8 bytes on; behind the last one there are zeros,
 * or nothing. A transaction:
 *
 * [mark: 4][checksum of the head from here on: 4][size of the head: 4][size of the body: 4][checksum of the body: 4][its place: 6]
 * [count] { [size of the key][key][0 where it is removed, else size of the value + 1] }     (end of the head)
 * values                                                                                    (the body)
 *
 * The place is where in the file it stands: what looks like a transaction anywhere else is none.
 */
export const JOURNAL_STEP = 8;
const MARK = Buffer.from("bLj1");
const SUMMED_FROM = 8;
const FIXED_BYTES = 26;

export interface JournalRecord {
  readonly headBytes: number;
  readonly bodyBytes: number;
  readonly bodySum: number;
  /** In their order; `size` is undefined where the key is removed. */
  readonly changes: readonly { readonly key: Buffer; readonly size: number | undefined }[];
}

/** Where the next transaction begins. */
export function endOfRecord(at: number, { headBytes, bodyBytes }: JournalRecord): number {
  return roundedUp(at + headBytes + bodyBytes);
}

function roundedUp(size: number): number {
  return Math.ceil(size / JOURNAL_STEP) * JOURNAL_STEP;
}

/** Writes transactions; its buffer is used again for the next. */
export class JournalEncoder {
  readonly #head = new ByteWriter(256);

  /** What is to be written at `at`: the head, which is good until the next call, the values, and zeros up to a multiple of 8. */
  encode(changes: readonly KvChange[], at: number): { readonly parts: Uint8Array[]; readonly bytes: number } {
    const head = this.#head;
    head.clear();
    head.open(FIXED_BYTES);
    head.advance(FIXED_BYTES);
    head.varint(changes.length);
    const parts: Uint8Array[] = [Buffer.of()];
    let bodyBytes = 0;
    let bodySum = 0;
    for (const change of changes) {
      head.varint(change.key.length);
      head.copy(
        Buffer.from(change.key.buffer, change.key.byteOffset, change.key.length),
        0,
        change.key.length,
      );
      if (change.type === "remove") {
        head.varint(0);
        continue;
      }
      head.varint(change.value.length + 1);
      if (change.value.length === 0) continue;
      parts.push(change.value);
      bodyBytes += change.value.length;
      bodySum = crc32(change.value, bodySum);
    }
    const bytes = head.view();
    MARK.copy(bytes);
    bytes.writeUInt32BE(bytes.length, 8);
    bytes.writeUInt32BE(bodyBytes, 12);
    bytes.writeUInt32BE(bodySum, 16);
    bytes.writeUIntBE(at, 20, 6);
    bytes.writeUInt32BE(crc32(bytes.subarray(SUMMED_FROM)), 4);
    parts[0] = bytes;
    const written = bytes.length + bodyBytes;
    const size = roundedUp(written);
    if (size > written) parts.push(Buffer.alloc(size - written));
    return { parts, bytes: size };
  }
}

/** How many bytes from `at` on must be at hand to read the head of a transaction there; undefined where there is none. */
export function headBytesAt(bytes: Buffer): number | undefined {
  if (bytes.length < FIXED_BYTES || !bytes.subarray(0, MARK.length).equals(MARK)) return undefined;
  return bytes.readUInt32BE(8);
}

/** The head of a transaction that stands at `at` in its file; undefined where these bytes are none. */
export function readRecord(bytes: Buffer, at: number): JournalRecord | undefined {
  const headBytes = headBytesAt(bytes);
  if (headBytes === undefined || headBytes < FIXED_BYTES || headBytes > bytes.length) return undefined;
  if (bytes.readUIntBE(20, 6) !== at) return undefined;
  if (bytes.readUInt32BE(4) !== crc32(bytes.subarray(SUMMED_FROM, headBytes))) return undefined;
  const reader = new ByteReader(bytes, FIXED_BYTES, headBytes);
  const changes: JournalRecord["changes"][number][] = [];
  for (let left = reader.varint(); left > 0; left--) {
    const keyBytes = reader.varint();
    const start = reader.position;
    reader.skip(keyBytes);
    const key = Buffer.from(bytes.subarray(start, reader.position));
    const size = reader.varint();
    changes.push({ key, size: size === 0 ? undefined : size - 1 });
  }
  return { headBytes, bodyBytes: bytes.readUInt32BE(12), bodySum: bytes.readUInt32BE(16), changes };
}

/** The first place from `from` on, a multiple of 8, at which a transaction may stand; -1 where there is none. */
export function nextMark(bytes: Buffer, from: number): number {
  for (let at = bytes.indexOf(MARK, from); at !== -1; at = bytes.indexOf(MARK, at + 1))
    if (at % JOURNAL_STEP === 0) return at;
  return -1;
}
