import { STREAM_LOSS } from "../../protocol/entry.ts";
import type { Checker } from "../evidence.ts";

/** Counters that say damage was found without saying what is gone. */
const FOUND = /^store_corrupt_|^spool_(damaged_cursors|unreadable)_/;

/** Invariant 12: what is listed in spite of flipped bits is judged by invariants 1 and 2; here, that losses are counted. */
export const damageFound: Checker = {
  invariant: 12,
  promise: "a flipped bit is found and counted, or ends in a clean refusal",
  check: (evidence) => {
    const { plan, counters, isStoreOpen, spools } = evidence;
    if (!isStoreOpen || !(plan.damagesStore || plan.damagesSpool)) return [];
    if (plan.has("diskRestored") || plan.has("storeRestored")) return [];
    const isFound = Object.entries(counters).some(([name, value]) => FOUND.test(name) && value > 0);
    if (isFound) return [];
    // A damage inside a spool is written down, by seqs or by their number; at its end it looks like what was never synced.
    let countedCount = spools.reduce((sum, { tornLikeCount }) => sum + tornLikeCount, 0);
    for (const { stream, lost, msg } of [...evidence.listed.values()].flat()) {
      if (stream === STREAM_LOSS && lost === undefined)
        countedCount += (JSON.parse(msg) as { count?: number }).count ?? 0;
    }
    const problems: string[] = [];
    for (const truth of evidence.boots) {
      const seqs = new Set<number>();
      for (const { boot, src, seq, lost } of evidence.listed.get(truth.project) ?? []) {
        if (boot !== truth.boot || src !== truth.src) continue;
        for (let at = lost?.first ?? seq ?? 1; at <= (lost?.last ?? seq ?? 0); at++) seqs.add(at);
      }
      for (let seq = 1; seq <= truth.acked; seq++) {
        if (!seqs.has(seq) && countedCount-- <= 0)
          problems.push(`${truth.boot} seq ${seq} is gone and nothing counted it`);
      }
    }
    return problems;
  },
};
