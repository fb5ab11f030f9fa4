import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { bundleTs } from "../support/run-ts.ts";

/** The heap before a full collection, MB. */
const FULL_COLLECTION = /Mark-Compact ([\d.]+) /g;

async function heapMax(...args: string[]): Promise<number> {
  const program = await bundleTs("test/support/lists-that-wait.ts");
  const { stdout } = await promisify(execFile)(process.execPath, [
    "--expose-gc",
    "--trace-gc",
    program,
    ...args,
  ]);
  return Math.max(...Array.from(stdout.matchAll(FULL_COLLECTION), ([, before]) => Number(before)));
}

test("garbage among old objects is as much as what is alive, where the engine left alone lets it be several times that", async () => {
  expect(await heapMax("--evenly")).toBeLessThan(0.85 * (await heapMax()));
});
