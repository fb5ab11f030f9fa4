import { beforeAll, expect, test } from "vitest";
import { FULL_FEATURES } from "../../scripts/build-firmware.mjs";
import type { AgentProgram } from "../../sim/board.ts";
import { FAULT_NAMES, FaultPlan } from "../../sim/fault-plan.ts";
import { failureReport } from "../../sim/seed-report.ts";
import { runSeed } from "../../sim/seed-run.ts";
import { shrink } from "../../sim/shrink.ts";
import { builtAgent } from "./agent-program.ts";

/** More by SIM_SEEDS=N; `node scripts/sim-seeds.mjs` runs millions on all cores. */
const SEED_COUNT = Number(process.env.SIM_SEEDS ?? 2000);
/** For what hangs; one takes some 30 ms. */
const SEED_MS_MAX = 1_000;

let program: AgentProgram;
let fullProgram: AgentProgram;
beforeAll(async () => {
  program = await builtAgent();
  fullProgram = await builtAgent(FULL_FEATURES);
});

test(
  `no promise is broken by what seeds 1 to ${SEED_COUNT} let go wrong`,
  async () => {
    for (let seed = 1; seed <= SEED_COUNT; seed++) {
      const result = await runSeed({ seed, program, fullProgram });
      if (result.violations.length === 0) continue;
      expect.fail(failureReport(result, await shrink(result, { seed, program, fullProgram })));
    }
  },
  60_000 + SEED_COUNT * SEED_MS_MAX,
);

test("the same seed gives the same events, whether they are kept or not", async () => {
  for (let seed = 1; seed <= 20; seed++) {
    const first = await runSeed({ seed, program, fullProgram });
    const second = await runSeed({ seed, program, fullProgram, keepsEvents: true });
    expect(second.hash).toBe(first.hash);
    expect(second.violations).toEqual(first.violations);
  }
});

test("other seeds give other events", async () => {
  const hashes = new Set<string>();
  for (let seed = 1; seed <= 20; seed++) hashes.add((await runSeed({ seed, program, fullProgram })).hash);
  expect(hashes.size).toBe(20);
});

test("leaving one fault out of a swarm leaves the others as they were drawn", () => {
  const plan = FaultPlan.draw(7);
  const [first = "serialNoise"] = plan.names;
  const without = plan.without(first);
  expect(without.names).toEqual(plan.names.slice(1));
  for (const name of without.names) expect(without.amount(name)).toBe(plan.amount(name));
});

test("every fault is drawn by some of the first 200 seeds, and missing from others", () => {
  const plans = Array.from({ length: 200 }, (_, seed) => FaultPlan.draw(seed));
  for (const name of FAULT_NAMES) {
    expect(plans.some((plan) => plan.has(name))).toBe(true);
    expect(plans.some((plan) => !plan.has(name))).toBe(true);
  }
});

test("without faults every line that is logged is listed", async () => {
  const plan = FaultPlan.draw(1).only([]);
  for (let seed = 1; seed <= 10; seed++) {
    const { violations, lineCount, listedCount } = await runSeed({ seed, program, fullProgram, plan });
    expect(violations).toEqual([]);
    expect(lineCount).toBeGreaterThan(0);
    expect(listedCount).toBeGreaterThanOrEqual(lineCount);
  }
});
