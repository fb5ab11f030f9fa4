import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { compileAgent } from "../sim/board.ts";
import { FAULT_NAMES, type FaultName, FaultPlan } from "../sim/fault-plan.ts";
import { eventLine, failureReport } from "../sim/seed-report.ts";
import { BOARDS_MAX, FAULTY_MS, runSeed, type SeedResult } from "../sim/seed-run.ts";
import { shrink } from "../sim/shrink.ts";
import { UserError } from "./user-error.ts";

/** The agent's bundles, beside this program in dist/. */
const FULL_AGENT_FILE = fileURLToPath(new URL("./firmware/agent-full.js", import.meta.url));
const AGENT_FILE = fileURLToPath(new URL("./firmware/agent.js", import.meta.url));
/** Failed seeds that are shrunk and shown; of more only the numbers. */
const SHOWN_MAX = 3;
const PROGRESS_MS = 500;

export interface SimFlags {
  readonly seed: number;
  readonly runs: number;
  readonly faults?: string;
  readonly boards?: number;
  readonly virtualSeconds?: number;
  readonly trace?: boolean;
  readonly json?: boolean;
}

/** `boardlog sim --seed N`: the whole chain in virtual time. Exit status 1 when a promise was broken. */
export async function runSim(flags: SimFlags): Promise<void> {
  const program = compileAgent(await readFile(AGENT_FILE, "utf8"));
  const fullProgram = compileAgent(await readFile(FULL_AGENT_FILE, "utf8"));
  const names = flags.faults === undefined ? undefined : faultNames(flags.faults);
  const options = {
    program,
    fullProgram,
    boardsMax: flags.boards ?? BOARDS_MAX,
    faultyMs: flags.virtualSeconds === undefined ? FAULTY_MS : flags.virtualSeconds * 1000,
    keepsEvents: flags.trace ?? false,
  };
  const progress = progressLine(flags.runs);
  const startMs = performance.now();
  const failed: SeedResult[] = [];
  let lineCount = 0;
  for (let seed = flags.seed; seed < flags.seed + flags.runs; seed++) {
    const drawn = FaultPlan.draw(seed);
    const plan = names === undefined ? drawn : drawn.only(names);
    const result = await runSeed({ ...options, seed, plan });
    lineCount += result.lineCount;
    if (result.violations.length > 0) failed.push(result);
    progress.show(seed - flags.seed + 1, failed.length);
    if (flags.trace) process.stdout.write(`${result.events.map(eventLine).join("\n")}\n`);
    if (flags.runs === 1 && !flags.json) process.stdout.write(`seed ${seed}: ${plan}\n`);
    if (flags.json) process.stdout.write(`${JSON.stringify(jsonOf(result))}\n`);
    else if (result.violations.length > 0 && failed.length <= SHOWN_MAX) {
      progress.clear();
      const shrunk = await shrink(result, { ...options, seed });
      process.stdout.write(failureReport(result, shrunk));
    } else if (flags.runs === 1) process.stdout.write(`event hash ${result.hash}\n`);
  }
  progress.clear();
  const seconds = (performance.now() - startMs) / 1000;
  if (!flags.json) {
    const perMinute = Math.round((flags.runs / seconds) * 60);
    const seeds = failed.length === 0 ? "" : `: ${failed.map(({ seed }) => seed).join(" ")}`;
    process.stdout.write(
      `${flags.runs} ${flags.runs === 1 ? "run" : "runs"}, ${lineCount} lines logged, ${failed.length} failed${seeds}; ${seconds.toFixed(1)} s, ${perMinute} runs a minute\n`,
    );
  }
  if (failed.length > 0) throw new UserError("a promise was broken", 1);
}

function faultNames(list: string): readonly FaultName[] {
  if (list === "none") return [];
  return list.split(",").map((name) => {
    const known = FAULT_NAMES.find((one) => one === name);
    if (known === undefined) throw new UserError(`--faults: ${name} is none of ${FAULT_NAMES.join(", ")}`);
    return known;
  });
}

function jsonOf({ seed, plan, violations, hash, lineCount, listedCount }: SeedResult): object {
  return { seed, faults: plan.names, violations, hash, lineCount, listedCount };
}

/** One line on a terminal, nothing elsewhere. */
function progressLine(runs: number): { show(done: number, failed: number): void; clear(): void } {
  const { stderr } = process;
  const isShown = stderr.isTTY === true && runs > 1;
  let lastMs = 0;
  return {
    show: (done, failed) => {
      if (!isShown || performance.now() - lastMs < PROGRESS_MS) return;
      lastMs = performance.now();
      const width = 30;
      const filled = Math.round((width * done) / runs);
      stderr.write(`\r[${"#".repeat(filled).padEnd(width)}] ${done}/${runs} runs, ${failed} failed`);
    },
    clear: () => {
      if (isShown) stderr.write("\r\u001b[K");
    },
  };
}
