import { bootKey, type Checker } from "../evidence.ts";

/** Invariant 6, as far as the end shows it; the moment of each ack is watched while the run is on. */
export const acksDurable: Checker = {
  invariant: 6,
  promise: "an ack never exceeds what is durable and never moves back",
  check: (evidence) => {
    const problems: string[] = [];
    for (const truth of evidence.boots) {
      const key = bootKey(truth);
      const acked = Math.max(evidence.ackedByGateway.get(key) ?? 0, truth.acked);
      const mark = evidence.marks.get(key);
      if (!evidence.plan.isDestructive && mark !== undefined && mark < acked)
        problems.push(`${truth.boot}: acked up to ${acked}, the store holds ${mark}`);
      if (truth.acked > (evidence.ackedByGateway.get(key) ?? 0))
        problems.push(`${truth.boot}: the board believes ${truth.acked}, no gateway acked that`);
    }
    return problems;
  },
};
