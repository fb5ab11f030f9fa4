import type { NewEntry } from "../../../protocol/entry.ts";
import { acceptEntry, BootMark } from "../boot-mark.ts";
import { ByteReader } from "../byte-reader.ts";
import { ByteWriter } from "../byte-writer.ts";
import { CLOCK_CODE, clockOfCode } from "../entry-record.ts";
import { LOSS_PLACES } from "../loss-count.ts";
import { addToTotals, noTotals, type SourceTotals } from "../source-state.ts";

/** Boots whose marks travel in every message; older ones are in pages of their own (`boot-pages.ts`). */
export const BOOTS_MAX = 8;
/** Spools that a source's entries came from and that are remembered: one board behind a few gateways. */
const SPOOLS_MAX = 8;
/** Earlier messages that each message names, so that walking back fetches so many at a time. */
export const RECENT_SEQS_MAX = 16;

/** Entries, boots, when it was last heard. */
const NUMBERS_BEFORE_LAST_BOOT = 3;
/** The clock's error, losses by place, what is deleted and how many pages there are. */
const NUMBERS_BEFORE_SEQS = 1 + LOSS_PLACES.length + 3;

/** Where an entry is in a gateway's spool. */
export interface SpoolPlace {
  readonly gateway: string;
  readonly epoch: string;
  readonly position: number;
}

/**
 * What stands of a source after a message, written at the head of it: so a message is a transaction of its entries, marks and
 * totals, and the last one says all there is to know.
 */
export class SourceHead {
  /** Who wrote the message and which of its messages it is: tells a writer whether its own arrived. */
  stamp = "";
  /** `entryCount` counts every entry that was ever stored. */
  totals: SourceTotals = noTotals();
  /** Messages below this seq were deleted; entries of the totals that were deleted so. */
  baseSeq = 0;
  baseCount = 0;
  /** Pages of marks of older boots. */
  pageCount = 0;
  /** Seqs of the messages before, the newest first. */
  recentSeqs: readonly number[] = [];
  /** Of the boots met last, in this order. */
  readonly marks = new Map<string, BootMark>();
  /** The last position that came from each spool. */
  readonly #spools = new Map<string, number>();
  /** Boots whose mark is this head's own, and may be changed. */
  readonly #touched = new Set<string>();

