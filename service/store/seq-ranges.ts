interface Range {
  first: number;
  last: number;
}

/** A set of seqs as ranges: a boot whose seqs came without a break takes one. */
export class SeqRanges {
  /** Ascending, none touching the next. */
  readonly #ranges: Range[] = [];

  get top(): number {
    return this.#ranges.at(-1)?.last ?? 0;
  }

  /** False for one that was there. */
  add(seq: number): boolean {
    const ranges = this.#ranges;
    const end = ranges.at(-1);
    if (end !== undefined && seq === end.last + 1) {
      end.last = seq;
      return true;
    }
    const index = this.#firstEndingFrom(seq - 1);
    const found = ranges[index];
    if (found === undefined || found.first > seq + 1) {
      ranges.splice(index, 0, { first: seq, last: seq });
      return true;
    }
    if (seq >= found.first && seq <= found.last) return false;
    if (seq === found.first - 1) {
      found.first = seq;
      return true;
    }
    // It follows `found`; it may join it to the next.
    const next = ranges[index + 1];
    if (next?.first === seq) return false;
    found.last = seq;
    if (next?.first === seq + 1) {
      found.last = next.last;
      ranges.splice(index + 1, 1);
    }
    return true;
  }

  /** Ascending. */
  list(): readonly Readonly<Range>[] {
    return this.#ranges;
  }

  /** Adds all of them, whether or not they were there. */
  addRange(first: number, last: number): void {
    const start = this.#firstEndingFrom(first - 1);
    let end = start;
    let low = first;
    let high = last;
    for (let range = this.#ranges[end]; range !== undefined && range.first <= last + 1; ) {
      low = Math.min(low, range.first);
      high = Math.max(high, range.last);
      range = this.#ranges[++end];
    }
    this.#ranges.splice(start, end - start, { first: low, last: high });
  }

  /** The first seq of the set from `first` to `last`, if any. */
  firstWithin(first: number, last: number): number | undefined {
    const range = this.#ranges[this.#firstEndingFrom(first)];
    return range === undefined || range.first > last ? undefined : Math.max(first, range.first);
  }

  /** Index of the first range whose end is not below the seq. */
  #firstEndingFrom(seq: number): number {
    let low = 0;
    let high = this.#ranges.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#ranges[middle]?.last ?? 0) < seq) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
