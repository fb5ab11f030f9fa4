import { RecordKind, type SpoolRecord } from "./spool-record.ts";

/**
 * The entries of one write: their payloads one after the other. An object for each that stays would be most of what an outage of
 * the service costs, in memory and in work for the garbage collector.
 */
interface Chunk {
  readonly first: number;
  readonly payloads: Uint8Array;
  /** Where each payload ends. */
  readonly ends: Uint32Array;
}

/** What a write weighs in memory beside its payloads. */
const CHUNK_OVERHEAD_BYTES = 400;
/** What an entry weighs beside its payload. */
const RECORD_OVERHEAD_BYTES = 4;
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
    const chunk = chunkOf(first, records);
    this.#chunks.push(chunk);
    this.#bytes += weightOf(chunk);
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
      const end = Math.min(chunk.ends.length, begin + countMax - found.length);
      for (let at = begin; at < end; at++) found.push(recordIn(chunk, at));
    }
    return found;
  }

  /** Forgets writes that all have. */
  dropThrough(position: number): void {
    for (;;) {
      const oldest = this.#chunks[this.#start];
      if (oldest === undefined || oldest.first + oldest.ends.length - 1 > position) return;
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
    this.#bytes -= weightOf(oldest);
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

function chunkOf(first: number, records: readonly SpoolRecord[]): Chunk {
  const payloads = new Uint8Array(records.reduce((sum, { payload }) => sum + payload.length, 0));
  const ends = new Uint32Array(records.length);
  let end = 0;
  for (const [index, { payload }] of records.entries()) {
    payloads.set(payload, end);
    end += payload.length;
    ends[index] = end;
  }
  return { first, payloads, ends };
}

function weightOf({ payloads, ends }: Chunk): number {
  return CHUNK_OVERHEAD_BYTES + payloads.length + RECORD_OVERHEAD_BYTES * ends.length;
}

function recordIn({ first, payloads, ends }: Chunk, index: number): SpoolRecord {
  const payload = payloads.subarray(index === 0 ? 0 : ends[index - 1], ends[index]);
  return { kind: RecordKind.Entry, position: first + index, payload };
}
