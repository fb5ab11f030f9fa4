import { makeFormat } from "./entry-format.ts";
import { writeOut } from "./output.ts";
import { type ReadOptions, readingOf, unknownSources } from "./read-options.ts";
import { styleOf } from "./style.ts";
import { UserError } from "./user-error.ts";
import { readNewest, walkForward } from "./walk-entries.ts";

export interface ListOptions extends ReadOptions {
  readonly limit?: number;
  readonly last?: number;
}

/** `boardlog list SRC...`: pages through the log of sources, oldest first. */
export async function runList(sources: readonly string[], options: ListOptions): Promise<void> {
  const reading = readingOf(sources, options, Date.now());
  const format = makeFormat(options, styleOf(process.stdout, options.color), reading.pattern);
  let left = options.limit ?? Number.POSITIVE_INFINITY;
  let count = 0;
  const pages = options.last === undefined ? walkForward(reading) : [await readNewest(reading, options.last)];
  for await (const { entries } of pages) {
    const shown = entries.slice(0, left);
    left -= shown.length;
    count += shown.length;
    const isOpen = await writeOut(shown.map((entry) => `${format(entry)}\n`).join(""));
    if (!isOpen || left <= 0) return;
  }
  if (count > 0) return;
  const problem = await unknownSources(reading.client, sources);
  if (problem !== undefined) throw new UserError(problem, 1);
}
