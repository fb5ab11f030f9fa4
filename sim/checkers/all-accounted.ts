import { bootKey, type Checker, entriesOfBoot, isLine } from "../evidence.ts";
import { missingText } from "./missing-text.ts";
import { sentAfterAll } from "./sent-after-all.ts";

type Account = "a line" | "dropped" | "lost on the way";

/**
 * Invariant 4. Of two gateways one may call lost what only the other has heard, and one on an older disk what it forwarded since;
 * that the line itself is listed once at most is judged by invariant 1.
 */
export const allAccounted: Checker = {
  invariant: 4,
  promise: "listed, dropped and lost seqs are disjoint and together are all up to the last known",
  check: (evidence) => {
    const { plan, evicts, isShared } = evidence;
    if (plan.damagesStore || plan.damagesSpool) return [];
    const problems: string[] = [...missingText(evidence), ...sentAfterAll(evidence)];
    for (const truth of evidence.boots) {
      const seen: (Account | undefined)[] = [];
      let last = 0;
      const take = (seq: number, what: Account): void => {
        const before = seen[seq];
        const mayGuess = isShared || plan.has("diskRestored");
        const isGuess = mayGuess && (what === "lost on the way" || before === "lost on the way");
        if (seq > truth.seqLast) problems.push(`${truth.boot} seq ${seq} is ${what} but was never used`);
        else if (before !== undefined && !isGuess)
          problems.push(`${truth.boot} seq ${seq} is accounted for twice, as ${before} and ${what}`);
        else seen[seq] = what;
        last = Math.max(last, seq);
      };
      for (const entry of entriesOfBoot(evidence, truth)) {
        if (isLine(entry) && entry.seq !== undefined) take(entry.seq, "a line");
        else if (entry.lost !== undefined) {
          const what = isLinkLoss(entry.msg) ? "lost on the way" : "dropped";
          for (let seq = entry.lost.first; seq <= entry.lost.last; seq++) take(seq, what);
          // Of a board that was reset, what it sent in part may be given up (docs/protocol.md 6.11).
          const isWatched = truth.hasAcks && truth.isAlive && !plan.isDestructive && !evicts && !isShared;
          if (isWatched && isLinkLoss(entry.msg)) {
            problems.push(`${truth.boot}: lost on a link with acks: ${entry.msg}`);
          }
        }
      }
      // A gateway on an older disk calls lost what its boards no longer hold, where it can know.
      const isGuessed = (evidence.counters.gateway_unasked_marks_total ?? 0) > 0;
      const isKnown = plan.has("diskRestored") && !plan.has("storeRestored") && !isGuessed && truth.isAlive;
      if (plan.isDestructive && !isKnown) continue;
      // A board that lives on has everything accounted for; of one that was reset, what the store knows.
      const until =
        truth.isAlive && evidence.stuck === undefined
          ? truth.seqLast
          : (evidence.marks.get(bootKey(truth)) ?? last);
      for (let seq = 1; seq <= until; seq++) {
        if (seen[seq] === undefined)
          problems.push(`${truth.boot} seq ${seq} of ${until} is neither listed nor lost`);
      }
    }
    return problems;
  },
};

function isLinkLoss(msg: string): boolean {
  return (JSON.parse(msg) as { where?: unknown }).where !== "agent";
}
