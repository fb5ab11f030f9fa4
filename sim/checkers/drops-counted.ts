import { type Checker, entriesOfBoot } from "../evidence.ts";

/** Invariant 5, for boards that live to the end. Of two gateways one may call lost on the way what the board told the other. */
export const dropsCounted: Checker = {
  invariant: 5,
  promise: "what the agent says it dropped is what its loss records add up to",
  check: (evidence) => {
    if (evidence.plan.isDestructive || evidence.evicts || evidence.stuck !== undefined) return [];
    const problems: string[] = [];
    for (const truth of evidence.boots) {
      if (!truth.isAlive) continue;
      let listed = 0;
      let guessed = 0;
      for (const { lost, msg } of entriesOfBoot(evidence, truth)) {
        if (lost === undefined) continue;
        const loss = JSON.parse(msg) as { where?: string; count?: number };
        if (loss.where === "agent") listed += lost.last - lost.first + 1;
        else if (evidence.isShared) guessed += lost.last - lost.first + 1;
        if (loss.count !== lost.last - lost.first + 1)
          problems.push(`${truth.boot}: a wrong count in ${msg}`);
      }
      if (listed > truth.dropped || listed + guessed < truth.dropped)
        problems.push(`${truth.boot}: the agent dropped ${truth.dropped}, listed as lost are ${listed}`);
    }
    return problems;
  },
};
