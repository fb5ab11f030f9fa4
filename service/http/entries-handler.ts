import type { Clock, Timers } from "../../host/clock.ts";
import { entryText } from "../../protocol/answer.ts";
import type { StoredEntry } from "../../protocol/entry.ts";
import { EXTRA_FIELDS, LIMIT_MAX } from "../../protocol/methods.ts";
import { FOLLOW_MS_MAX } from "../log-reader.ts";
import { type LogStore, StoreUnavailable, UnknownToken } from "../store/log-store.ts";
import {
  GoliothError,
  goliothErrorAnswer,
  type HttpAnswer,
  type HttpRequest,
  jsonAnswer,
  TYPE_JSON,
} from "./exchange.ts";
import { admitReader, type Gate } from "./live-request.ts";
import { isWanted, type ReadQuery, readQueryOf } from "./read-query.ts";

export interface ReadDependencies extends Gate {
  readonly store: LogStore;
  readonly clock: Clock;
  readonly timers: Timers;
}

/** Entries that one request looks at, at most: a filter that nothing passes answers soon, with where to go on. */
const SCANNED_MAX = 10_000;
/** Boards whose gateway's clock was off are still found: walking back ends only this far below `since`. */
const SINCE_SLACK_MS = 3_600_000;

/** What a walk found, ascending. */
interface Walk {
  readonly entries: StoredEntry[];
  /** Lowest and highest id looked at, whether it passed or not. */
  lowest: string | undefined;
  highest: string | undefined;
  /** Nothing lies beyond in this direction. */
  isEnd: boolean;
}

/**
 * `GET /v1/projects/{projectId}/entries` (docs/protocol.md 10.5): the log in both directions, with filters. Answers
 * `{"entries":[...],"before":id,"after":id,"end":boolean}`: what passes, ascending by id, and the ids to go on from, back with
 * `before`, forward with `after`. `end` says that nothing lies beyond. With `follow=true` it waits, 30 s at most, until an entry
 * passes. A page may be empty and not the end, where nothing of what was looked at passes.
 */
export async function getEntries(request: HttpRequest, dependencies: ReadDependencies): Promise<HttpAnswer> {
  const admitted = await admitReader(request, dependencies);
  if (!admitted.ok) return goliothErrorAnswer(admitted.error, admitted.message);
  const { project } = admitted.caller;
  const query = readQueryOf(request);
  if (typeof query === "string") return goliothErrorAnswer(GoliothError.InvalidArgument, query);
  return orStoreError(async () => {
    const { store } = dependencies;
    if (!query.isAscending) return walkAnswer(await walkBack(store, project, query));
    if (!query.follow) return walkAnswer(await walkOn(store, project, query, query.after));
    return walkAnswer(await follow(dependencies, project, query, request.ended));
  });
}

/** `GET /v1/projects/{projectId}/sources` (docs/protocol.md 10.6): who has logged, with the received time of the last entry and how many there are. */
export async function getSources(request: HttpRequest, dependencies: ReadDependencies): Promise<HttpAnswer> {
  const admitted = await admitReader(request, dependencies);
  if (!admitted.ok) return goliothErrorAnswer(admitted.error, admitted.message);
  return orStoreError(async () =>
    jsonAnswer(200, { sources: await dependencies.store.sources(admitted.caller.project) }),
  );
}

/** The answer, or what to say where the store refuses. */
export async function orStoreError(answer: () => Promise<HttpAnswer>): Promise<HttpAnswer> {
  try {
    return await answer();
  } catch (error) {
    if (error instanceof UnknownToken) return goliothErrorAnswer(GoliothError.InvalidArgument, error.message);
    if (!(error instanceof StoreUnavailable)) throw error;
    return goliothErrorAnswer(GoliothError.Unavailable, "the store is unavailable");
  }
}

