/** A few publishes of one entry, or what is cut of a packet; and what `IN_LINE_BYTES_MAX` lets wait. */
const SIZES_BYTES: readonly number[] = [1 << 12, 1 << 15];
/** Of each size, waiting to be used again: a bound for what some hundred connections leave behind after a time at full speed. */
const FREE_BLOCKS_MAX = 512;

/**
 * Blocks of memory that are used again. New memory for what waits a while is outside of the engine's heap, is made old like what names it,
 * and brings about full collections.
 */
export class ByteBlocks {
  readonly #free: readonly Buffer[][] = SIZES_BYTES.map(() => []);

  /** With room for at least so many bytes, which are any. A larger one than there are sizes is made for its user alone. */
  take(bytesMin: number): Buffer {
    const index = SIZES_BYTES.findIndex((size) => size >= bytesMin);
    return this.#free[index]?.pop() ?? Buffer.allocUnsafeSlow(SIZES_BYTES[index] ?? bytesMin);
  }

  /** One that was taken here, and that nobody reads any more. */
  giveBack(block: Buffer): void {
    const free = this.#free[SIZES_BYTES.indexOf(block.length)];
    if (free !== undefined && free.length < FREE_BLOCKS_MAX) free.push(block);
  }
}
