import { LossPlace, type NewEntry } from "../../protocol/entry.ts";
import { lossEntry } from "../../protocol/entry-builder.ts";
import type { ByteReader } from "./byte-reader.ts";
import type { ByteWriter } from "./byte-writer.ts";

/**
 * Open gaps kept for a boot; past it the oldest is closed and becomes a loss record: what would fill it then counts as a
 * duplicate. A boot whose gateways differ leaves a handful; 64 of them take about 1 KiB.
 */
export const GAPS_MAX = 64;

const NO_GAPS: readonly Readonly<Gap>[] = [];
/** What an entry of which nothing is missing leads to: one list for all. */
export const NO_LOSSES: readonly NewEntry[] = [];

interface Gap {
  first: number;
  last: number;
}

/**
 * What the store knows of the seqs of one boot: the highest one, and the open gaps below it (docs/protocol.md 6.9).
 * Accepting something twice changes nothing, so a log may be replayed over a newer mark.
 */
export class BootMark {
  top = 0;
  /** Newer than what the head holds; the source's list of dirty boots names it. */
  dirty = false;
  readonly #gaps: Gap[] = [];

  /** Open gaps, ascending, both ends included. */
  get gaps(): readonly Readonly<Gap>[] {
    return this.#gaps;
  }

  /** True when some seq of the range was neither stored nor accounted for. */
  isNew(first: number, last: number): boolean {
    if (last > this.top) return true;
    return this.#gaps.some((gap) => gap.first <= last && gap.last >= first);
  }

  /** Takes the seqs as stored or accounted for. Returns the gaps that were closed for want of room. */
  accept(first: number, last: number): readonly Readonly<Gap>[] {
    if (first === this.top + 1) {
      this.top = last;
      return NO_GAPS;
    }
    if (first <= this.top) this.#fill(first, last);
    else this.#gaps.push({ first: this.top + 1, last: first - 1 });
    if (last > this.top) this.top = last;
    const excess = this.#gaps.length - GAPS_MAX;
    return excess <= 0 ? NO_GAPS : this.#gaps.splice(0, excess);
  }

  encode(to: ByteWriter): void {
    to.varint(this.top);
    to.varint(this.#gaps.length);
    for (const gap of this.#gaps) {
      to.varint(gap.first);
      to.varint(gap.last - gap.first);
    }
  }

  static decode(from: ByteReader): BootMark {
    const mark = new BootMark();
    mark.top = from.varint();
    for (let left = from.varint(); left > 0; left--) {
      const first = from.varint();
      mark.#gaps.push({ first, last: first + from.varint() });
    }
    return mark;
  }

  #fill(first: number, last: number): void {
    for (let index = this.#gaps.length - 1; index >= 0; index--) {
      const gap = this.#gaps[index];
      if (gap === undefined || gap.first > last) continue;
      if (gap.last < first) break;
      const rest: Gap[] = [];
      if (gap.first < first) rest.push({ first: gap.first, last: first - 1 });
      if (gap.last > last) rest.push({ first: last + 1, last: gap.last });
      this.#gaps.splice(index, 1, ...rest);
    }
  }
}

/**
 * Takes what an entry accounts for into its boot's mark. Returns the loss records (docs/protocol.md 1.8) of what is missing from
 * now on, to be stored behind the entry in the same transaction: nothing of the mark changes by them.
 */
export function acceptEntry(
  mark: BootMark,
  { src, boot, seq, lost, received }: NewEntry,
): readonly NewEntry[] {
  const name = lost?.boot ?? boot;
  const closed = lost === undefined ? NO_GAPS : mark.accept(lost.first, lost.last);
  const more = seq === undefined ? NO_GAPS : mark.accept(seq, seq);
  if (name === undefined || closed.length + more.length === 0) return NO_LOSSES;
  const why = `more than ${GAPS_MAX} gaps of this boot are open, and this was the oldest`;
  return [...closed, ...more].map((gap) =>
    lossEntry(src, { boot: name, ...gap }, { where: LossPlace.Service, why }, received),
  );
}
