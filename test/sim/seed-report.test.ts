import { beforeAll, expect, test } from "vitest";
import type { AgentProgram } from "../../sim/board.ts";
import { FaultPlan } from "../../sim/fault-plan.ts";
import { failureReport } from "../../sim/seed-report.ts";
import { runSeed, type SeedResult } from "../../sim/seed-run.ts";
import { builtAgent } from "./agent-program.ts";

let program: AgentProgram;
beforeAll(async () => {
  program = await builtAgent();
});

/** A run that went well, with something said to be broken. */
async function failed(text: string): Promise<SeedResult> {
  const plan = FaultPlan.draw(3).only(["burst"]);
  const result = await runSeed({ seed: 3, program, plan, keepsEvents: true });
  return { ...result, violations: [1, 1, 4].map((invariant) => ({ invariant, text })) };
}

function reportOf(result: SeedResult): string {
  return failureReport(result, { result, boardsMax: 2, faultyMs: 7000, runCount: 20 });
}

test("a failed seed says each broken promise once, what befell the entry that it names, and how to see it again", async () => {
  const { boot } = bootOf(await failed("")) ?? { boot: "" };
  const report = reportOf(await failed(`${boot} seq 2 was acked and is not listed`));
  expect(report.match(/every acked line is listed exactly once/g)).toHaveLength(1);
  expect(report).toContain("needed: ");
  expect(report).toMatch(
    /again: {2}boardlog sim --seed 3 --faults \S+ --boards 2 --virtual-seconds 7 --trace/,
  );
  const logged = report.split("\n").filter((line) => / logs /.test(line));
  expect(logged).toHaveLength(1);
  expect(logged[0]).toContain(`logs ${boot} 2`);
  expect(report).toContain("all faults stop");
});

function bootOf({ events }: SeedResult): { readonly boot: string } | undefined {
  const [, boot] =
    /^logs (\S+) 2$/.exec(events.find(({ what }) => /^logs \S+ 2$/.test(what))?.what ?? "") ?? [];
  return boot === undefined ? undefined : { boot };
}
