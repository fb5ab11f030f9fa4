import { type ByteWriter, putSigned, putVarint, SIGNED_BYTES_MAX, VARINT_BYTES_MAX } from "./byte-writer.ts";

/**
 * Numbers of a column, collected entry by entry and written all at once, in memory that is used again: to write each as it comes took twice
 * as long, half of which went into asking one buffer after the other for room.
 */
export class NumberList {
  #values = new Float64Array(128);
  #count = 0;

  get count(): number {
    return this.#count;
  }

  push(value: number): void {
    if (this.#count === this.#values.length) this.#grow();
    this.#values[this.#count++] = value;
  }

  clear(): void {
    this.#count = 0;
  }

  /** Each as it is. */
  writePlain(to: ByteWriter): void {
    const values = this.#values;
    const bytes = to.open(this.#count * VARINT_BYTES_MAX);
    let at = to.length;
    for (let index = 0; index < this.#count; index++) at = putVarint(bytes, at, values[index] ?? 0);
    to.advance(at);
  }

  /** The distances of ascending numbers but for the least that there is, which is 1; the first is not written. */
  writeGaps(to: ByteWriter): void {
    const values = this.#values;
    const bytes = to.open(this.#count * VARINT_BYTES_MAX);
    let at = to.length;
    for (let index = 1; index < this.#count; index++)
      at = putVarint(bytes, at, (values[index] ?? 0) - (values[index - 1] ?? 0) - 1);
    to.advance(at);
  }

  /** The difference of each to the one before. */
  writeDifferences(to: ByteWriter): void {
    const values = this.#values;
    const bytes = to.open(this.#count * SIGNED_BYTES_MAX);
    let at = to.length;
    let before = 0;
    for (let index = 0; index < this.#count; index++) {
      const value = values[index] ?? 0;
      at = putSigned(bytes, at, value - before);
      before = value;
    }
    to.advance(at);
  }

  /** The distance of each from the other at its place. */
  writeDistances(from: NumberList, to: ByteWriter): void {
    const values = this.#values;
    const others = from.#values;
    const bytes = to.open(this.#count * SIGNED_BYTES_MAX);
    let at = to.length;
    for (let index = 0; index < this.#count; index++)
      at = putSigned(bytes, at, (values[index] ?? 0) - (others[index] ?? 0));
    to.advance(at);
  }

  #grow(): void {
    const grown = new Float64Array(this.#values.length * 2);
    grown.set(this.#values);
    this.#values = grown;
  }
}
