import type { Checker } from "../evidence.ts";

/** Invariant 9, as seen on the disk at each removal. Where bits were flipped nobody can tell what a segment held. */
export const cursorBeforeRemoval: Checker = {
  invariant: 9,
  promise: "no spool segment is removed before the cursor past it is durable",
  check: ({ plan, spools }) => {
    if (plan.damagesSpool) return [];
    return spools.flatMap(({ gateway, earlyRemovals }) =>
      earlyRemovals.map(
        ({ path, forwarded, missing }) =>
          `${gateway}: ${path} was removed while the durable cursor was at ${forwarded}; ${missing[0]?.first} to ${missing.at(-1)?.last} stand nowhere else`,
      ),
    );
  },
};
