import { ByteWriter } from "./byte-writer.ts";
import { encodeChunkPlace } from "./chunk-place.ts";
import type { ChunkSummary } from "./chunk-summary.ts";
import type { KvChange, OrderedKv } from "./ordered-kv.ts";
import { type PackPlace, PackWriter } from "./pack.ts";
import { encodeIndexPlace } from "./project-index.ts";
import type { SegmentFiles } from "./segment.ts";
import { chunkKey } from "./store-keys.ts";
import type { SegmentState } from "./store-state.ts";

/** Bytes of sealed values in one write: about as long as one fsync. */
const WRITE_BYTES_MAX = 1 << 20;
/** Places in one transaction. */
const PLACES_MAX = 4096;

/** Writes sealed values to a pack and their places to the tree beside it, in parts of a moderate size. No place is there before its value. */
export class SegmentWriter {
  readonly #kv: OrderedKv;
  readonly #pack: PackWriter;
  readonly #place = new ByteWriter(128);
  #changes: KvChange[] = [];
  #writing: Promise<void> = Promise.resolve();
  /** Of all that was put. */
  bytes = 0;
  entryCount = 0;
  timestampMin = Number.MAX_SAFE_INTEGER;
  timestampMax = 0;

  /** @param packBytes of the pack that are written already */
  constructor({ kv, pack }: SegmentFiles, packBytes: number) {
    this.#kv = kv;
    this.#pack = new PackWriter(pack, packBytes);
  }

  get packBytes(): number {
    return this.#pack.bytes;
  }

  /** @param sealed must not be changed until it is written */
  putChunk(sourceNumber: number, summary: ChunkSummary, sealed: Buffer): void {
    this.entryCount += summary.entryCount;
    this.timestampMin = Math.min(this.timestampMin, summary.timestampMin);
    this.timestampMax = Math.max(this.timestampMax, summary.timestampMax);
    const value = encodeChunkPlace(this.#place, this.#add(sealed), summary);
    this.put(chunkKey(sourceNumber, summary.lastPosition), value);
  }

  /**
   * @param key of the row
   * @param sealed must not be changed until it is written
   */
  putIndexRow(key: Uint8Array, sealed: Uint8Array): void {
    this.put(key, encodeIndexPlace(this.#place, this.#add(sealed)));
  }

  put(key: Uint8Array, value: Uint8Array): void {
    this.#changes.push({ type: "put", key, value });
    this.bytes += value.length;
  }

  async flushIfFull(): Promise<void> {
    if (this.#pack.pendingBytes < WRITE_BYTES_MAX && this.#changes.length < PLACES_MAX) return;
    // One part may be under way while the next is collected.
    await this.#writing;
    this.#write(this.#changes.length >= PLACES_MAX);
  }

  async finish(): Promise<void> {
    await this.#writing;
    this.#write(true);
    await this.#writing;
  }

  #add(sealed: Uint8Array): PackPlace {
    this.bytes += sealed.length;
    return this.#pack.add(sealed);
  }

  #write(withPlaces: boolean): void {
    const changes = withPlaces ? this.#changes : [];
    if (withPlaces) this.#changes = [];
    this.#writing = this.#pack.write().then(() => this.#kv.commit(changes));
    this.#writing.catch(() => {
      // Whoever awaits #writing next gets the error.
    });
  }
}

/** The state of a segment after what was written to it. */
export function filledState(
  state: SegmentState,
  writer: SegmentWriter,
  { last, sealedMs }: { readonly last: number; readonly sealedMs: number },
): SegmentState {
  return {
    ...state,
    last,
    sealedMs,
    bytes: state.bytes + writer.bytes,
    entryCount: state.entryCount + writer.entryCount,
    timestampMin: Math.min(state.timestampMin, writer.timestampMin),
    timestampMax: Math.max(state.timestampMax, writer.timestampMax),
    packBytes: writer.packBytes,
  };
}
