import { describe, expect, it } from "vitest";
import { ChunkCache } from "../../service/store/chunk-cache.ts";
import type { OpenChunk } from "../../service/store/open-chunk.ts";
import type { Segment } from "../../service/store/segment.ts";
import type { FoundChunk } from "../../service/store/segment-reader.ts";

const CHUNK_BYTES = 100;
const [OLD, NEW] = [{} as Segment, {} as Segment];

/** A chunk that ends at `lastPosition`, found by a look after `floor`. */
function found(sourceNumber: number, floor: number, lastPosition: number, segment = OLD): FoundChunk {
  return { sourceNumber, floor, lastPosition, segment, content: undefined };
}

const chunkOf = (): OpenChunk => ({ bytes: CHUNK_BYTES }) as OpenChunk;

describe("the chunks that are kept expanded", () => {
  it("are found by a position in them, and before them as far as nothing else is known to end there", () => {
    const cache = new ChunkCache(1000);
    const [first, third] = [found(1, 4, 9), found(1, 19, 29)];
    cache.add(third, chunkOf());
    cache.add(first, chunkOf());
    expect(cache.after(1, 4)).toBe(first);
    expect(cache.after(1, 8)).toBe(first);
    expect(cache.after(1, 3)).toBeUndefined();
    // A second one may lie between the two.
    expect(cache.after(1, 9)).toBeUndefined();
    expect(cache.after(1, 19)).toBe(third);
    expect(cache.after(1, 29)).toBeUndefined();
    expect(cache.after(2, 5)).toBeUndefined();
    const fromFurther = found(1, 9, 29);
    expect(cache.get(fromFurther)).toBeDefined();
    expect(cache.after(1, 9)).toBe(fromFurther);
    cache.clear();
    expect(cache.after(1, 19)).toBeUndefined();
    expect(cache.get(first)).toBeUndefined();
  });

  it("are those used last, up to a number of bytes; the newest stays, however large", () => {
    const cache = new ChunkCache(3 * CHUNK_BYTES);
    const chunks = [9, 19, 29].map((last) => found(1, last - 5, last));
    for (const chunk of chunks) cache.add(chunk, chunkOf());
    const [first, second, third] = chunks;
    if (first === undefined || second === undefined || third === undefined) throw new Error("three");
    cache.get(first);
    cache.add(found(2, 5, 8), chunkOf());
    expect([first, second, third].map((chunk) => cache.get(chunk) !== undefined)).toEqual([
      true,
      false,
      true,
    ]);
    const large = found(3, 1, 2);
    cache.add(large, { bytes: 10 * CHUNK_BYTES } as OpenChunk);
    expect(cache.get(large)).toBeDefined();
    expect(cache.get(first)).toBeUndefined();
  });

  it("are of the segment that is asked for: compaction puts another chunk in the place of one", () => {
    const cache = new ChunkCache(2 * CHUNK_BYTES);
    const [before, after] = [found(1, 4, 9, OLD), found(1, 0, 9, NEW)];
    const chunk = chunkOf();
    cache.add(before, chunkOf());
    expect(cache.get(after)).toBeUndefined();
    cache.add(after, chunk);
    expect(cache.get(after)).toBe(chunk);
    expect(cache.get(before)).toBeUndefined();
    expect(cache.after(1, 2)).toBe(after);
    // The one before counts no more.
    cache.add(found(2, 1, 2), chunkOf());
    expect(cache.get(after)).toBe(chunk);
  });
});
