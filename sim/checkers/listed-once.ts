import { type Checker, entriesOfBoot, isLine } from "../evidence.ts";

/** Invariant 1. What the store lost by damage is judged elsewhere. */
export const listedOnce: Checker = {
  invariant: 1,
  promise: "every acked line is listed exactly once",
  check: (evidence) => {
    const problems: string[] = [];
    for (const truth of evidence.boots) {
      const counts = new Map<number, number>();
      const covered = new Set<number>();
      for (const entry of entriesOfBoot(evidence, truth)) {
        if (entry.lost !== undefined) {
          for (let seq = entry.lost.first; seq <= entry.lost.last; seq++) covered.add(seq);
        }
        if (isLine(entry) && entry.seq !== undefined) counts.set(entry.seq, (counts.get(entry.seq) ?? 0) + 1);
      }
      for (const [seq, count] of counts) {
        if (count > 1) problems.push(`${truth.boot} seq ${seq} is listed ${count} times`);
      }
      if (evidence.plan.damagesStore) continue;
      for (let seq = 1; seq <= truth.acked; seq++) {
        // What was durable may be lost by some faults, and nothing of what came after them.
        if (evidence.plan.isDestructive && (truth.line(seq)?.trueMs ?? 0) < evidence.quietMs) continue;
        if (!counts.has(seq) && !covered.has(seq))
          problems.push(`${truth.boot} seq ${seq} was acked and is not listed`);
      }
    }
    return problems;
  },
};
