import type { SpoolRecord } from "./spool-record.ts";

/** The entries of one write. */
interface Chunk {
  readonly records: readonly SpoolRecord[];
  readonly first: number;
  readonly bytes: number;
}

/** What an entry weighs in memory beside its payload: record, view, its place in an array. */
const RECORD_OVERHEAD_BYTES = 200;
/** Chunks let go at the front before the array is moved up. */
const GONE_MAX = 1_000;

/**
 * The newest entries, so that what is forwarded as it comes is never read from the disk. Bounded by bytes: beyond it the oldest
 * are let go here, and read from their segment instead.
 */
export class SpoolTail {
  readonly #bytesMax: number;
  /** In order; those before `#start` are gone. */
  #chunks: (Chunk | undefined)[] = [];
  #start = 0;
  #bytes = 0;
  /** The position behind the newest. */
  #end = 0;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  /** Records with consecutive positions, behind those that were pushed before. */
  push(records: readonly SpoolRecord[]): void {
    const first = records[0]?.position;
    if (first === undefined) return;
    if (first !== this.#end) this.clear();
    const bytes = records.reduce((sum, { payload }) => sum + payload.length + RECORD_OVERHEAD_BYTES, 0);
    this.#chunks.push({ records, first, bytes });
    this.#bytes += bytes;
    this.#end = first + records.length;
    while (this.#bytes > this.#bytesMax) if (!this.#shift()) break;
  }

  /** At most so many entries from this position on; undefined where they do not begin here. */
  from(position: number, countMax: number): readonly SpoolRecord[] | undefined {
    const oldest = this.#chunks[this.#start];
    if (oldest === undefined || position < oldest.first || position > this.#end) return undefined;
    const found: SpoolRecord[] = [];
    for (let index = this.#indexOf(position); found.length < countMax; index++) {
      const chunk = this.#chunks[index];
      if (chunk === undefined) break;
      const begin = Math.max(0, position - chunk.first);
      found.push(...chunk.records.slice(begin, begin + countMax - found.length));
    }
    return found;
  }

  /** Forgets writes that all have. */
  dropThrough(position: number): void {
    for (;;) {
      const oldest = this.#chunks[this.#start];
      if (oldest === undefined || oldest.first + oldest.records.length - 1 > position) return;
      this.#shift();
    }
  }

  clear(): void {
    this.#chunks = [];
    this.#start = 0;
    this.#bytes = 0;
  }

  /** False: there is none left. */
  #shift(): boolean {
    const oldest = this.#chunks[this.#start];
    if (oldest === undefined) return false;
    this.#chunks[this.#start] = undefined;
    this.#start += 1;
    this.#bytes -= oldest.bytes;
    if (this.#start > GONE_MAX && this.#start * 2 > this.#chunks.length) {
      this.#chunks = this.#chunks.slice(this.#start);
      this.#start = 0;
    }
    return true;
  }

  /** Of the last chunk that begins at the position or before it. */
  #indexOf(position: number): number {
    let low = this.#start;
    let high = this.#chunks.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if ((this.#chunks[middle]?.first ?? 0) <= position) low = middle;
      else high = middle - 1;
    }
    return low;
  }
}
