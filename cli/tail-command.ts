import { LIMIT_MAX } from "../protocol/methods.ts";
import { type ReadEntry, type ReadPage, ServiceAway } from "./api-client.ts";
import { makeFormat } from "./entry-format.ts";
import { writeOut } from "./output.ts";
import { type Reading, type ReadOptions, readingOf, unknownSources } from "./read-options.ts";
import { stopSignal } from "./stop-signal.ts";
import { styleOf } from "./style.ts";
import { readNewest, walkForward } from "./walk-entries.ts";

export interface TailOptions extends ReadOptions {
  readonly last?: number;
}

const LAST_DEFAULT = 10;
const RECONNECT_MS_MIN = 250;
const RECONNECT_MS_MAX = 5_000;
/** Longest that a timer of Node waits. */
const TIMER_MS_MAX = 2 ** 31 - 1;

type Show = (entries: readonly ReadEntry[]) => Promise<boolean>;

/**
 * `boardlog tail [SRC...]`: follows the log. Each entry is asked for by the id before it, so that a lost connection or a service
 * started again is taken up where it broke, without gap or repeat.
 */
export async function runTail(sources: readonly string[], options: TailOptions): Promise<void> {
  const reading = readingOf(sources, options, Date.now());
  const format = makeFormat(options, styleOf(process.stdout, options.color), reading.pattern);
  const signal = endSignal(reading.request.until);
  const show: Show = (entries) => writeOut(entries.map((entry) => `${format(entry)}\n`).join(""));
  const problem = await unknownSources(reading.client, sources);
  if (problem !== undefined) process.stderr.write(`boardlog: ${problem} Waiting for it to log.\n`);
  const start = await showHistory(reading, options, show);
  if (start.isOpen) await follow(reading, start.after, show, signal);
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
  show: Show,
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

async function follow(
  { client, request, passes }: Reading,
  start: string | undefined,
  show: Show,
  signal: AbortSignal,
): Promise<void> {
  let after = start;
  let waitMs = RECONNECT_MS_MIN;
  let isAway = false;
  while (!signal.aborted) {
    let page: ReadPage;
    try {
      page = await client.read(
        {
          ...request,
          order: "ascending",
          // After a failure the first answer comes at once, whether there is news or not: it shows that the service is back.
          follow: !isAway,
          limit: LIMIT_MAX,
          ...(after !== undefined && { after }),
        },
        signal,
      );
    } catch (error) {
      if (signal.aborted) return;
      if (!(error instanceof ServiceAway)) throw error;
      if (!isAway) {
        process.stderr.write(
          `boardlog: the log service at ${client.api.url} is away (${error.reason}); going on when it is back, Ctrl-C ends\n`,
        );
      }
      isAway = true;
      await sleep(waitMs, signal);
      waitMs = Math.min(waitMs * 2, RECONNECT_MS_MAX);
      continue;
    }
    if (isAway) process.stderr.write("boardlog: the log service is back\n");
    isAway = false;
    waitMs = RECONNECT_MS_MIN;
    after = page.after ?? after;
    if (!(await show(page.entries.filter(passes)))) return;
  }
}

function sleep(delayMs: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      signal.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, delayMs);
    signal.addEventListener("abort", done);
  });
}
