import { readFile } from "node:fs/promises";
import { compileAgent } from "./board.ts";
import { FAULT_NAMES, FaultPlan } from "./fault-plan.ts";
import { runSeed } from "./seed-run.ts";

/**
 * Runs seeds until one fails, and says which: `node mutant-run.mjs AGENT_FILE SEEDS_MAX MS_MAX FAULTS FULL_AGENT_FILE`, bundled with one change in the
 * code under test (scripts/sim-mutants.mjs). Seeds whose swarm has not all of these faults are passed over: they do not come to
 * the changed place. Without the full agent every board runs the other. Prints one JSON object.
 */
const [agentFile = "", seedsMax = "10000", msMax = "60000", faults = "", fullAgentFile = ""] =
  process.argv.slice(2);
const needs = FAULT_NAMES.filter((name) => faults.split(",").includes(name));
let runCount = 0;
const program = compileAgent(await readFile(agentFile, "utf8"));
const fullProgram = fullAgentFile === "" ? undefined : compileAgent(await readFile(fullAgentFile, "utf8"));
const endMs = performance.now() + Number(msMax);
let seed = 0;
let found: readonly number[] = [];
while (seed < Number(seedsMax) && found.length === 0 && performance.now() < endMs) {
  seed++;
  const plan = FaultPlan.draw(seed);
  if (!needs.every((name) => plan.has(name))) continue;
  runCount++;
  try {
    const { violations } = await runSeed({ seed, program, fullProgram, plan });
    found = [...new Set(violations.map(({ invariant }) => invariant))];
  } catch {
    // An assertion of ours, or a listing that cannot be had: a real process would have died.
    found = [0];
  }
}
process.stdout.write(`${JSON.stringify({ seed, runCount, invariants: found })}\n`);
process.exit(0);
