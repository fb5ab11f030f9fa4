import { describe, expect, test } from "vitest";
import { findUnsupported } from "../../scripts/espruino-syntax.mjs";
import { findXs } from "../../scripts/install-xs.mjs";
import { readTable, runOnNode, runSnippet, type Snippet } from "../../scripts/language-table.mjs";

const { cases } = await readTable();
const xs = await findXs();
const { ESPRUINO } = process.env;

/** What only the values at run time can tell: the syntax tree holds nothing to refuse. */
const SEEN_AT_RUN_TIME = [
  "Object.defineProperty value non-enum",
  "undefined var ReferenceError",
  "emoji length",
  "JSON stringify control/nonascii",
  "JSON stringify indent",
  "JSON stringify circular",
  "JSON stringify Uint8Array",
  "JSON parse trailing garbage",
  "fn.length/name",
  "async gen / for await",
  "Reflect/Proxy",
  "structuredClone",
  "number toString precision",
];
/** They end alike by luck: both use a name before its definition. */
const REFUSED_ALL_THE_SAME = ["TDZ", "var use before decl in fn"];

/** Of the host around XS, and of its stack: the tests' own engine has others than Moddable's `xst`, which wrote the table. */
const OF_THE_HOST = [
  "deep recursion 500",
  "performance.now",
  "setInterval/clearInterval",
  "setTimeout",
  "setTimeout 0 arg missing",
];
/** A process a snippet: on XS those that some engine does not take tell the most. */
const isTelling = ({ name, espruino, xs: onXs }: Snippet): boolean =>
  (espruino !== "same" || onXs !== "same") && !OF_THE_HOST.includes(name);

/** Runs the snippets, a few at a time, and gives those that did not do what the table says. */
async function disagreements(
  column: "espruino" | "xs",
  list: readonly Snippet[],
  run: (one: Snippet) => Promise<string>,
): Promise<readonly string[]> {
  const waiting = [...list];
  const found: string[] = [];
  const work = async (): Promise<void> => {
    for (let one = waiting.shift(); one !== undefined; one = waiting.shift()) {
      const verdict = await run(one);
      if (verdict.split(":")[0] !== one[column].split(":")[0])
        found.push(`${one.name}: ${verdict}, not ${one[column]}`);
    }
  };
  await Promise.all([work(), work(), work(), work()]);
  return found.sort();
}

describe("the table of what each engine takes", () => {
  test("what Espruino refuses or does differently is refused in a bundle, and nothing else is", () => {
    const verdicts = cases.map(({ name, code, espruino }) => ({
      name,
      isSame: espruino === "same",
      isRefused: findUnsupported(code).length > 0,
    }));
    const names = (list: typeof verdicts) => list.map((one) => one.name).sort();
    expect(names(verdicts.filter((one) => !one.isSame && !one.isRefused))).toEqual(
      [...SEEN_AT_RUN_TIME].sort(),
    );
    expect(names(verdicts.filter((one) => one.isSame && one.isRefused))).toEqual(
      [...REFUSED_ALL_THE_SAME].sort(),
    );
  });

  test("the standard's column is what Node does", async () => {
    const isRun = ({ standard }: Snippet) => !standard.startsWith("(node");
    const wrong = await Promise.all(
      cases.filter(isRun).map(async ({ name, code, standard }) => {
        const found = await runOnNode(code);
        return found === standard ? [] : [`${name}: ${found}, not ${standard}`];
      }),
    );
    expect(wrong.flat()).toEqual([]);
  });

  test.skipIf("missing" in xs)(
    `the column of XS is what a real XS does${"missing" in xs ? ` (skipped: no engine; ${xs.missing})` : ""}`,
    async () => {
      if ("missing" in xs) return;
      expect(await disagreements("xs", cases.filter(isTelling), (one) => runSnippet(xs, one))).toEqual([]);
    },
  );

  test.skipIf(ESPRUINO === undefined)(
    `the column of Espruino is what a real Espruino does${ESPRUINO === undefined ? " (skipped: build Espruino's Linux port and set ESPRUINO to its bin/espruino)" : ""}`,
    async () => {
      const engine = { kind: "espruino", path: ESPRUINO ?? "" } as const;
      expect(await disagreements("espruino", cases, (one) => runSnippet(engine, one))).toEqual([]);
    },
  );
});
