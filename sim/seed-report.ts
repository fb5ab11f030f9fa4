import { CHECKERS } from "./checkers/all-checkers.ts";
import type { SimEvent } from "./event-log.ts";
import type { SeedResult } from "./seed-run.ts";
import type { Shrunk } from "./shrink.ts";

/** Events shown of a failed run: the last ones that have to do with it. */
const TRACE_MAX = 40;

export function promiseOf(invariant: number): string {
  if (invariant === 0) return "no process dies of a mistake of its own";
  if (invariant === 20) return "the same seed gives the same event hash";
  return CHECKERS.find((checker) => checker.invariant === invariant)?.promise ?? "";
}

/** What a person needs to see of a failed seed: what broke, the way there, and how to see it again. */
export function failureReport(first: SeedResult, shrunk: Shrunk): string {
  const { result, boardsMax, faultyMs, runCount } = shrunk;
  const names = result.plan.names;
  const replay = [
    `boardlog sim --seed ${first.seed}`,
    `--faults ${names.length === 0 ? "none" : names.join(",")}`,
    `--boards ${boardsMax}`,
    `--virtual-seconds ${faultyMs / 1000}`,
    "--trace",
  ].join(" ");
  return [
    `seed ${first.seed} broke ${new Set(result.violations.map(({ invariant }) => invariant)).size === 1 ? "a promise" : "promises"}:`,
    ...brokenPromises(result.violations),
    `  drawn:  ${first.plan}`,
    `  needed: ${result.plan}, ${faultyMs / 1000} s (${runCount} runs to find out)`,
    ...trace(result),
    `  again:  ${replay}`,
    "",
  ].join("\n");
}

/** Each promise once, with the ways it was broken. */
function brokenPromises(violations: SeedResult["violations"]): string[] {
  const lines: string[] = [];
  let last: number | undefined;
  for (const { invariant, text } of violations) {
    if (invariant !== last) lines.push(`  ${invariant}. ${promiseOf(invariant)}`);
    last = invariant;
    lines.push(`     ${text}`);
  }
  return lines;
}

/** The end of the way there: what befell the entries that the failure names, and what befell the processes. */
function trace({ events, violations }: SeedResult): string[] {
  const entries = new Set<string>();
  const words = new Set<string>();
  for (const { text } of violations) {
    for (const [, boot, seq] of text.matchAll(/(\S+) seq (\d+)/g)) entries.add(`${boot} ${seq}`);
    for (const word of text.split(/[^\w/.-]+/)) if (word.length > 3) words.add(word.replace(/:$/, ""));
  }
  const isNamed = (what: string): boolean =>
    entries.size > 0
      ? [...entries].some((entry) => ` ${what} `.includes(` ${entry} `))
      : [...words].some((word) => what.includes(word));
  const matters = events.filter(({ who, what }) => who === "fault" || !isRoutine(what) || isNamed(what));
  const shown = matters.slice(-TRACE_MAX);
  const left = matters.length - shown.length;
  return [...(left > 0 ? [`  ... ${left} events before`] : []), ...shown.map(eventLine)];
}

/** What happens all the time; the rest befalls a process or a board as a whole. */
function isRoutine(what: string): boolean {
  return /^(logs|has|acks) /.test(what);
}

export function eventLine({ atMs, who, what }: SimEvent): string {
  return `  ${(atMs / 1000).toFixed(4).padStart(9)} s  ${who.padEnd(8)} ${what}`;
}
