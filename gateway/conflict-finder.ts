import type { FrameLines } from "../protocol/frame.ts";
import { hashOfLine } from "../protocol/line-hash.ts";
import type { Verdict } from "../protocol/sequencing.ts";
import { RecentLines } from "./recent-lines.ts";

/** Seqs of a boot for which a record tells of a second line; further ones are counted. */
const TOLD_MAX = 64;
const WHY =
  "another line came under a seq that was taken; the first is kept: two boards with one name and boot, or a boot id given twice";
const WHY_LAST = `${WHY}; further ones of this boot are counted only`;

export interface Conflicts {
  readonly count: number;
  /** Those that were not told of before. */
  readonly ranges: readonly { readonly first: number; readonly last: number }[];
  readonly why: string;
}

/** Finds the seqs of one boot under which two different lines came (docs/protocol.md 6.10). */
export class ConflictFinder {
  readonly #lines = new RecentLines();
  readonly #told = new Set<number>();
  #found: number[] = [];

  /** Verdicts in their order. @param mark the one that stood before their frame. */
  see(verdict: Verdict, mark: number): void {
    switch (verdict.type) {
      case "entry":
        this.#lines.take(verdict.id, hashOfLine(verdict.args));
        return;
      case "drop":
      case "lost":
        this.#lines.skip(verdict.lost.first, verdict.lost.last);
        return;
      case "refused":
        this.#lines.skip(verdict.id, verdict.id);
        return;
      case "duplicate":
        if (verdict.args !== undefined && this.#lines.isOther(verdict.id, hashOfLine(verdict.args), mark))
          this.#found.push(verdict.id);
    }
  }

  /** Lines that are taken as they came. */
  seeLines(lines: FrameLines): void {
    for (let index = 0; index < lines.count; index++)
      this.#lines.take(lines.seqFirst + index, lines.hashAt(index));
  }

  /** What was found since the last call. */
  take(): Conflicts | undefined {
    const found = this.#found;
    if (found.length === 0) return undefined;
    this.#found = [];
    const ranges: { first: number; last: number }[] = [];
    for (const seq of found) {
      if (this.#told.has(seq) || this.#told.size >= TOLD_MAX) continue;
      this.#told.add(seq);
      const range = ranges.at(-1);
      if (range?.last === seq - 1) range.last = seq;
      else ranges.push({ first: seq, last: seq });
    }
    return { count: found.length, ranges, why: this.#told.size < TOLD_MAX ? WHY : WHY_LAST };
  }
}
