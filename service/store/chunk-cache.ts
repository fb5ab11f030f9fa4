import type { OpenChunk } from "./open-chunk.ts";
import type { FoundChunk } from "./segment-reader.ts";

interface Kept {
  found: FoundChunk;
  readonly chunk: OpenChunk;
  readonly bytes: number;
}

/** Expanded chunks, those used last, up to a number of bytes. One is found by a position too, which takes no look at the engine. */
export class ChunkCache {
  readonly #bytesMax: number;
  /** In order of their last use. */
  readonly #kept = new Set<Kept>();
  /** Ascending. */
  readonly #bySource = new Map<number, Kept[]>();
  #bytes = 0;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  /** The first chunk of the source that ends after the position, where it is among these and no other can come before it. */
  after(sourceNumber: number, position: number): FoundChunk | undefined {
    const ofSource = this.#bySource.get(sourceNumber);
    const found = ofSource?.[indexAfter(ofSource, position)]?.found;
    return found !== undefined && found.floor <= position ? found : undefined;
  }

  get(found: FoundChunk): OpenChunk | undefined {
    const ofSource = this.#bySource.get(found.sourceNumber);
    const kept = ofSource?.[indexAfter(ofSource, found.lastPosition - 1)];
    if (kept?.found.lastPosition !== found.lastPosition || kept.found.segment !== found.segment)
      return undefined;
    if (found.floor < kept.found.floor) kept.found = found;
    this.#kept.delete(kept);
    this.#kept.add(kept);
    return kept.chunk;
  }

  add(found: FoundChunk, chunk: OpenChunk): void {
    const kept = { found, chunk, bytes: chunk.bytes };
    const { sourceNumber, lastPosition } = found;
    const ofSource = this.#bySource.get(sourceNumber) ?? [];
    this.#bySource.set(sourceNumber, ofSource);
    const index = indexAfter(ofSource, lastPosition - 1);
    const other = ofSource[index];
    if (other?.found.lastPosition === lastPosition) {
      // Of a segment before its compaction.
      ofSource[index] = kept;
      this.#kept.delete(other);
      this.#bytes -= other.bytes;
    } else ofSource.splice(index, 0, kept);
    this.#kept.add(kept);
    this.#bytes += kept.bytes;
    for (const oldest of this.#kept) {
      if (this.#bytes <= this.#bytesMax || oldest === kept) break;
      this.#drop(oldest);
    }
  }

  clear(): void {
    this.#kept.clear();
    this.#bySource.clear();
    this.#bytes = 0;
  }

  #drop(kept: Kept): void {
    const { sourceNumber, lastPosition } = kept.found;
    this.#kept.delete(kept);
    this.#bytes -= kept.bytes;
    const ofSource = this.#bySource.get(sourceNumber) ?? [];
    ofSource.splice(indexAfter(ofSource, lastPosition - 1), 1);
    if (ofSource.length === 0) this.#bySource.delete(sourceNumber);
  }
}

/** Index of the first that ends after the position. */
function indexAfter(ofSource: readonly Kept[], position: number): number {
  let low = 0;
  let high = ofSource.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((ofSource[middle]?.found.lastPosition ?? 0) <= position) low = middle + 1;
    else high = middle;
  }
  return low;
}
