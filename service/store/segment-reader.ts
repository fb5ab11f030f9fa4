import type { Counters } from "../../host/counters.ts";
import type { ProcessLog } from "../../host/log.ts";
import { ChunkCache } from "./chunk-cache.ts";
import { readSealedChunk } from "./chunk-head.ts";
import { type ChunkPlace, readChunkPlace } from "./chunk-place.ts";
import type { Compressor } from "./compressor.ts";
import type { DamageReporter } from "./damage-reporter.ts";
import type { IndexRepair } from "./index-repair.ts";
import { OpenChunk } from "./open-chunk.ts";
import { PackReader } from "./pack.ts";
import { type IndexRow, readIndexRow, sealedIndexRow } from "./project-index.ts";
import type { Segment } from "./segment.ts";
import {
  chunkKeys,
  chunkKeysAll,
  type KeyRange,
  lastPositionOfKey,
  numberOfKey,
  projectIndexKeys,
} from "./store-keys.ts";

/** A value found: its last position, and its content unless it is damaged. */
export interface Found<T> {
  readonly lastPosition: number;
  readonly content: T | undefined;
}

/** A chunk found; `segment` has it in its pack. */
export interface FoundChunk extends Found<ChunkPlace> {
  readonly sourceNumber: number;
  readonly segment: Segment;
  /** No chunk of the source ends after this position and before this one does. */
  readonly floor: number;
}

/** Where a walk back through sealed values stands. */
export interface UpperEnd {
  /** Values that end above it have been dealt with, or are not sealed yet. */
  readonly through: number;
  /** Positions above it are not wanted. */
  readonly last: number;
}

/** What chunks to look for: some that may hold entries of the time. */
export interface ChunkRange {
  readonly sinceMs: number;
  readonly untilMs: number;
  readonly through: number;
  readonly limit: number;
}

interface SegmentReaderDeps {
  readonly counters: Counters;
  readonly log: ProcessLog;
  readonly compressor: Compressor;
  readonly damages: DamageReporter;
}

/** Places looked up together: a page of 100 mostly meets two chunks. */
const PLACES_TOGETHER = 2;
/** Damaged values remembered so as not to be counted again; past it they are forgotten and may count twice. */
const KNOWN_DAMAGES_MAX = 10_000;

/** Reads chunks and the project index across segments. Nothing past `through` is seen: a seal under way is not there yet. */
export class SegmentReader {
  readonly #segments: readonly Segment[];
  readonly #deps: SegmentReaderDeps;
  readonly #openChunks: ChunkCache;
  readonly #packs = new PackReader();
  readonly #known = new Set<string>();
  #indexRepair: IndexRepair | undefined;

  constructor(
    deps: SegmentReaderDeps & { readonly segments: readonly Segment[] },
    options: { openChunkBytesMax: number },
  ) {
    this.#segments = deps.segments;
    this.#deps = deps;
    this.#openChunks = new ChunkCache(options.openChunkBytesMax);
  }

  /** Damaged rows of the project index are made anew from now on. */
  repairWith(repair: IndexRepair): void {
    this.#indexRepair = repair;
  }

  /** The first chunk of the source that ends after the position. */
  chunkAfter(sourceNumber: number, after: number, through: number): FoundChunk | undefined {
    return this.#chunksAfter(sourceNumber, after, through, 1)[0];
  }

  /**
   * The first of the chunks of the source that end after the position, ascending; none only where there is none. What follows is good
   * until the end of the turn.
   */
  nextChunks(sourceNumber: number, after: number, through: number): readonly FoundChunk[] {
    return this.#chunksAfter(sourceNumber, after, through, PLACES_TOGETHER);
  }

  #chunksAfter(sourceNumber: number, after: number, through: number, limit: number): FoundChunk[] {
    const known = this.#openChunks.after(sourceNumber, after);
    if (known !== undefined && known.lastPosition <= through && this.#segments.includes(known.segment))
      return [known];
    const keysOf = (last: number): KeyRange => chunkKeys(sourceNumber, after + 1, last);
    const found: FoundChunk[] = [];
    let floor = after;
    for (const { segment, key, value } of this.#firstAfter(keysOf, after, through, limit)) {
      const next = this.#place(sourceNumber, segment, key, value, floor);
      found.push(next);
      floor = next.lastPosition;
      if (found.length === limit) break;
    }
    return found;
  }