  /** A head for the next message: changing it leaves this one as it is. */
  draft(): SourceHead {
    const draft = new SourceHead();
    draft.totals = { ...this.totals, lossCounts: { ...this.totals.lossCounts } };
    draft.baseSeq = this.baseSeq;
    draft.baseCount = this.baseCount;
    draft.pageCount = this.pageCount;
    draft.recentSeqs = this.recentSeqs;
    for (const [boot, mark] of this.marks) draft.marks.set(boot, mark);
    for (const [spool, position] of this.#spools) draft.#spools.set(spool, position);
    return draft;
  }

  /** Boots that this draft has changed. */
  get touchedCount(): number {
    return this.#touched.size;
  }

  isTouched(boot: string): boolean {
    return this.#touched.has(boot);
  }

  /**
   * Takes an entry into marks and totals; false for one that says nothing new (docs/protocol.md 6.2, 6.9), which changes nothing.
   * `onLosses` is given loss records to be stored behind it; they are in the totals.
   */
  accept(
    entry: NewEntry,
    spool: SpoolPlace | undefined,
    onLosses: (losses: readonly NewEntry[]) => void = () => {},
  ): boolean {
    const { lost, seq } = entry;
    const boot = lost?.boot ?? entry.boot;
    let losses: readonly NewEntry[] = [];
    if (boot !== undefined && (seq !== undefined || lost !== undefined)) {
      const known = this.marks.get(boot);
      const isNew =
        known === undefined ||
        (seq !== undefined && known.isNew(seq, seq)) ||
        (lost !== undefined && known.isNew(lost.first, lost.last));
      if (!isNew) return false;
      if (known === undefined) this.totals.bootCount++;
      const mark = this.#obtainMark(boot, known);
      losses = acceptEntry(mark, entry);
    } else if (spool !== undefined && spool.position <= this.#spoolPosition(spool)) {
      // Without a seq, its place in the spool is what tells a repeat.
      return false;
    }
    if (spool !== undefined) this.#moveSpool(spool);
    addToTotals(this.totals, entry);
    for (const loss of losses) addToTotals(this.totals, loss);
    if (losses.length > 0) onLosses(losses);
    return true;
  }

  /** Takes over what another store knows of a boot's seqs; false where that is nothing new. */
  takeMark(boot: string, mark: BootMark): boolean {
    const ranges = coveredRanges(mark);
    const known = this.marks.get(boot);
    if (!ranges.some(({ first, last }) => known === undefined || known.isNew(first, last))) return false;
    if (known === undefined) this.totals.bootCount++;
    const own = this.#obtainMark(boot, known);
    for (const { first, last } of ranges) own.accept(first, last);
    return true;
  }

  /** The seq of the message that this one was the head of, for the next. */
  follow(seq: number): void {
    if (seq > 0) this.recentSeqs = [seq, ...this.recentSeqs].slice(0, RECENT_SEQS_MAX);
  }

  encode(to: ByteWriter): void {
    const { entryCount, bootCount, lastReceived, lastBoot, clock, clockError, lossCounts } = this.totals;
    to.text(this.stamp);
    for (const number of [entryCount, bootCount, lastReceived]) to.varint(number);
    to.text(lastBoot ?? "");
    to.u8(CLOCK_CODE[clock]);
    // 0 is none.
    to.varint(clockError === undefined ? 0 : Math.min(clockError, Number.MAX_SAFE_INTEGER - 1) + 1);
    for (const place of LOSS_PLACES) to.varint(lossCounts[place]);
    for (const number of [this.baseSeq, this.baseCount, this.pageCount]) to.varint(number);
    to.varint(this.recentSeqs.length);
    let above = 0;
    for (const seq of this.recentSeqs) {
      to.varint(above === 0 ? seq : above - seq);
      above = seq;
    }
    encodeMarks(to, this.marks);
    to.varint(this.#spools.size);
    for (const [spool, position] of this.#spools) {
      to.text(spool);
      to.varint(position);
    }
  }

  /** What `decode` would give as the first of `recentSeqs`, or 0, for much less. */
  static beforeSeq(from: ByteReader): number {
    from.text();
    for (let left = NUMBERS_BEFORE_LAST_BOOT; left > 0; left--) from.varint();
    from.text();
    from.u8();
    for (let left = NUMBERS_BEFORE_SEQS; left > 0; left--) from.varint();
    return from.varint() === 0 ? 0 : from.varint();
  }

  static decode(from: ByteReader): SourceHead {
    const head = new SourceHead();
    const { totals } = head;
    head.stamp = from.text();
    totals.entryCount = from.varint();
    totals.bootCount = from.varint();
    totals.lastReceived = from.varint();
    const lastBoot = from.text();
    totals.lastBoot = lastBoot === "" ? undefined : lastBoot;
    totals.clock = clockOfCode(from.u8());
    const clockError = from.varint();
    totals.clockError = clockError === 0 ? undefined : clockError - 1;
    for (const place of LOSS_PLACES) totals.lossCounts[place] = from.varint();
    head.baseSeq = from.varint();
    head.baseCount = from.varint();
    head.pageCount = from.varint();
    const recent: number[] = [];
    for (let left = from.varint(); left > 0; left--) {
      const number = from.varint();
      recent.push(recent.length === 0 ? number : (recent.at(-1) ?? 0) - number);
    }
    head.recentSeqs = recent;
    decodeMarks(from, head.marks);
    for (let left = from.varint(); left > 0; left--) head.#spools.set(from.text(), from.varint());
    return head;
  }

  #obtainMark(boot: string, known: BootMark | undefined): BootMark {
    let mark = known;
    if (mark === undefined || !this.#touched.has(boot)) mark = copyOf(mark ?? new BootMark());
    this.#touched.add(boot);
    this.marks.delete(boot);
    this.marks.set(boot, mark);
    return mark;
  }

  #spoolPosition({ gateway, epoch }: SpoolPlace): number {
    return this.#spools.get(`${gateway} ${epoch}`) ?? 0;
  }

  #moveSpool(place: SpoolPlace): void {
    const position = Math.max(place.position, this.#spoolPosition(place));
    const key = `${place.gateway} ${place.epoch}`;
    this.#spools.delete(key);
    this.#spools.set(key, position);
    for (const oldest of this.#spools.keys()) {
      if (this.#spools.size <= SPOOLS_MAX) break;
      this.#spools.delete(oldest);
    }
  }
}

export function encodeMarks(to: ByteWriter, marks: ReadonlyMap<string, BootMark>): void {
  to.varint(marks.size);
  for (const [boot, mark] of marks) {
    to.text(boot);
    mark.encode(to);
  }
}

/** Later ones take the place of earlier ones. */
export function decodeMarks(from: ByteReader, into: Map<string, BootMark>): void {
  for (let left = from.varint(); left > 0; left--) {
    const boot = from.text();
    into.delete(boot);
    into.set(boot, BootMark.decode(from));
  }
}

/** What lies between the gaps. */
function coveredRanges({ gaps, top }: BootMark): { readonly first: number; readonly last: number }[] {
  const ranges: { first: number; last: number }[] = [];
  let first = 1;
  for (const gap of gaps) {
    if (gap.first > first) ranges.push({ first, last: gap.first - 1 });
    first = gap.last + 1;
  }
  if (top >= first) ranges.push({ first, last: top });
  return ranges;
}

function copyOf(mark: BootMark): BootMark {
  const writer = new ByteWriter(32);
  mark.encode(writer);
  return BootMark.decode(new ByteReader(writer.view()));
}
