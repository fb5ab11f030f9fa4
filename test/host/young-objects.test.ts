import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { bundleTs } from "../support/run-ts.ts";

/** What the engine says of code whose objects it puts among the old ones from then on. */
const CONCLUSION = /pretenuring: AllocationSite.* tenure$/m;

async function run(...args: string[]): Promise<string> {
  const program = await bundleTs("test/support/objects-until-commit.ts");
  const { stdout } = await promisify(execFile)(process.execPath, [
    "--trace-pretenuring-statistics",
    program,
    ...args,
  ]);
  return stdout;
}

test("objects that wait for a commit are not taken for such as stay for good", async () => {
  expect(await run("--young")).not.toMatch(CONCLUSION);
});

test("left alone, the engine takes them for such", async () => {
  expect(await run()).toMatch(CONCLUSION);
});