  /** The last chunk of the source that ends at or before `through`, and after the position. */
  chunkBefore(sourceNumber: number, after: number, through: number): FoundChunk | undefined {
    const keys = chunkKeys(sourceNumber, after + 1, through);
    for (const { segment, key, value } of this.#lastBefore(keys, after, through)) {
      return this.#place(sourceNumber, segment, key, value);
    }
    return undefined;
  }

  /** The last chunk of the source that begins at or before `last`, ends at or before `through`, and ends after `after`. */
  lastChunk(sourceNumber: number, after: number, { through, last }: UpperEnd): FoundChunk | undefined {
    if (through > last) {
      const found = this.chunkAfter(sourceNumber, Math.max(after, last), through);
      if (found !== undefined && (found.content?.firstPosition ?? 0) <= last) return found;
    }
    return this.chunkBefore(sourceNumber, after, Math.min(through, last));
  }

  /**
   * Up to `limit` chunks of the source that end after the position, ascending; of segments that hold nothing of the time, none.
   * One whose place is damaged is among them, without content.
   */
  chunksAfter(
    segments: readonly Segment[],
    sourceNumber: number,
    after: number,
    { sinceMs, untilMs, through, limit }: ChunkRange,
  ): FoundChunk[] {
    const found: FoundChunk[] = [];
    for (let index = firstEndingAfter(segments, after); index < segments.length; index++) {
      const segment = segments[index];
      if (segment === undefined || segment.state.first > through) break;
      if (segment.state.timestampMax < sinceMs || segment.state.timestampMin >= untilMs) continue;
      const keys = chunkKeys(sourceNumber, after + 1, Math.min(through, segment.state.last));
      for (const { key, value } of segment.kv.range({ ...keys, limit: limit - found.length })) {
        found.push(this.#place(sourceNumber, segment, key, value));
      }
      if (found.length >= limit) break;
    }
    return found;
  }

  /** Up to `limit` chunks of one segment, of all sources, after a key; a damaged one is among them, without content. */
  chunksOfSegment(
    segment: Segment,
    afterKey: Uint8Array | undefined,
    limit: number,
  ): { readonly chunks: FoundChunk[]; readonly lastKey: Uint8Array | undefined } {
    const all = chunkKeysAll();
    const start = afterKey === undefined ? all.start : Buffer.concat([afterKey, Buffer.of(0)]);
    const chunks: FoundChunk[] = [];
    let lastKey: Uint8Array | undefined;
    for (const { key, value } of segment.kv.range({ start, end: all.end, limit })) {
      chunks.push(this.#place(numberOfKey(key), segment, key, value));
      lastKey = key;
    }
    return { chunks, lastKey };
  }

  /** Chunks of a source in one segment that begin at or before a position. */
  chunksOfSource(segment: Segment, sourceNumber: number, through: number): FoundChunk[] {
    const found: FoundChunk[] = [];
    for (const { key, value } of segment.kv.range(chunkKeys(sourceNumber, 0, segment.state.last))) {
      const chunk = this.#place(sourceNumber, segment, key, value);
      found.push(chunk);
      if ((chunk.content?.firstPosition ?? 0) > through) break;
    }
    return found;
  }

  /** Forgets expanded chunks: the segments have changed. */
  forget(): void {
    this.#openChunks.clear();
  }

  /** The first row of a project's index that ends after the position. */
  indexAfter(projectNumber: number, after: number, through: number): Found<IndexRow> | undefined {
    const keysOf = (last: number): KeyRange => projectIndexKeys(projectNumber, after + 1, last);
    for (const { segment, key, value } of this.#firstAfter(keysOf, after, through)) {
      return this.#indexRow(projectNumber, segment, key, value);
    }
    return undefined;
  }

  /** The last row of a project's index that ends at or before `through`, and after the position. */
  indexBefore(projectNumber: number, after: number, through: number): Found<IndexRow> | undefined {
    const keys = projectIndexKeys(projectNumber, after + 1, through);
    for (const { segment, key, value } of this.#lastBefore(keys, after, through)) {
      return this.#indexRow(projectNumber, segment, key, value);
    }
    return undefined;
  }

  /** The last row of a project's index, as in `lastChunk`. */
  lastIndex(projectNumber: number, after: number, { through, last }: UpperEnd): Found<IndexRow> | undefined {
    if (through > last) {
      const found = this.indexAfter(projectNumber, Math.max(after, last), through);
      if (found !== undefined && (found.content?.positions[0] ?? 0) <= last) return found;
    }
    return this.indexBefore(projectNumber, after, Math.min(through, last));
  }

  /** The chunk expanded; those used last are kept. Undefined where it is damaged. */
  open(found: FoundChunk): OpenChunk | undefined {
    const known = this.#openChunks.get(found);
    if (known !== undefined) return known;
    const chunk = this.read(found);
    if (chunk !== undefined) this.#openChunks.add(found, chunk);
    return chunk;
  }

  /** The chunk expanded, and not kept. */
  read({ sourceNumber, segment, lastPosition, content: place }: FoundChunk): OpenChunk | undefined {
    if (place === undefined) return undefined;
    const chunk = this.#read(segment, place);
    if (chunk === undefined) this.#chunkDamaged(sourceNumber, segment, lastPosition, place);
    return chunk;
  }

  #read(segment: Segment, place: ChunkPlace): OpenChunk | undefined {
    const bytes = this.#packs.read(segment.pack, place);
    const sealed = bytes && readSealedChunk(bytes);
    try {
      return sealed && new OpenChunk(sealed, this.#deps.compressor);
    } catch {
      return undefined;
    }
  }

  *#firstAfter(
    keysOf: (last: number) => KeyRange,
    after: number,
    through: number,
    limit = 1,
  ): Generator<{ segment: Segment; key: Uint8Array; value: Uint8Array }> {
    for (let index = firstEndingAfter(this.#segments, after); index < this.#segments.length; index++) {
      const segment = this.#segments[index];
      if (segment === undefined || segment.state.first > through) return;
      const keys = keysOf(Math.min(through, segment.state.last));
      for (const pair of segment.kv.range({ ...keys, limit })) yield { segment, ...pair };
    }
  }

  *#lastBefore(
    keys: KeyRange,
    after: number,
    through: number,
  ): Generator<{ segment: Segment; key: Uint8Array; value: Uint8Array }> {
    for (let index = this.#segments.length - 1; index >= 0; index--) {
      const segment = this.#segments[index];
      if (segment === undefined || segment.state.first > through || segment.state.last < segment.state.first)
        continue;
      if (segment.state.last <= after) return;
      for (const pair of segment.kv.range({ ...keys, limit: 1, reverse: true })) yield { segment, ...pair };
    }
  }

  #place(
    sourceNumber: number,
    segment: Segment,
    key: Uint8Array,
    value: Uint8Array,
    after = Number.POSITIVE_INFINITY,
  ): FoundChunk {
    const lastPosition = lastPositionOfKey(key);
    const content = readChunkPlace(value, lastPosition);
    if (content === undefined) this.#chunkDamaged(sourceNumber, segment, lastPosition, undefined);
    const floor = Math.min(after, (content?.firstPosition ?? lastPosition) - 1);
    return { sourceNumber, segment, lastPosition, content, floor };
  }

