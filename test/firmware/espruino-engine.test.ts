import { readFile } from "node:fs/promises";
import { expect, test } from "vitest";
import { runAsEspruino } from "./espruino-engine.ts";

interface Case {
  readonly name: string;
  readonly code: string;
  readonly standard: string;
  readonly espruino: string;
}

/** What the stand-in does not have, or the language check refuses although it would do. */
const NOT_HELD = /Promise|Timeout|Interval|\bG\b|btoa|JSON stringify$|global|^TDZ$|^var use before decl/;

test("the stand-in for Espruino does what a real one did with the snippets of the language table, but for a few", async () => {
  const file = new URL("../../firmware-js/language-table.json", import.meta.url);
  const { cases } = JSON.parse(await readFile(file, "utf8")) as { cases: readonly Case[] };
  const falseAlarms: string[] = [];
  let agreeing = 0;
  for (const { name, code, standard, espruino } of cases) {
    let given = "";
    try {
      runAsEspruino(code, (text) => {
        given = text;
      });
    } catch (error) {
      given = `fails: ${error}`;
    }
    const isAsStandard = given === standard;
    if (isAsStandard === (espruino === "same")) agreeing++;
    else if (espruino === "same" && !NOT_HELD.test(`${name}\n${code}`) && !NOT_HELD.test(name))
      falseAlarms.push(`${name}: ${given}`);
  }
  expect(falseAlarms).toEqual([]);
  expect(agreeing).toBeGreaterThanOrEqual(305);
  expect(cases.length).toBeLessThan(345);
});
