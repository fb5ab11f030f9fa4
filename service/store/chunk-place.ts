import { ByteReader } from "./byte-reader.ts";
import type { ByteWriter } from "./byte-writer.ts";
import { CHECKED_HEAD_BYTES, openValue, sealValue, ValueKind } from "./checked-value.ts";
import type { ChunkSummary } from "./chunk-summary.ts";
import { readSummary, writeSummary } from "./chunk-summary.ts";
import { type PackPlace, readPackPlace, writePackPlace } from "./pack.ts";

/** Where a chunk is, and what one knows of it without opening it. */
export interface ChunkPlace extends ChunkSummary, PackPlace {}

/** @param writer in which it is put together */
export function encodeChunkPlace(writer: ByteWriter, place: PackPlace, summary: ChunkSummary): Buffer {
  writer.clear();
  writePackPlace(writer, place);
  writeSummary(writer, summary);
  return sealValue(ValueKind.ChunkPlace, writer.view());
}

/** Undefined where the checksum fails. */
export function readChunkPlace(stored: Uint8Array, lastPosition: number): ChunkPlace | undefined {
  const value = openValue(ValueKind.ChunkPlace, stored);
  if (value === undefined) return undefined;
  const reader = new ByteReader(value, CHECKED_HEAD_BYTES);
  const place = readPackPlace(reader);
  const summary = readSummary(reader, lastPosition);
  // Not spread: each place would get a hidden class of its own, which costs more than reading it.
  return {
    start: place.start,
    size: place.size,
    firstPosition: summary.firstPosition,
    lastPosition: summary.lastPosition,
    entryCount: summary.entryCount,
    streams: summary.streams,
    timestampMin: summary.timestampMin,
    timestampMax: summary.timestampMax,
    levelCounts: summary.levelCounts,
    seqRanges: summary.seqRanges,
  };
}
