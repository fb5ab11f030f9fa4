import type { StoredEntry } from "../../protocol/entry.ts";
import { LEVEL_RANK, LEVELS } from "../../protocol/level.ts";
import { LIMIT_MAX } from "../../protocol/methods.ts";
import { isWanted, type WalkQuery } from "../entry-walk.ts";
import type { LogStore } from "../store/log-store.ts";
import { orStoreError, type ReadDependencies } from "./entries-handler.ts";
import {
  GoliothError,
  goliothErrorAnswer,
  type HttpAnswer,
  type HttpRequest,
  jsonAnswer,
} from "./exchange.ts";
import { admitReader } from "./live-request.ts";
import { readQueryOf } from "./read-query.ts";

const BUCKETS_DEFAULT = 60;
const BUCKETS_MAX = 500;
const SPAN_MS_DEFAULT = 3_600_000;
/** Entries that one request looks at, at most: some 100 ms of work. */
const SCANNED_MAX = 20_000;
/** Of a page that lies this far below `since` as a whole, nothing older is looked at. */
const SINCE_SLACK_MS = 3_600_000;

/** Counts in each bucket: without a level, debug, info, warn, error. */
type Counts = number[][];

/**
 * `GET /v1/projects/{projectId}/rates?since&until&buckets` (docs/protocol.md 10.8) and the filters of `.../entries`: how many entries of which level
 * in each of equal spans of time (the last hour in 60 by default), of each source, over the whole range. With `module` or `term`
 * it looks at the newest 20,000 entries and no further; `complete` says whether that was enough, and `from` from when on the
 * counts hold.
 */
export async function getRates(request: HttpRequest, dependencies: ReadDependencies): Promise<HttpAnswer> {
  const { store, clock } = dependencies;
  const admitted = await admitReader(request, dependencies);
  if (!admitted.ok) return goliothErrorAnswer(admitted.error, admitted.message);
  const asked = readQueryOf(request, admitted.caller.project);
  if (typeof asked === "string") return goliothErrorAnswer(GoliothError.InvalidArgument, asked);
  const bucketsText = request.query.get("buckets") ?? String(BUCKETS_DEFAULT);
  const buckets = /^\d{1,3}$/.test(bucketsText) ? Number(bucketsText) : 0;
  if (buckets < 1 || buckets > BUCKETS_MAX) {
    return goliothErrorAnswer(GoliothError.InvalidArgument, `buckets: must be 1 to ${BUCKETS_MAX}`);
  }
  const until = Number.isFinite(asked.untilMs) ? asked.untilMs : clock.wallMs();
  const since = asked.sinceMs > 0 ? asked.sinceMs : until - SPAN_MS_DEFAULT;
  if (since >= until) return goliothErrorAnswer(GoliothError.InvalidArgument, "since: must be before until");
  const query = { ...asked, sinceMs: since, untilMs: until };
  const stepMs = (until - since) / buckets;
  const { project } = admitted.caller;
  // The store counts by level and time alone; a text or a module has to be looked for.
  const { module, term } = query.filter;
  if (module === undefined && term === undefined) {
    return orStoreError(async () => {
      const sources = await countedBy(store, query, buckets);
      return jsonAnswer(200, { since, until, from: since, complete: true, sources });
    });
  }
  return orStoreError(async () => {
    const bySource = new Map<string, Counts>();
    let before: string | undefined;
    let from = since;
    let isComplete = false;
    for (let scanned = 0; scanned < SCANNED_MAX; scanned += LIMIT_MAX) {
      const { src, stream } = query.filter;
      const range = {
        project,
        limit: LIMIT_MAX,
        newest: true,
        ...(before !== undefined && { before }),
        ...(stream !== undefined && { stream }),
      };
      const page: readonly StoredEntry[] =
        src === undefined ? await store.listProject(range) : await store.list({ ...range, src });
      for (const entry of page) {
        if (!isWanted(entry, query)) continue;
        const counts = bySource.get(entry.src) ?? emptyCounts(buckets);
        bySource.set(entry.src, counts);
        const row = counts[Math.floor((entry.timestamp - since) / stepMs)];
        const rank = entry.level === undefined ? 0 : LEVEL_RANK[entry.level];
        if (row !== undefined) row[rank] = (row[rank] ?? 0) + 1;
      }
      before = page[0]?.id;
      from = page[0]?.timestamp ?? from;
      isComplete = page.length < LIMIT_MAX || page.every(({ received }) => received < since - SINCE_SLACK_MS);
      if (isComplete) break;
    }
    const sources = [...bySource].map(([src, counts]) => ({ src, counts }));
    return jsonAnswer(200, {
      since,
      until,
      from: isComplete ? since : Math.max(from, since),
      complete: isComplete,
      sources,
    });
  });
}

/** Over the whole range, from the store's own counts. */
async function countedBy(store: LogStore, query: WalkQuery, bucketCount: number): Promise<object[]> {
  const { project, filter, sources, sinceMs, untilMs } = query;
  const { src, stream, level } = filter;
  const rates = await store.rates({
    project,
    sinceMs,
    untilMs,
    bucketCount,
    ...(src !== undefined && { src }),
    ...(stream !== undefined && { stream }),
  });
  const rankMin = level === undefined ? 0 : LEVEL_RANK[level];
  return rates
    .filter((rate) => sources === undefined || sources.has(rate.src))
    .map((rate) => ({
      src: rate.src,
      counts: rate.counts.map((row) => row.map((count, rank) => (rank < rankMin ? 0 : count))),
    }))
    .filter(({ counts }) => counts.some((row) => row.some((count) => count > 0)));
}

function emptyCounts(buckets: number): Counts {
  return Array.from({ length: buckets }, () => new Array<number>(LEVELS.length + 1).fill(0));
}
