import type { SeqRange } from "../../protocol/entry.ts";
import type { ByteReader } from "./byte-reader.ts";
import type { ByteWriter } from "./byte-writer.ts";
import { RATE_COLUMNS } from "./log-store.ts";

/**
 * What is known of a chunk without opening it: enough to pass over it by stream or time, to count its levels, and to say which
 * seqs are missing should it be damaged.
 */
export interface ChunkSummary {
  readonly firstPosition: number;
  readonly lastPosition: number;
  readonly entryCount: number;
  readonly streams: readonly string[];
  readonly timestampMin: number;
  readonly timestampMax: number;
  /** By the rank of the level, 0 for none. */
  readonly levelCounts: readonly number[];
  /** Lowest and highest seq of each boot that has one in it; there may be others between. */
  readonly seqRanges: readonly SeqRange[];
}

export function writeSummary(to: ByteWriter, summary: ChunkSummary): void {
  to.varint(summary.lastPosition - summary.firstPosition);
  to.varint(summary.entryCount);
  to.varint(summary.timestampMin);
  to.varint(summary.timestampMax - summary.timestampMin);
  for (const count of summary.levelCounts) to.varint(count);
  to.varint(summary.streams.length);
  for (const stream of summary.streams) to.text(stream);
  to.varint(summary.seqRanges.length);
  for (const { boot, first, last } of summary.seqRanges) {
    to.text(boot);
    to.varint(first);
    to.varint(last - first);
  }
}

export function readSummary(from: ByteReader, lastPosition: number): ChunkSummary {
  const firstPosition = lastPosition - from.varint();
  const entryCount = from.varint();
  const timestampMin = from.varint();
  const timestampMax = timestampMin + from.varint();
  const levelCounts: number[] = [];
  for (let column = 0; column < RATE_COLUMNS; column++) levelCounts.push(from.varint());
  const streams: string[] = [];
  for (let left = from.varint(); left > 0; left--) streams.push(from.text());
  const seqRanges: SeqRange[] = [];
  for (let left = from.varint(); left > 0; left--) {
    const boot = from.text();
    const first = from.varint();
    seqRanges.push({ boot, first, last: first + from.varint() });
  }
  return {
    firstPosition,
    lastPosition,
    entryCount,
    streams,
    timestampMin,
    timestampMax,
    levelCounts,
    seqRanges,
  };
}

/** Collects a chunk's summary entry by entry, but for its streams and boots, which the chunk's builder has as lists. */
export class SummaryBuilder {
  #timestampMin = Number.POSITIVE_INFINITY;
  #timestampMax = 0;
  #levelCounts: number[] = new Array(RATE_COLUMNS).fill(0);
  #ranges: { first: number; last: number }[] = [];

  /** @param boot number of the boot in the chunk's list; read where there is a seq. */
  add(levelRank: number, timestamp: number, boot: number, seq: number | undefined): void {
    if (timestamp < this.#timestampMin) this.#timestampMin = timestamp;
    if (timestamp > this.#timestampMax) this.#timestampMax = timestamp;
    this.#levelCounts[levelRank] = (this.#levelCounts[levelRank] ?? 0) + 1;
    if (seq === undefined) return;
    const range = this.#ranges[boot];
    if (range === undefined) this.#ranges[boot] = { first: seq, last: seq };
    else if (seq > range.last) range.last = seq;
    else if (seq < range.first) range.first = seq;
  }

  /** The rest of the summary; the builder is empty again. */
  finish(
    rest: Pick<ChunkSummary, "firstPosition" | "lastPosition" | "entryCount" | "streams">,
    boots: readonly string[],
  ): ChunkSummary {
    const seqRanges: SeqRange[] = [];
    for (const [number, boot] of boots.entries()) {
      const range = this.#ranges[number];
      if (range !== undefined) seqRanges.push({ boot, first: range.first, last: range.last });
    }
    // Written out: spread from object to object, each summary got a shape of its own, a sixth of a seal without its compression.
    const summary = {
      firstPosition: rest.firstPosition,
      lastPosition: rest.lastPosition,
      entryCount: rest.entryCount,
      streams: rest.streams,
      timestampMin: this.#timestampMin,
      timestampMax: this.#timestampMax,
      levelCounts: this.#levelCounts,
      seqRanges,
    };
    this.#timestampMin = Number.POSITIVE_INFINITY;
    this.#timestampMax = 0;
    this.#levelCounts = new Array(RATE_COLUMNS).fill(0);
    this.#ranges = [];
    return summary;
  }
}
