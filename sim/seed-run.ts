import type { AgentProgram } from "./board.ts";
import { Chain, turnOfEventLoop } from "./chain.ts";
import { CHECKERS } from "./checkers/all-checkers.ts";
import type { SimEvent } from "./event-log.ts";
import type { Violation } from "./evidence.ts";
import { FaultPlan } from "./fault-plan.ts";
import { SeededRandom } from "./seeded-random.ts";
import { makeServiceKeys, type ServiceKeys } from "./service-keys.ts";
import { VirtualTime } from "./virtual-time.ts";

export interface SeedRunOptions {
  readonly seed: number;
  readonly program: AgentProgram;
  readonly fullProgram?: AgentProgram | undefined;
  /** The seed's own swarm when absent. */
  readonly plan?: FaultPlan;
  readonly boardsMax?: number;
  readonly faultyMs?: number;
  readonly keepsEvents?: boolean;
}

export interface SeedResult {
  readonly seed: number;
  readonly plan: FaultPlan;
  readonly violations: readonly Violation[];
  /** The same for the same seed (invariant 20). */
  readonly hash: string;
  readonly events: readonly SimEvent[];
  readonly lineCount: number;
  readonly listedCount: number;
}

export const BOARDS_MAX = 3;
export const FAULTY_MS = 20_000;
/** The same in every run: no seed matters to them, and making them takes time. */
let sharedKeys: Promise<ServiceKeys> | undefined;
/** Of one promise; the rest are more of the same. */
const SHOWN_MAX = 5;

/** Runs one seed and judges it. */
export async function runSeed(options: SeedRunOptions): Promise<SeedResult> {
  const {
    seed,
    program,
    fullProgram,
    boardsMax = BOARDS_MAX,
    faultyMs = FAULTY_MS,
    keepsEvents = false,
  } = options;
  const plan = options.plan ?? FaultPlan.draw(seed);
  const time = new VirtualTime();
  sharedKeys ??= makeServiceKeys(time, new SeededRandom(1));
  const keys = await sharedKeys;
  const chain = new Chain(
    { time, keys },
    { seed, plan, program, fullProgram, boardsMax, faultyMs, keepsEvents },
  );
  const crash = watchCrashes();
  try {
    const evidence = await chain.run();
    await turnOfEventLoop();
    const violations: Violation[] = evidence.seen.slice(0, SHOWN_MAX);
    for (const { invariant, check } of CHECKERS) {
      for (const text of check(evidence).slice(0, SHOWN_MAX)) violations.push({ invariant, text });
    }
    violations.push(...crash.violations());
    let listedCount = 0;
    for (const entries of evidence.listed.values()) listedCount += entries.length;
    return {
      seed,
      plan,
      violations,
      hash: chain.events.digest(),
      events: chain.events.events,
      lineCount: evidence.boots.reduce((sum, { seqLast }) => sum + seqLast, 0),
      listedCount,
    };
  } finally {
    crash.stop();
  }
}

/** A failed assertion anywhere in the production code ends a real process: here it is a broken promise with the number 0. */
function watchCrashes(): { violations(): Violation[]; stop(): void } {
  const errors: unknown[] = [];
  const onError = (error: unknown): void => {
    errors.push(error);
  };
  process.on("unhandledRejection", onError);
  process.on("uncaughtException", onError);
  return {
    violations: () =>
      errors.map((error) => ({
        invariant: 0,
        text: `a process died: ${error instanceof Error ? (error.stack ?? error.message) : error}`,
      })),
    stop: () => {
      process.off("unhandledRejection", onError);
      process.off("uncaughtException", onError);
    },
  };
}
