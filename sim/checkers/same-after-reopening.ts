import { type Checker, firstDifference } from "../evidence.ts";

/** Invariant 8. The first listing is from before the crash, the second after it, the third after a crash while opening. */
export const sameAfterReopening: Checker = {
  invariant: 8,
  promise: "recovery run again, or crashed and run again, gives the same",
  check: (evidence) => {
    const problems: string[] = [];
    if (!evidence.plan.damagesSpool) {
      for (const [first = [], second = []] of evidence.reopenedSpools) {
        const at = first.findIndex((text, index) => text !== second[index]);
        if (at >= 0 || first.length !== second.length)
          problems.push(
            `a spool opened again has ${second.length} entries, not ${first.length}; ${first[at]}`,
          );
      }
    }
    if (evidence.plan.damagesStore) return problems;
    for (const [index, again] of evidence.reopened.entries()) {
      for (const [project, before] of evidence.listed) {
        const difference = firstDifference(before, again.get(project) ?? []);
        if (difference !== undefined) problems.push(`opened again (${index + 1}), ${project}: ${difference}`);
      }
    }
    return problems;
  },
};
