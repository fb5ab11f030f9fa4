/** Of memory that values share: a small part of a table, and large enough that little is left over at its end. */
const BLOCK_BYTES = 4 << 20;
const SHARED_BYTES_MAX = 1 << 20;
/** Blocks that wait to be used again: what a table holds whose seal begins for its size. */
const FREE_BLOCKS_MAX = 9;

/** Memory of several values. */
export interface ValueBlock {
  readonly bytes: Buffer;
  /** Values in it that are not given back. */
  valueCount: number;
}

/** Memory of one value; a large one has its own. */
export interface ValuePlace {
  readonly value: Buffer;
  readonly block: ValueBlock | undefined;
}

/**
 * Memory of the values of batches, used again once they are sealed: new memory for each, which is outside the engine's heap, brought about
 * most of its full collections.
 */
export class ValueMemory {
  #block: ValueBlock | undefined;
  #used = 0;
  readonly #free: ValueBlock[] = [];

  take(size: number): ValuePlace {
    if (size > SHARED_BYTES_MAX) return { value: Buffer.allocUnsafeSlow(size), block: undefined };
    if (this.#block === undefined || this.#used + size > BLOCK_BYTES) {
      const full = this.#block;
      this.#block = this.#free.pop() ?? { bytes: Buffer.allocUnsafeSlow(BLOCK_BYTES), valueCount: 0 };
      this.#used = 0;
      if (full?.valueCount === 0) this.#keep(full);
    }
    const block = this.#block;
    const value = block.bytes.subarray(this.#used, this.#used + size);
    this.#used += size;
    block.valueCount++;
    return { value, block };
  }

  /** A value of the block is not read any more, by anybody. */
  giveBack(block: ValueBlock): void {
    block.valueCount--;
    if (block.valueCount === 0 && block !== this.#block) this.#keep(block);
  }

  #keep(block: ValueBlock): void {
    if (this.#free.length < FREE_BLOCKS_MAX) this.#free.push(block);
  }
}
