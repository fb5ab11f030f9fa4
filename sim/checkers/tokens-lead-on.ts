import { type Checker, sourceKey } from "../evidence.ts";

/** Invariant 15. */
export const tokensLeadOn: Checker = {
  invariant: 15,
  promise: "following tokens gives each entry once, under appends and over restarts",
  check: (evidence) => {
    // A service on an older disk gives the same ids again.
    if (evidence.plan.damagesStore || evidence.plan.has("storeRestored") || evidence.stuck !== undefined)
      return [];
    const problems = [...evidence.refusedTokens];
    for (const { project, src, entries } of evidence.followers) {
      const expected =
        src === undefined ? evidence.listed.get(project) : evidence.bySource.get(sourceKey(project, src));
      const ids = (expected ?? []).map(({ id }) => id);
      const got = entries.map(({ id }) => id);
      const at = ids.findIndex((id, index) => id !== got[index]);
      if (at >= 0) problems.push(`follower of ${src ?? project}: place ${at} has ${got[at]}, not ${ids[at]}`);
      else if (got.length > ids.length)
        problems.push(`follower of ${src ?? project} got ${got[ids.length]} too much`);
      if (got.some((id, index) => index > 0 && id <= (got[index - 1] ?? "")))
        problems.push(`follower of ${src ?? project}: ids do not ascend`);
    }
    for (const [project, entries] of evidence.listed) {
      const count = [...evidence.bySource].reduce(
        (sum, [key, list]) => sum + (key.startsWith(`${project} `) ? list.length : 0),
        0,
      );
      if (count !== entries.length)
        problems.push(`${project} lists ${entries.length} entries, its sources ${count} together`);
    }
    return problems;
  },
};
