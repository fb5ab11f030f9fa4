import { readFile } from "node:fs/promises";
import { compileAgent } from "./board.ts";
import { runSeed } from "./seed-run.ts";

/**
 * Runs seeds until one fails, and says which: `node mutant-run.mjs AGENT_FILE SEEDS_MAX MS_MAX`, bundled with one change in the code
 * under test (scripts/sim-mutants.mjs). Prints one JSON object.
 */
const [agentFile = "", seedsMax = "10000", msMax = "60000"] = process.argv.slice(2);
const program = compileAgent(await readFile(agentFile, "utf8"));
const endMs = performance.now() + Number(msMax);
let seed = 0;
let found: readonly number[] = [];
while (seed < Number(seedsMax) && found.length === 0 && performance.now() < endMs) {
  seed++;
  try {
    const { violations } = await runSeed({ seed, program });
    found = [...new Set(violations.map(({ invariant }) => invariant))];
  } catch {
    // An assertion of ours, or a listing that cannot be had: a real process would have died.
    found = [0];
  }
}
process.stdout.write(`${JSON.stringify({ seed, invariants: found })}\n`);
process.exit(0);
