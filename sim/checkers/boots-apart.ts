import { isSameMsg } from "../boot-truth.ts";
import { type Checker, entriesOfBoot, isLine } from "../evidence.ts";

/**
 * Invariant 13: cloned boards have one source and boots of their own, so that no seq ever has two lines; and only a source of two
 * boards is called one.
 */
export const bootsApart: Checker = {
  invariant: 13,
  promise: "two boots are never merged",
  check: (evidence) => {
    const problems: string[] = [];
    const { gateway_conflicting_seqs_total: conflicts = 0, gateway_cloned_sources_total: clones = 0 } =
      evidence.counters;
    if (conflicts > 0) problems.push(`${conflicts} seqs are said to have another line, none has`);
    if (clones > 0 && !evidence.plan.has("clonedSource"))
      problems.push("a source of one board is called that of two");
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
