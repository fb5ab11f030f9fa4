import type { BootMark } from "./boot-mark.ts";
import type { Findings } from "./check-report.ts";
import { SeqRanges } from "./seq-ranges.ts";
import type { StoredSource } from "./source-state.ts";
import { HEAD_NAME } from "./store-state.ts";

/** What a check needs of an entry. */
export interface CheckedEntry {
  readonly position: number;
  readonly stream: string;
  readonly boot: string | undefined;
  readonly seq: number | undefined;
  readonly lost: { readonly boot: string; readonly first: number; readonly last: number } | undefined;
  /** It was deleted, and is still on the disk. */
  readonly isHidden: boolean;
}

interface BootLedger {
  /** Of the entries that the head counts. */
  readonly seqs: SeqRanges;
  /** Of later ones. */
  readonly lateSeqs: SeqRanges;
  /** Seqs that loss records account for, of those that the head counts. */
  readonly lostSeqs: SeqRanges;
  /** The highest seq that an entry has or accounts for, of those that the head counts. */
  top: number;
}

/** A source as the head names it. */
export interface NamedSource {
  readonly project: string;
  readonly src: string;
  readonly stored: StoredSource;
}

/** All entries of one source that a check met, counted anew: what the head says of it is held against this. */
export class SourceLedger {
  readonly #named: NamedSource | undefined;
  /** The head's totals and marks count entries up to here. */
  readonly #countedPosition: number;
  readonly #boots = new Map<string, BootLedger>();
  /** Entries that are kept, of those that the head counts. */
  #countedEntries = 0;
  #lastPosition = 0;
  /** Where some of it is damaged, totals cannot agree. */
  isDamaged = false;

  /** @param sealedPosition what is sealed is counted, whatever the source's row says. */
  constructor(named: NamedSource | undefined, sealedPosition: number) {
    this.#named = named;
    this.#countedPosition = Math.max(sealedPosition, named?.stored.throughPosition ?? 0);
  }

  add(entry: CheckedEntry, where: string, findings: Findings): void {
    const { position, seq, boot, lost } = entry;
    if (position <= this.#lastPosition)
      findings.problem(
        where,
        `two entries stand at one place, or in the wrong order (${position})`,
        this.#named,
      );
    this.#lastPosition = position;
    const isCounted = position <= this.#countedPosition;
    if (isCounted && !entry.isHidden) this.#countedEntries++;
    const owner = lost?.boot ?? boot;
    if (owner === undefined || (seq === undefined && lost === undefined)) return;
    const ledger = this.#bootOf(owner);
    // One that says of others that they are missing is new by that, though its seq be known.
    if (seq !== undefined && !isFirst(ledger, seq, isCounted) && lost === undefined)
      findings.problem(where, `seq ${seq} of boot ${owner} is stored twice`, this.#named);
    if (!isCounted) return;
    ledger.top = Math.max(ledger.top, seq ?? 0, lost?.last ?? 0);
    if (lost !== undefined) ledger.lostSeqs.addRange(lost.first, lost.last);
  }

  /** Marks and totals of the head against the entries. */
  compare(marks: ReadonlyMap<string, BootMark> | undefined, findings: Findings): void {
    const named = this.#named;
    if (named === undefined) return;
    const { totals } = named.stored;
    const missing = totals.entryCount - this.#countedEntries;
    // Entries of a damaged chunk stay counted when compaction has left it out; there is a loss record for them.
    const isExplained = missing > 0 && (this.isDamaged || totals.lossCounts.service > 0);
    if (missing !== 0 && !isExplained)
      findings.problem(
        HEAD_NAME,
        `its count says ${totals.entryCount} entries, there are ${this.#countedEntries}`,
        named,
      );
    if (totals.bootCount !== (marks?.size ?? 0))
      findings.problem(
        HEAD_NAME,
        `its count says ${totals.bootCount} boots, there are marks of ${marks?.size ?? 0}`,
        named,
      );
    for (const [boot, { seqs, lostSeqs, top }] of this.#boots) {
      const mark = marks?.get(boot);
      if (top > (mark?.top ?? 0)) {
        const words = mark === undefined ? "there is no mark" : `the mark says ${mark.top}`;
        findings.problem(HEAD_NAME, `entries of boot ${boot} go up to seq ${top}, ${words}`, named);
      }
      for (const gap of mark?.gaps ?? []) {
        const stored = seqs.firstWithin(gap.first, gap.last);
        const seq = stored ?? lostSeqs.firstWithin(gap.first, gap.last);
        if (seq === undefined) continue;
        const what = stored === undefined ? "accounted for by a loss record" : "stored";
        findings.problem(
          HEAD_NAME,
          `seq ${seq} of boot ${boot} is ${what}, the mark says it is missing`,
          named,
        );
      }
    }
  }

  #bootOf(boot: string): BootLedger {
    let ledger = this.#boots.get(boot);
    if (ledger === undefined) {
      ledger = { seqs: new SeqRanges(), lateSeqs: new SeqRanges(), lostSeqs: new SeqRanges(), top: 0 };
      this.#boots.set(boot, ledger);
    }
    return ledger;
  }
}

function isFirst({ seqs, lateSeqs }: BootLedger, seq: number, isCounted: boolean): boolean {
  if (isCounted) return seqs.add(seq);
  return seqs.firstWithin(seq, seq) === undefined && lateSeqs.add(seq);
}
