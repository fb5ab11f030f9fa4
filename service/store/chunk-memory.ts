const NUMBER_BYTES = 8;

/**
 * Memory of an expanded chunk in one piece, first its body and then the numbers of its columns: a piece a column would each be a
 * call of the system's allocator, and work for the collector when the chunk goes.
 */
export class ChunkMemory {
  readonly #buffer: ArrayBuffer;
  readonly #bodyBytes: number;
  #at: number;

  /** @param columnCount of `entryCount` numbers each, one of them of one more; there may be others, which have memory of their own. */
  constructor(bodyBytes: number, columnCount: number, entryCount: number) {
    this.#bodyBytes = bodyBytes;
    this.#at = Math.ceil(bodyBytes / NUMBER_BYTES) * NUMBER_BYTES;
    this.#buffer = new ArrayBuffer(this.#at + (columnCount * entryCount + 1) * NUMBER_BYTES);
  }

  get bytes(): number {
    return this.#buffer.byteLength;
  }

  body(): Buffer {
    return Buffer.from(this.#buffer, 0, this.#bodyBytes);
  }

  /** Zeros, for a column. */
  numbers(count: number): Float64Array {
    const start = this.#at;
    const end = start + count * NUMBER_BYTES;
    if (end > this.#buffer.byteLength) return new Float64Array(count);
    this.#at = end;
    return new Float64Array(this.#buffer, start, count);
  }
}
