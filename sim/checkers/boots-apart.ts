import { isSameMsg } from "../boot-truth.ts";
import { type Checker, entriesOfBoot, isLine } from "../evidence.ts";

/** Invariant 13: cloned boards have one source and boots of their own. */
export const bootsApart: Checker = {
  invariant: 13,
  promise: "two boots are never merged",
  check: (evidence) => {
    const problems: string[] = [];
    for (const truth of evidence.boots) {
      for (const entry of entriesOfBoot(evidence, truth)) {
        if (!isLine(entry)) continue;
        const line = truth.line(entry.seq ?? 0);
        if (line !== undefined && isSameMsg(line, entry.msg)) continue;
        const owner = evidence.boots.find(
          (one) => one !== truth && one.lines.some((it) => isSameMsg(it, entry.msg)),
        );
        if (owner !== undefined)
          problems.push(`a line of ${owner.boot} is listed as ${truth.boot} seq ${entry.seq}`);
      }
    }
    return problems;
  },
};
