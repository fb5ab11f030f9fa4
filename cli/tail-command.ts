import { type ApiAddress, tailOnce } from "./api-client.ts";
import { type ApiOptions, findApi } from "./api-options.ts";
import { type EntryFilter, makeFilter } from "./entry-filter.ts";
import { entryLine } from "./entry-line.ts";
import { stopSignal } from "./stop-signal.ts";
import { styleOf } from "./style.ts";

export interface TailOptions extends ApiOptions, EntryFilter {
  readonly project: string;
  readonly after?: string;
  readonly last?: number;
  readonly json?: boolean;
}

const RECONNECT_MS_MIN = 500;
const RECONNECT_MS_MAX = 10_000;

/** `boardlog tail [SRC]`: follows the log; a lost connection is taken up where it broke, without gap or repeat. */
export async function runTail(src: string | undefined, options: TailOptions): Promise<void> {
  const api = findApi(options);
  const passes = makeFilter(options);
  const style = styleOf(process.stdout);
  const { signal } = stopSignal();
  let after = options.after;
  let waitMs = RECONNECT_MS_MIN;
  let isAway = false;
  while (!signal.aborted) {
    const reason = await tailOnce(
      api,
      options.project,
      {
        ...(src !== undefined && { src }),
        ...(after !== undefined ? { after } : { last: options.last ?? 0 }),
      },
      {
        entry: (entry) => {
          after = entry.id;
          if (passes(entry)) process.stdout.write(`${options.json ? entry.json : entryLine(entry, style)}\n`);
        },
        live: (position) => {
          after ??= position;
          waitMs = RECONNECT_MS_MIN;
          if (isAway) process.stderr.write("the live log is back\n");
          isAway = false;
        },
        skipped: (count) => process.stderr.write(`${count} entries skipped: this reader is too slow\n`),
      },
      signal,
    );
    if (signal.aborted) return;
    if (!isAway) sayAway(api, reason);
    isAway = true;
    await sleep(waitMs, signal);
    waitMs = Math.min(waitMs * 2, RECONNECT_MS_MAX);
  }
}

function sayAway(api: ApiAddress, reason: string): void {
  process.stderr.write(
    `no live log from ${api.url} (${reason}); trying again until it is back, Ctrl-C ends\n`,
  );
}

function sleep(delayMs: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, delayMs);
    signal.addEventListener("abort", () => {
      clearTimeout(timer);
      resolve();
    });
  });
}
