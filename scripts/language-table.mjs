/**
 * Writes firmware-js/language-table.json: what each engine does with each snippet, by running it. A snippet calls R(value);
 * `standard` is what Node gives as JSON. `ESPRUINO` names an interpreter, `XST` an XS (else the tests' own is taken); a
 * column whose engine is not there stays as it was. `node scripts/language-table.mjs`
 */
import { readFile, writeFile } from "node:fs/promises";
import { fileURLToPath, pathToFileURL } from "node:url";
import { runInNewContext } from "node:vm";
import { findXs } from "./install-xs.mjs";
import { runOnEngine } from "./run-on-engine.mjs";

export const TABLE_FILE = fileURLToPath(new URL("../firmware-js/language-table.json", import.meta.url));
const END = "END OF SNIPPET";
/** Promises and timers of a snippet get this long on Node, this often. */
const SETTLE_MS = 20;
const SETTLE_TURNS = 100;
const AT_ONCE = 4;

const withPrint = (code) => `var G={};function R(v){print("RESULT "+JSON.stringify(v)+" .")}\n${code}`;

/** What a run printed, as the table says it. */
function verdictOf(printed, standard) {
  const value = /RESULT (.*?) \.(?:\r?\n|$)/s.exec(printed)?.[1];
  if (value === undefined) {
    const problem = /(?:Uncaught )?\w*Error: .*/.exec(printed)?.[0].trim();
    return `fails: ${problem ?? "no result"}`;
  }
  return value === standard ? "same" : `differs: ${value}`;
}

/** @returns `same`, `differs: JSON` or `fails: message`. */
export async function runSnippet(engine, { code, standard }) {
  const script = withPrint(code);
  if (engine.kind !== "espruino") return verdictOf(await runOnEngine(engine, script), standard);
  // Its process stays at the prompt; an error in the file leaves what stands behind it undone.
  const ended = `${script}\nsetTimeout(function(){print("${END}")},50);`;
  const isDone = (printed) =>
    printed.includes(END) || /RESULT .* \.\r?\n/.test(printed) || /Error.*\n(?:.|\n)*\n/.test(printed);
  return verdictOf(await runOnEngine(engine, ended, isDone), standard);
}

export async function runOnNode(code) {
  let printed = "";
  const print = (text) => {
    printed += `${text}\n`;
  };
  try {
    runInNewContext(`var global = globalThis;${withPrint(code)}`, {
      print,
      ...{ setTimeout, clearTimeout, setInterval, clearInterval, queueMicrotask },
      ...{ structuredClone, performance, btoa, atob, TextEncoder },
    });
  } catch (error) {
    return `(node: ${error.name}: ${error.message})`;
  }
  const value = () => /RESULT (.*) \.\n/.exec(printed)?.[1];
  for (let turn = 0; turn < SETTLE_TURNS && value() === undefined; turn++)
    await new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
  return value();
}

export async function readTable() {
  return JSON.parse(await readFile(TABLE_FILE, "utf8"));
}

async function writeTable() {
  const table = await readTable();
  const xs = await findXs();
  const engines = {
    ...(process.env.ESPRUINO && { espruino: { kind: "espruino", path: process.env.ESPRUINO } }),
    ...(xs.path && { xs }),
  };
  const waiting = [...table.cases];
  let changed = 0;
  const work = async () => {
    for (let one = waiting.shift(); one !== undefined; one = waiting.shift()) {
      for (const [name, engine] of Object.entries(engines)) {
        const verdict = await runSnippet(engine, one);
        if (verdict === one[name]) continue;
        changed++;
        process.stdout.write(`${one.name} on ${name}: ${verdict} (was ${one[name]})\n`);
        one[name] = verdict;
      }
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  const rows = table.cases.map((one) => `  ${JSON.stringify(one)}`).join(",\n");
  await writeFile(TABLE_FILE, `{\n "about": ${JSON.stringify(table.about)},\n "cases": [\n${rows}\n ]\n}\n`);
  process.stdout.write(
    `${table.cases.length} snippets on ${Object.keys(engines).join(", ")}: ${changed} verdicts changed\n`,
  );
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) await writeTable();
