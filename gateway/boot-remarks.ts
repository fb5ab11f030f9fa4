import type { Counters } from "../host/counters.ts";
import { LossPlace, type NewEntry } from "../protocol/entry.ts";
import { lossEntry, noticeEntry } from "../protocol/entry-builder.ts";
import type { Frame, FrameLines } from "../protocol/frame.ts";
import type { Verdict } from "../protocol/sequencing.ts";
import { ConflictFinder } from "./conflict-finder.ts";
import type { SourceHistory } from "./source-history.ts";
import type { Receipt } from "./wall-clock.ts";

const DAY_MS = 86_400_000;
/** A board's clock that is this far off was not set, or set wrongly: no zone of time explains it. */
const ODD_CLOCK_MS = DAY_MS;

/** What the gateway has to say itself of one boot: a second line under a seq, a second board, a clock that is far off. */
export class BootRemarks {
  readonly #counters: Counters;
  readonly #history: SourceHistory;
  readonly #boot: string;
  readonly #conflicts = new ConflictFinder();
  #isClockTold = false;

  constructor(counters: Counters, history: SourceHistory, boot: string) {
    this.#counters = counters;
    this.#history = history;
    this.#boot = boot;
  }

  /** Verdicts in their order. @param mark the one that stood before their frame. */
  see(verdict: Verdict, mark: number): void {
    this.#conflicts.see(verdict, mark);
  }

  /** Lines that are taken as they came. */
  seeLines(lines: FrameLines): void {
    this.#conflicts.seeLines(lines);
  }

  /** Adds what is to be said behind the entries of a frame that gave rise to it. */
  addTo(entries: NewEntry[], frame: Frame, receipt: Receipt, hasNews: boolean): void {
    this.#addConflicts(entries, receipt);
    if (!hasNews) return;
    this.#addClone(entries, receipt);
    this.#addClock(entries, frame, receipt);
  }

  /** Clause 6.10. */
  #addConflicts(entries: NewEntry[], { wallMs }: Receipt): void {
    const conflicts = this.#conflicts.take();
    if (conflicts === undefined) return;
    this.#counters.add("gateway_conflicting_seqs_total", conflicts.count);
    const reason = { where: LossPlace.Gateway, why: conflicts.why };
    for (const { first, last } of conflicts.ranges) {
      // It accounts for no seq: the line that is kept does.
      const range = { boot: this.#boot, first, last };
      const { lost: _lost, ...entry } = lossEntry(this.#history.src, range, reason, wallMs);
      entries.push(entry);
    }
  }

  /** Clause 6.10. */
  #addClone(entries: NewEntry[], { wallMs, monotonicMs }: Receipt): void {
    const boots = this.#history.news(this.#boot, monotonicMs);
    if (boots === undefined) return;
    this.#counters.add("gateway_cloned_sources_total");
    const text = `two boards log under this name, boots ${boots.join(" and ")} go on side by side: give each a name of its own`;
    entries.push(noticeEntry(this.#history.src, text, wallMs));
  }

  /** Clause 5.10. */
  #addClock(entries: NewEntry[], { clock, now }: Frame, { wallMs, isWallSet }: Receipt): void {
    if (this.#isClockTold || clock !== "utc" || now === undefined || !isWallSet) return;
    const offMs = now - wallMs;
    if (Math.abs(offMs) < ODD_CLOCK_MS) return;
    this.#isClockTold = true;
    this.#counters.add("gateway_odd_clocks_total");
    const days = Math.round(Math.abs(offMs) / DAY_MS);
    const text = `the board's clock is ${days} days ${offMs < 0 ? "behind" : "ahead of"} the gateway's in boot ${this.#boot}; its times are kept as they are`;
    entries.push(noticeEntry(this.#history.src, text, wallMs));
  }
}
