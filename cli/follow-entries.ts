import { setTimeout as pause } from "node:timers/promises";
import { LIMIT_MAX } from "../protocol/methods.ts";
import { type ReadEntry, type ReadPage, ServiceAway } from "./api-client.ts";
import type { Reading } from "./read-options.ts";

const RECONNECT_MS_MIN = 250;
const RECONNECT_MS_MAX = 5_000;

/** Takes entries in their order. False: enough. */
export type ShowEntries = (entries: readonly ReadEntry[]) => Promise<boolean>;

/**
 * Follows the log after an id, or from its beginning, across a service that goes away and comes back, without gap or repeat; until
 * the signal, or until there is enough.
 * @throws UserError for a wrong key and the like
 */
export async function followEntries(
  { client, request, passes }: Reading,
  start: string | undefined,
  show: ShowEntries,
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
      // The loop looks at the signal itself.
      await pause(waitMs, undefined, { signal }).catch(() => {});
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
