import { makeFormat } from "./entry-format.ts";
import { followEntries, type ShowEntries } from "./follow-entries.ts";
import { writeOut } from "./output.ts";
import { type Reading, type ReadOptions, readingOf, unknownSources } from "./read-options.ts";
import { stopSignal } from "./stop-signal.ts";
import { styleOf } from "./style.ts";
import { readNewest, walkForward } from "./walk-entries.ts";

export interface TailOptions extends ReadOptions {
  readonly last?: number;
}

const LAST_DEFAULT = 10;
/** Longest that a timer of Node waits. */
const TIMER_MS_MAX = 2 ** 31 - 1;

/**
 * `boardlog tail [SRC...]`: follows the log. Each entry is asked for by the id before it, so that a lost connection or a service
 * started again is taken up where it broke, without gap or repeat.
 */
export async function runTail(sources: readonly string[], options: TailOptions): Promise<void> {
  const reading = readingOf(sources, options, Date.now());
  const format = makeFormat(options, styleOf(process.stdout, options.color), reading.pattern);
  const signal = endSignal(reading.request.until);
  const show: ShowEntries = (entries) => writeOut(entries.map((entry) => `${format(entry)}\n`).join(""));
  const problem = await unknownSources(reading.client, sources);
  if (problem !== undefined) process.stderr.write(`boardlog: ${problem} Waiting for it to log.\n`);
  const start = await showHistory(reading, options, show);
  if (start.isOpen) await followEntries(reading, start.after, show, signal);
}

/** Aborts at a signal, or at a time (UTC ms). */
function endSignal(untilMs: number | undefined): AbortSignal {
  const { signal } = stopSignal();
  const waitMs = untilMs === undefined ? Number.POSITIVE_INFINITY : Math.max(0, untilMs - Date.now());
  return waitMs > TIMER_MS_MAX ? signal : AbortSignal.any([signal, AbortSignal.timeout(waitMs)]);
}

async function showHistory(
  reading: Reading,
  { last, since, after: given }: TailOptions,
  show: ShowEntries,
): Promise<{ readonly isOpen: boolean; readonly after: string | undefined }> {
  if (last === undefined && (since !== undefined || given !== undefined)) {
    let after: string | undefined = given;
    for await (const page of walkForward(reading)) {
      after = page.after;
      if (!(await show(page.entries))) return { isOpen: false, after };
    }
    return { isOpen: true, after };
  }
  const newest = await readNewest(reading, last ?? LAST_DEFAULT);
  return { isOpen: await show(newest.entries), after: newest.after };
}
