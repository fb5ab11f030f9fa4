import { LIMIT_MAX } from "../protocol/methods.ts";
import type { ReadEntry } from "./api-client.ts";
import type { Reading } from "./read-options.ts";

/** The newest `count` entries that pass, ascending, and the id after which what comes later begins. */
export async function readNewest(
  { client, request, passes }: Reading,
  count: number,
): Promise<{ readonly entries: readonly ReadEntry[]; readonly after: string | undefined }> {
  const { after: stopAt, ...filters } = request;
  let entries: ReadEntry[] = [];
  let before: string | undefined;
  let after: string | undefined;
  for (let isFirst = true; ; isFirst = false) {
    const missing = count - entries.length;
    const limit = Math.min(LIMIT_MAX, Math.max(1, missing));
    const page = await client.read({ ...filters, limit, ...(before !== undefined && { before }) });
    if (isFirst) after = page.after;
    const fresh = page.entries.filter((entry) => stopAt === undefined || entry.id > stopAt);
    entries = [...fresh.filter(passes), ...entries];
    before = page.before;
    const isPast = stopAt !== undefined && before !== undefined && before <= stopAt;
    if (page.end || isPast || entries.length >= count) break;
  }
  return { entries: count === 0 ? [] : entries.slice(-count), after: after ?? stopAt };
}

/** What passes of one page, and the id to go on from. */
export interface WalkPage {
  readonly entries: readonly ReadEntry[];
  readonly after: string | undefined;
}

/** Pages forward, oldest first, up to the end as it is when it gets there. @throws what the signal was aborted with */
export async function* walkForward(reading: Reading, signal?: AbortSignal): AsyncGenerator<WalkPage> {
  const { client, request, passes } = reading;
  let { after } = request;
  for (;;) {
    const page = await client.read(
      { ...request, order: "ascending", limit: LIMIT_MAX, ...(after !== undefined && { after }) },
      signal,
    );
    signal?.throwIfAborted();
    after = page.after ?? after;
    yield { entries: page.entries.filter(passes), after };
    if (page.end) return;
  }
}
