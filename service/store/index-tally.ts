import type { IndexRow } from "./project-index.ts";

/**
 * Holds the entries of a segment's chunks against its project index without keeping either: each pair of a position and a source
 * adds to two sums that do not depend on the order. Two sums that agree by chance are one in 2^64.
 */
export class IndexTally {
  #entrySums = [0, 0];
  #rowSums = [0, 0];
  #entryCount = 0;
  #rowCount = 0;

  addEntry(position: number, sourceNumber: number): void {
    this.#entryCount++;
    addTo(this.#entrySums, position, sourceNumber);
  }

  addRow({ positions, sourceNumbers }: IndexRow): void {
    this.#rowCount += positions.length;
    for (let index = 0; index < positions.length; index++)
      addTo(this.#rowSums, positions[index] ?? 0, sourceNumbers[index] ?? 0);
  }

  /** Every entry is in the index with its source, and nothing else is. */
  get agrees(): boolean {
    return (
      this.#entryCount === this.#rowCount &&
      this.#entrySums.every((sum, index) => sum === this.#rowSums[index])
    );
  }

  /** There are more entries than the index has; it may have those that were deleted since it was written. */
  get isMissingEntries(): boolean {
    return this.#entryCount > this.#rowCount || (this.#entryCount === this.#rowCount && !this.agrees);
  }
}

function addTo(sums: number[], position: number, sourceNumber: number): void {
  const low = position | 0;
  const high = Math.floor(position / 0x100000000) | 0;
  sums[0] =
    ((sums[0] ?? 0) + mixed(low ^ Math.imul(sourceNumber, 0x9e3779b1) ^ Math.imul(high, 0x85ebca77))) | 0;
  sums[1] =
    ((sums[1] ?? 0) + mixed(Math.imul(low, 0xc2b2ae3d) + Math.imul(sourceNumber ^ high, 0x27d4eb2f))) | 0;
}

/** Finaliser of MurmurHash3. */
function mixed(value: number): number {
  let hash = value;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return hash ^ (hash >>> 16);
}
