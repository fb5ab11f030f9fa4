import { readFile } from "node:fs/promises";
import { expect, test } from "vitest";
import { MUTANTS, plant } from "../../scripts/sim-mutants-list.mjs";

/** What is promised of the list (docs/simulator.md). */
const COUNT_MIN = 40;

test("every mistake of the list can be planted: its place stands exactly once in the code as it is", async () => {
  for (const mutant of MUTANTS) {
    const text = await readFile(new URL(`../../${mutant.file}`, import.meta.url), "utf8");
    expect(plant(mutant, text), mutant.name).not.toBe(text);
  }
});

test(`there are at least ${COUNT_MIN} mistakes, each with a name of its own`, () => {
  expect(MUTANTS.length).toBeGreaterThanOrEqual(COUNT_MIN);
  expect(new Set(MUTANTS.map(({ name }) => name)).size).toBe(MUTANTS.length);
});