  #indexRow(projectNumber: number, segment: Segment, key: Uint8Array, value: Uint8Array): Found<IndexRow> {
    const lastPosition = lastPositionOfKey(key);
    const sealed = sealedIndexRow(value, segment.pack, this.#packs);
    const content = sealed && readIndexRow(sealed, this.#deps.compressor);
    if (content?.positions.at(-1) === lastPosition) return { lastPosition, content };
    this.#damaged("store_corrupt_index_rows_total", { project: projectNumber, lastPosition });
    return { lastPosition, content: this.#indexRepair?.row(projectNumber, segment, lastPosition) };
  }

  #chunkDamaged(
    sourceNumber: number,
    segment: Segment,
    lastPosition: number,
    place: ChunkPlace | undefined,
  ): void {
    if (!this.#damaged("store_corrupt_chunks_total", { source: sourceNumber, lastPosition })) return;
    const segmentNumber = segment.state.number;
    this.#deps.damages.add({ type: "chunk", segmentNumber, sourceNumber, lastPosition, place });
  }

  /** Counts and logs a damaged value once, however often it is met; false where it was met before. */
  #damaged(counter: string, fields: { source?: number; project?: number; lastPosition: number }): boolean {
    const name = `${counter}:${JSON.stringify(fields)}`;
    if (this.#known.has(name)) return false;
    if (this.#known.size >= KNOWN_DAMAGES_MAX) this.#known.clear();
    this.#known.add(name);
    this.#deps.counters.add(counter);
    this.#deps.log.error(fields, "a stored value is damaged; what it held is left out");
    return true;
  }
}

function firstEndingAfter(segments: readonly Segment[], after: number): number {
  let low = 0;
  let high = segments.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((segments[middle]?.state.last ?? 0) <= after) low = middle + 1;
    else high = middle;
  }
  return low;
}
