import { BOARDS_MAX, FAULTY_MS, runSeed, type SeedResult, type SeedRunOptions } from "./seed-run.ts";

/** Runs that finding a smaller failure may take. */
const RUNS_MAX = 60;

export interface Shrunk {
  readonly result: SeedResult;
  readonly boardsMax: number;
  readonly faultyMs: number;
  readonly runCount: number;
}

/**
 * Looks for a smaller way to break the same promise: fewer faults, fewer boards, a shorter run, each kept when the run still
 * fails. Greedy, so that it ends soon; what it gives need not be the smallest.
 */
export async function shrink(failed: SeedResult, options: SeedRunOptions): Promise<Shrunk> {
  const invariants = new Set(failed.violations.map(({ invariant }) => invariant));
  let best: Shrunk = {
    result: failed,
    boardsMax: options.boardsMax ?? BOARDS_MAX,
    faultyMs: options.faultyMs ?? FAULTY_MS,
    runCount: 0,
  };
  const tryOne = async (change: Partial<SeedRunOptions>): Promise<boolean> => {
    if (best.runCount >= RUNS_MAX) return false;
    const { boardsMax, faultyMs } = best;
    const tried = { ...options, plan: best.result.plan, boardsMax, faultyMs, keepsEvents: true, ...change };
    const result = await runSeed(tried);
    const isSame = result.violations.some(({ invariant }) => invariants.has(invariant));
    best = { ...best, runCount: best.runCount + 1 };
    if (isSame) best = { ...best, result, boardsMax: tried.boardsMax, faultyMs: tried.faultyMs };
    return isSame;
  };
  await tryOne({ keepsEvents: true });
  for (const name of failed.plan.names) await tryOne({ plan: best.result.plan.without(name) });
  for (let count = best.boardsMax - 1; count >= 1; count--) {
    if (!(await tryOne({ boardsMax: count }))) break;
  }
  while (best.faultyMs > 1000 && (await tryOne({ faultyMs: Math.round(best.faultyMs * 0.7) }))) {}
  // Some faults matter only together; one more round after the run has become shorter.
  for (const name of best.result.plan.names) await tryOne({ plan: best.result.plan.without(name) });
  return best;
}
