import { type Checker, firstDifference } from "../evidence.ts";

/** Invariant 16, at the store: what a live reader hears is a run of the listing without gap or repeat. */
export const tailIsSuffix: Checker = {
  invariant: 16,
  promise: "the live tail equals the listing from where it began",
  check: (evidence) => {
    // A service on an older disk gives the same ids again.
    if (evidence.plan.damagesStore || evidence.plan.has("storeRestored")) return [];
    const problems: string[] = [];
    for (const { project, after, entries, isLast } of evidence.tails) {
      if (after === undefined) continue;
      const expected = (evidence.listed.get(project) ?? []).filter(({ id }) => id > after);
      const difference = firstDifference(entries, isLast ? expected : expected.slice(0, entries.length));
      if (difference !== undefined) problems.push(`${project}: the tail is not the list: ${difference}`);
    }
    return problems;
  },
};
