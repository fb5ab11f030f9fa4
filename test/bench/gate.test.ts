import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import limits from "../../bench/limits.json" with { type: "json" };
import { bundleTs } from "../support/run-ts.ts";

/*
 * What the code costs may not creep up unseen. Each program divides our CPU by that of JSON.parse on the same text, in one process and
 * in turn, the least of many rounds: a busy machine makes both dearer, and the wall clock is not asked. Limits stand half above what was
 * measured, in bench/limits.json. A round of few microseconds needs more of them until the engine has compiled what it runs.
 */
test.each(Object.entries(limits))("%s: CPU in parts of JSON.parse's", async (name, { atMost, rounds }) => {
  const [program, entries = ""] = name.split(" ");
  const path = await bundleTs(`bench/protocol/${program}.ts`);
  const { stdout } = await promisify(execFile)(process.execPath, [
    path,
    "--entries",
    entries,
    "--rounds",
    String(rounds),
  ]);
  const { ours, floor } = JSON.parse(stdout) as { readonly ours: number; readonly floor: number };
  expect(ours).toBeGreaterThan(floor / 2);
  expect(ours / floor).toBeLessThan(atMost);
});
