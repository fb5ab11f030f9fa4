import { ByteWriter } from "./byte-writer.ts";
import { encodeChunkPlace } from "./chunk-place.ts";
import type { ChunkSummary } from "./chunk-summary.ts";
import type { KvChange, OrderedKv } from "./ordered-kv.ts";
import { PackBuilder } from "./pack.ts";
import { encodeIndexPlace } from "./project-index.ts";
import { chunkKey } from "./store-keys.ts";
import type { SegmentState } from "./store-state.ts";

/** Bytes of sealed values written in one transaction: about as long as one fsync. */
const WRITE_BYTES_MAX = 1 << 20;

/** Writes sealed values in transactions of a moderate size. */
export class SegmentWriter {
  readonly #kv: OrderedKv;
  readonly #packs: PackBuilder;
  readonly #place = new ByteWriter(128);
  #changes: KvChange[] = [];
  #pendingBytes = 0;
  #writing: Promise<void> = Promise.resolve();
  /** Of all that was put. */
  bytes = 0;
  entryCount = 0;
  timestampMin = Number.MAX_SAFE_INTEGER;
  timestampMax = 0;

  constructor(kv: OrderedKv, nextPack: number) {
    this.#kv = kv;
    this.#packs = new PackBuilder(nextPack);
  }

  get nextPack(): number {
    return this.#packs.nextPack;
  }

  putChunk(sourceNumber: number, summary: ChunkSummary, sealed: Buffer): void {
    this.entryCount += summary.entryCount;
    this.timestampMin = Math.min(this.timestampMin, summary.timestampMin);
    this.timestampMax = Math.max(this.timestampMax, summary.timestampMax);
    const key = chunkKey(sourceNumber, summary.lastPosition);
    this.#putAll(this.#packs.add(key, sealed, (place) => encodeChunkPlace(this.#place, place, summary)));
  }

  /** @param key of the row */
  putIndexRow(key: Uint8Array, sealed: Uint8Array): void {
    this.#putAll(this.#packs.add(key, sealed, (place) => encodeIndexPlace(this.#place, place)));
  }

  put(key: Uint8Array, value: Uint8Array): void {
    this.#putAll([{ type: "put", key, value }]);
  }

  async flushIfFull(): Promise<void> {
    if (this.#pendingBytes < WRITE_BYTES_MAX) return;
    // One transaction may be under way while the next is collected.
    await this.#writing;
    this.#write();
  }

  async finish(): Promise<void> {
    this.#putAll(this.#packs.finish());
    await this.#writing;
    this.#write();
    await this.#writing;
  }

  #putAll(changes: readonly KvChange[]): void {
    for (const change of changes) {
      const bytes = change.type === "put" ? change.value.length : 0;
      this.#changes.push(change);
      this.#pendingBytes += bytes;
      this.bytes += bytes;
    }
  }

  #write(): void {
    if (this.#changes.length === 0) return;
    const changes = this.#changes;
    this.#changes = [];
    this.#pendingBytes = 0;
    this.#writing = this.#kv.commit(changes);
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
    nextPack: writer.nextPack,
  };
}