async function walkBack(store: LogStore, project: string, query: ReadQuery): Promise<Walk> {
  const walk: Walk = { entries: [], lowest: query.before, highest: undefined, isEnd: false };
  const found: StoredEntry[][] = [];
  let foundCount = 0;
  for (let scanned = 0; scanned < SCANNED_MAX && foundCount < query.limit; ) {
    const before = walk.lowest;
    const limit = pageLimit(query);
    const page = await pageOf(store, project, query, {
      limit,
      newest: true,
      ...(before !== undefined && { before }),
    });
    walk.highest ??= page.at(-1)?.id;
    scanned += page.length;
    const wanted = page.filter((entry) => isWanted(entry, query)).slice(foundCount - query.limit);
    found.unshift(wanted);
    foundCount += wanted.length;
    // Where the limit cuts a page, the next one begins below what was given.
    walk.lowest = foundCount >= query.limit ? wanted[0]?.id : (page[0]?.id ?? before);
    const isPast = page.every(({ received }) => received < query.sinceMs - SINCE_SLACK_MS);
    if (foundCount < query.limit && (page.length < limit || isPast)) {
      walk.isEnd = true;
      break;
    }
  }
  walk.entries.push(...found.flat());
  return walk;
}

async function walkOn(
  store: LogStore,
  project: string,
  query: ReadQuery,
  start: string | undefined,
): Promise<Walk> {
  const walk: Walk = { entries: [], lowest: undefined, highest: start, isEnd: false };
  for (let scanned = 0; scanned < SCANNED_MAX && walk.entries.length < query.limit; ) {
    const after = walk.highest;
    const limit = pageLimit(query);
    const page = await pageOf(store, project, query, { limit, ...(after !== undefined && { after }) });
    walk.lowest ??= page[0]?.id;
    scanned += page.length;
    const room = query.limit - walk.entries.length;
    const wanted = page.filter((entry) => isWanted(entry, query));
    walk.entries.push(...wanted.slice(0, room));
    walk.highest = wanted.length > room ? walk.entries.at(-1)?.id : (page.at(-1)?.id ?? after);
    if (wanted.length <= room && page.length < limit) {
      walk.isEnd = true;
      break;
    }
  }
  return walk;
}

/** Listens before it looks, so that what comes in between is not missed. */
async function follow(
  { store, clock, timers }: ReadDependencies,
  project: string,
  query: ReadQuery,
  ended: AbortSignal,
): Promise<Walk> {
  const untilMs = clock.monotonicMs() + FOLLOW_MS_MAX;
  let wake = (): void => {};
  const onEnded = (): void => wake();
  const unsubscribe = store.subscribe(project, () => wake());
  ended.addEventListener("abort", onEnded);
  const timer = timers.after(FOLLOW_MS_MAX, onEnded);
  try {
    let after = query.after;
    for (;;) {
      const news = new Promise<void>((resolve) => {
        wake = resolve;
      });
      const walk = await walkOn(store, project, query, after);
      if (walk.entries.length > 0 || !walk.isEnd || ended.aborted || clock.monotonicMs() >= untilMs) {
        return walk;
      }
      after = walk.highest;
      await news;
    }
  } finally {
    timer.cancel();
    ended.removeEventListener("abort", onEnded);
    unsubscribe();
  }
}

/** Entries of a page of the store: no more than wanted where everything passes. */
function pageLimit({ filter, sources, term, sinceMs, untilMs, limit }: ReadQuery): number {
  const { level, module } = filter;
  const isUnfiltered =
    level === undefined &&
    module === undefined &&
    sources === undefined &&
    term === "" &&
    sinceMs === 0 &&
    untilMs === Number.POSITIVE_INFINITY;
  return isUnfiltered ? limit : LIMIT_MAX;
}

function pageOf(
  store: LogStore,
  project: string,
  { filter }: ReadQuery,
  range: {
    readonly limit: number;
    readonly after?: string;
    readonly before?: string;
    readonly newest?: boolean;
  },
): Promise<readonly StoredEntry[]> {
  const { src, stream } = filter;
  const query = { project, ...range, ...(stream !== undefined && { stream }) };
  return src === undefined ? store.listProject(query) : store.list({ ...query, src });
}

function walkAnswer({ entries, lowest, highest, isEnd }: Walk): HttpAnswer {
  const rest = JSON.stringify({ before: lowest ?? null, after: highest ?? null, end: isEnd });
  const texts = entries.map((entry) => entryText(entry, EXTRA_FIELDS)).join(",");
  return { httpStatus: 200, type: TYPE_JSON, body: `{"entries":[${texts}],${rest.slice(1)}` };
}
