import type { Checker } from "../evidence.ts";

/** The longest pause between two attempts to commit, and a slow disk. */
const RESUME_MS_MAX = 20_000;

/** Invariant 11, for a gateway that lives on and has something to write. */
export const progressResumes: Checker = {
  invariant: 11,
  promise: "after a full disk is freed, progress resumes",
  check: ({ spools }) =>
    spools.flatMap(({ gateway, fullDisks }) =>
      fullDisks.flatMap(({ freedMs, waitingEntries, resumedMs, untilMs }) => {
        const idleMs = (resumedMs ?? untilMs ?? freedMs) - freedMs;
        if (waitingEntries === 0 || idleMs <= RESUME_MS_MAX) return [];
        return [`${gateway}: ${waitingEntries} entries waited, and for ${idleMs} ms nothing was written`];
      }),
    ),
};
