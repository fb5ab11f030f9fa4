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
    `seed ${first.seed} broke ${result.violations.length === 1 ? "a promise" : "promises"}:`,
    ...result.violations.map(
      ({ invariant, text }) => `  ${invariant}. ${promiseOf(invariant)}\n     ${text}`,
    ),
    `  drawn:  ${first.plan}`,
    `  needed: ${result.plan} (${runCount} runs to find out)`,
    ...trace(result),
    `  again:  ${replay}`,
    "",
  ].join("\n");
}

/** The end of the way there, of what names a board or boot that the failure names, and of what befell the processes. */
function trace({ events, violations }: SeedResult): string[] {
  const words = new Set(violations.flatMap(({ text }) => text.split(/[^\w-]+/)));
  const matters = events.filter(
    ({ who, what }) =>
      who === "fault" ||
      who === "service" ||
      who === "gateway" ||
      words.has(who) ||
      [...words].some((word) => word.length > 3 && what.includes(word)),
  );
  const shown = matters.slice(-TRACE_MAX);
  const left = matters.length - shown.length;
  return [...(left > 0 ? [`  ... ${left} events before`] : []), ...shown.map(eventLine)];
}

export function eventLine({ atMs, who, what }: SimEvent): string {
  return `  ${(atMs / 1000).toFixed(4).padStart(9)} s  ${who.padEnd(8)} ${what}`;
}
