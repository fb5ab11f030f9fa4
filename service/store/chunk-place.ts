import { ByteReader } from "./byte-reader.ts";
import { ByteWriter } from "./byte-writer.ts";
import { CHECKED_HEAD_BYTES, openValue, sealValue, ValueKind } from "./checked-value.ts";
import type { ChunkSummary } from "./chunk-summary.ts";
import { readSummary, writeSummary } from "./chunk-summary.ts";
import type { KvChange } from "./ordered-kv.ts";
import { chunkKey, packKey } from "./store-keys.ts";

/**
 * Bytes of a pack: eight pages of the engine less its page head. A chunk on its own would leave half a page empty, a tenth
 * to a half of what it takes; a pack leaves a sixteenth, and is copied in a few microseconds.
 */
const PACK_BYTES_MAX = 8 * 4096 - 16;

/** Where a chunk is, and what one knows of it without opening it. */
export interface ChunkPlace extends ChunkSummary {
  readonly packNumber: number;
  readonly start: number;
  readonly size: number;
}

function encodePlace(
  writer: ByteWriter,
  packNumber: number,
  start: number,
  size: number,
  summary: ChunkSummary,
): Buffer {
  writer.clear();
  writer.varint(packNumber);
  writer.varint(start);
  writer.varint(size);
  writeSummary(writer, summary);
  return sealValue(ValueKind.ChunkPlace, writer.view());
}

/** Undefined where the checksum fails. */
export function readPlace(stored: Uint8Array, lastPosition: number): ChunkPlace | undefined {
  const value = openValue(ValueKind.ChunkPlace, stored);
  if (value === undefined) return undefined;
  const reader = new ByteReader(value, CHECKED_HEAD_BYTES);
  const packNumber = reader.varint();
  const start = reader.varint();
  const size = reader.varint();
  return { packNumber, start, size, ...readSummary(reader, lastPosition) };
}

/** Lays chunks side by side into packs. */
export class PackBuilder {
  readonly #place = new ByteWriter(128);
  #chunks: Buffer[] = [];
  #bytes = 0;
  nextPack: number;

  constructor(nextPack: number) {
    this.nextPack = nextPack;
  }

  /** Takes a sealed chunk; returns what is to be written. */
  add(sourceNumber: number, summary: ChunkSummary, sealed: Buffer): KvChange[] {
    const changes = this.#bytes > 0 && this.#bytes + sealed.length > PACK_BYTES_MAX ? this.finish() : [];
    const value = encodePlace(this.#place, this.nextPack, this.#bytes, sealed.length, summary);
    this.#chunks.push(sealed);
    this.#bytes += sealed.length;
    changes.push({ type: "put", key: chunkKey(sourceNumber, summary.lastPosition), value });
    return changes;
  }

  /** The pack under way. */
  finish(): KvChange[] {
    if (this.#bytes === 0) return [];
    const value = Buffer.concat(this.#chunks);
    const key = packKey(this.nextPack++);
    this.#chunks = [];
    this.#bytes = 0;
    return [{ type: "put", key, value }];
  }
}
