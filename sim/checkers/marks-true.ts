import { bootKey, type Checker, entriesOfBoot } from "../evidence.ts";

/** Invariant 7. */
export const marksTrue: Checker = {
  invariant: 7,
  promise: "marks, gaps and totals recomputed from the entries are those the store keeps",
  check: (evidence) => {
    if (evidence.plan.damagesStore) return [];
    const problems = [...evidence.storeProblems];
    for (const truth of evidence.boots) {
      let top = 0;
      for (const { seq, lost } of entriesOfBoot(evidence, truth))
        top = Math.max(top, seq ?? 0, lost?.last ?? 0);
      const mark = evidence.marks.get(bootKey(truth));
      if (mark !== undefined && mark !== top)
        problems.push(`${truth.boot}: the mark is ${mark}, the entries end at ${top}`);
    }
    return problems;
  },
};
