import type { StoredEntry } from "../../protocol/entry.ts";
import { type Checker, entriesOfBoot } from "../evidence.ts";

/** Invariant 3, for one gateway at a time. */
export const seqOrder: Checker = {
  invariant: 3,
  promise: "the order within a boot is the order of its seqs",
  check: (evidence) => {
    if (evidence.plan.damagesStore || evidence.isShared) return [];
    const problems: string[] = [];
    for (const truth of evidence.boots) {
      let last = 0;
      for (const entry of entriesOfBoot(evidence, truth)) {
        const seq = entry.lost?.last ?? entry.seq;
        if (seq === undefined || isFoundLater(entry)) continue;
        if (seq <= last) problems.push(`${truth.boot} seq ${seq} is listed behind ${last}`);
        last = Math.max(last, seq);
      }
    }
    return problems;
  },
};

/** What a spool lost or gave up is written down behind what stands in it by then. */
function isFoundLater({ lost, seq }: StoredEntry): boolean {
  return lost !== undefined && seq === undefined;
}
