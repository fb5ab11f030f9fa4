import { type Loss, STREAM_LOSS } from "../protocol/entry.ts";
import type { ReadEntry } from "./api-client.ts";
import { makeFormat } from "./entry-format.ts";
import { writeOut } from "./output.ts";
import { type ReadOptions, readingOf, unknownSources } from "./read-options.ts";
import { styleOf } from "./style.ts";
import { UserError } from "./user-error.ts";
import { visibleText } from "./visible-text.ts";
import { walkForward } from "./walk-entries.ts";

export interface LossesOptions extends ReadOptions {
  /** Exit status 1 where something is lost. */
  readonly check?: boolean;
}

/** `boardlog losses [SRC...]`: what is missing from the log, where it was lost and why. */
export async function runLosses(sources: readonly string[], options: LossesOptions): Promise<void> {
  const reading = readingOf(sources, { ...options, stream: STREAM_LOSS }, Date.now());
  const style = styleOf(process.stdout, options.color);
  const format = makeFormat(options, style);
  const problem = await unknownSources(reading.client, sources);
  if (problem !== undefined) throw new UserError(problem, 1);
  const sums = new Map<string, { records: number; lines: number }>();
  for await (const { entries } of walkForward(reading)) {
    for (const entry of entries) {
      const sum = sums.get(entry.src) ?? { records: 0, lines: 0 };
      sums.set(entry.src, { records: sum.records + 1, lines: sum.lines + linesOf(entry) });
    }
    if (!(await writeOut(entries.map((entry) => `${format(entry)}\n`).join("")))) return;
  }
  if (!options.json && options.fields === undefined && options.template === undefined) {
    await writeOut(summary(sums, style.bold, style.good));
  }
  if (options.check && sums.size > 0) throw new UserError("lines are missing", 1);
}

function summary(
  sums: ReadonlyMap<string, { readonly records: number; readonly lines: number }>,
  bold: (text: string) => string,
  good: (text: string) => string,
): string {
  if (sums.size === 0) return `${good("nothing is missing")}\n`;
  const rows = [...sums].map(
    ([src, { records, lines }]) =>
      `${bold(visibleText(src))}: ${lines} ${lines === 1 ? "line" : "lines"} missing in ${records} ${records === 1 ? "place" : "places"}`,
  );
  return `\n${rows.join("\n")}\n`;
}

function linesOf({ msg }: ReadEntry): number {
  const loss = JSON.parse(msg) as Partial<Loss> | string;
  return typeof loss === "object" && typeof loss.count === "number" ? loss.count : 0;
}
