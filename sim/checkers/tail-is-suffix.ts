import { type Checker, firstDifference } from "../evidence.ts";

/** Invariant 16, at the store: what a live reader hears is a run of the listing without gap or repeat. */
export const tailIsSuffix: Checker = {
  invariant: 16,
  promise: "the live tail equals the listing from where it began",
  check: (evidence) => {
    if (evidence.plan.isDestructive) return [];
    const problems: string[] = [];
    for (const { project, entries, isLast } of evidence.tails) {
      const listed = evidence.listed.get(project) ?? [];
      const first = entries[0];
      if (first === undefined) continue;
      const start = listed.findIndex(({ id }) => id === first.id);
      const difference =
        start < 0 ? "begins nowhere" : firstDifference(entries, listed.slice(start, start + entries.length));
      if (difference !== undefined) problems.push(`${project}: the tail is not the list: ${difference}`);
      else if (isLast && start + entries.length !== listed.length)
        problems.push(
          `${project}: the tail ends ${listed.length - start - entries.length} entries too early`,
        );
    }
    return problems;
  },
};
