import { type Checker, isLine } from "../evidence.ts";

/** Invariant 17. */
export const projectsApart: Checker = {
  invariant: 17,
  promise: "no entry of another project is ever visible",
  check: (evidence) => {
    const problems: string[] = [];
    const look = (
      project: string,
      entries: readonly { boot?: string; src: string }[],
      where: string,
    ): void => {
      for (const entry of entries) {
        const truth = evidence.boots.find((one) => one.boot === entry.boot);
        if (truth !== undefined && truth.project !== project)
          problems.push(`${truth.boot} of ${truth.project} is visible in ${project}, ${where}`);
      }
    };
    for (const [project, entries] of evidence.listed) look(project, entries.filter(isLine), "listed");
    for (const { project, entries } of evidence.tails) look(project, entries, "live");
    for (const { project, entries } of evidence.followers) look(project, entries, "paged");
    return problems;
  },
};
