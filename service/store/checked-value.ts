import { crc32 } from "node:zlib";

/** Bytes before the content of every value: CRC-32 of the rest, then the kind of value and its version. */
export const CHECKED_HEAD_BYTES = 5;

/** What a value is, and in which form. A number is never used again for another form (1, 3, 5, 9, 11, 12 and 19 were). */
export const ValueKind = {
  Project: 2,
  Mark: 4,
  Chunk: 6,
  ProjectIndex: 7,
  Secret: 8,
  SpoolPosition: 10,
  Source: 13,
  Deletion: 14,
  CompactChunk: 15,
  PositionFloor: 16,
  /** Has checksums of its own (`batch-record.ts`). */
  Batch: 17,
  ClusterBatch: 17,
  ClusterRegister: 18,
  ChunkPlace: 20,
  IndexPlace: 21,
  State: 22,
} as const;
export type ValueKind = (typeof ValueKind)[keyof typeof ValueKind];

/** One value as the engine stores it: `parts` one after the other behind a checksum. */
export function sealValue(kind: ValueKind, ...parts: readonly Uint8Array[]): Buffer {
  let size = CHECKED_HEAD_BYTES;
  for (const part of parts) size += part.length;
  // Small ones, of which a seal makes thousands, share memory until they are written: each with its own would be work for the collector.
  const value = Buffer.allocUnsafe(size);
  value[4] = kind;
  let at = CHECKED_HEAD_BYTES;
  for (const part of parts) {
    value.set(part, at);
    at += part.length;
  }
  value.writeUInt32BE(crc32(value.subarray(4)), 0);
  return value;
}

/** The whole value as a buffer (content starts at CHECKED_HEAD_BYTES), or undefined where it is not what was written. */
export function openValue(kind: ValueKind, value: Uint8Array): Buffer | undefined {
  const bytes = Buffer.from(value.buffer, value.byteOffset, value.length);
  if (bytes.length < CHECKED_HEAD_BYTES || bytes[4] !== kind) return undefined;
  return bytes.readUInt32BE(0) === crc32(bytes.subarray(4)) ? bytes : undefined;
}
