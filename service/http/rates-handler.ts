import { LEVEL_RANK, LEVELS } from "../../protocol/level.ts";
import { type WalkQuery, walkBack, walkOn } from "../entry-walk.ts";
import type { LogStore } from "../store/log-store.ts";
import { orStoreError, type ReadDependencies } from "./entries-handler.ts";
import {
  GoliothError,
  goliothErrorAnswer,
  type HttpAnswer,
  type HttpRequest,
  jsonAnswer,
} from "./exchange.ts";
import { admitReader, refusedAnswer } from "./live-request.ts";
import { QueryNames } from "./query-names.ts";
import { type ReadQuery, readQueryOf } from "./read-query.ts";

const BUCKETS_DEFAULT = 60;
const BUCKETS_MAX = 500;
const SPAN_MS_DEFAULT = 3_600_000;

/** Counts in each bucket: without a level, debug, info, warn, error. */
type Counts = number[][];

/**
 * `GET /v1/projects/{projectId}/rates?since&until&buckets` (docs/protocol.md 10.8) and the filters of `.../entries`: how many
 * entries of which level in each of equal spans of time (the last hour in 60 by default), of each source. With `module` or
 * `term` each entry has to be looked at: an answer counts what one walk saw, and says where to go on.
 */
export async function getRates(request: HttpRequest, dependencies: ReadDependencies): Promise<HttpAnswer> {
  const admitted = await admitReader(request, dependencies, QueryNames.rates);
  if (!admitted.ok) return refusedAnswer(admitted);
  const asked = readQueryOf(request, admitted.caller.project);
  if (typeof asked === "string") return goliothErrorAnswer(GoliothError.InvalidArgument, asked);
  const bucketsText = request.query.get("buckets") ?? String(BUCKETS_DEFAULT);
  const buckets = /^\d{1,3}$/.test(bucketsText) ? Number(bucketsText) : 0;
  if (buckets < 1 || buckets > BUCKETS_MAX) {
    return goliothErrorAnswer(GoliothError.InvalidArgument, `buckets: must be 1 to ${BUCKETS_MAX}`);
  }
  const until = Number.isFinite(asked.untilMs) ? asked.untilMs : dependencies.clock.wallMs();
  const since = asked.sinceMs > 0 ? asked.sinceMs : until - SPAN_MS_DEFAULT;
  if (since >= until) return goliothErrorAnswer(GoliothError.InvalidArgument, "since: must be before until");
  const query = { ...asked, sinceMs: since, untilMs: until, limit: Number.POSITIVE_INFINITY };
  // The store counts by level and time alone; a text or a module has to be looked for, as does what came after an id.
  const { module, term } = query.filter;
  const isLookedFor = [module, term, query.after, query.before].some((one) => one !== undefined);
  return orStoreError(async () => {
    const counted = isLookedFor
      ? await countedOf(dependencies, query, buckets)
      : { sources: await countedBy(dependencies.store, query, buckets), from: since, complete: true };
    return jsonAnswer(200, { since, until, ...counted });
  });
}

/** What one walk sees: back from the newest, or on from an id. */
async function countedOf(dependencies: ReadDependencies, query: ReadQuery, buckets: number): Promise<object> {
  const { sinceMs, untilMs, isAscending } = query;
  const walk = isAscending ? await walkOn(dependencies, query) : await walkBack(dependencies, query);
  const bySource = new Map<string, Counts>();
  for (const { src, timestamp, level } of walk.entries) {
    const counts = bySource.get(src) ?? emptyCounts(buckets);
    bySource.set(src, counts);
    const row = counts[Math.floor(((timestamp - sinceMs) / (untilMs - sinceMs)) * buckets)];
    const rank = level === undefined ? 0 : LEVEL_RANK[level];
    if (row !== undefined) row[rank] = (row[rank] ?? 0) + 1;
  }
  return {
    sources: [...bySource].map(([src, counts]) => ({ src, counts })),
    from: walk.isEnd ? sinceMs : Math.max(sinceMs, walk.reachedMs ?? sinceMs),
    complete: walk.isEnd,
    before: walk.lowest ?? null,
    after: walk.highest ?? null,
  };
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
