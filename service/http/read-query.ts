import { LIMIT_DEFAULT, LIMIT_MAX } from "../../protocol/methods.ts";
import type { WalkQuery } from "../entry-walk.ts";
import type { EntryFilter } from "../live/entry-filter.ts";
import type { HttpRequest } from "./exchange.ts";
import { filterOf } from "./live-request.ts";

/** What a reader of `.../entries` asks for. */
export interface ReadQuery extends WalkQuery {
  readonly isAscending: boolean;
  /** Wait until there is something after `after`. */
  readonly follow: boolean;
}

const SOURCES_MAX = 100;

/** Reads the query, or says what is wrong with it, naming the argument. */
export function readQueryOf(request: HttpRequest, project: string): ReadQuery | string {
  const { query } = request;
  const filter = filterOf(request);
  if (typeof filter === "string") return filter;
  const named = query.getAll("src");
  if (named.length > SOURCES_MAX) return `src: at most ${SOURCES_MAX} of them`;
  const sinceMs = timeOf(query, "since", 0);
  const untilMs = timeOf(query, "until", Number.POSITIVE_INFINITY);
  if (sinceMs === undefined) return "since: must be an RFC 3339 time or ms since the epoch";
  if (untilMs === undefined) return "until: must be an RFC 3339 time or ms since the epoch";
  const limitText = query.get("limit");
  if (limitText !== null && !/^[1-9]\d{0,8}$/.test(limitText))
    return "limit: must be an integer of 1 or more";
  const order = query.get("order") ?? (query.has("after") ? "ascending" : "descending");
  if (order !== "ascending" && order !== "descending") return "order: must be ascending or descending";
  const after = query.get("after") ?? undefined;
  const before = query.get("before") ?? undefined;
  if (order === "descending" && after !== undefined) return "after: walks forward; descending takes before";
  if (order === "ascending" && before !== undefined) return "before: walks back; ascending takes after";
  const follow = query.get("follow");
  if (follow !== null && follow !== "true" && follow !== "false") return "follow: must be true or false";
  if (follow === "true" && order !== "ascending") return "follow: only in ascending order";
  return {
    project,
    filter: named.length > 1 ? withoutSource(filter) : filter,
    sources: named.length > 1 ? new Set(named) : undefined,
    sinceMs,
    untilMs,
    after,
    before,
    isAscending: order === "ascending",
    limit: Math.min(Number(limitText ?? LIMIT_DEFAULT), LIMIT_MAX),
    follow: follow === "true",
  };
}

function withoutSource({ src: _first, ...others }: EntryFilter): EntryFilter {
  return others;
}

/** RFC 3339 or ms since the epoch. */
export function parseTime(text: string): number | undefined {
  if (/^\d{1,16}$/.test(text)) return Number(text);
  const ms = /^\d{4}-\d\d-\d\d/.test(text) ? Date.parse(text) : Number.NaN;
  return Number.isNaN(ms) ? undefined : ms;
}

function timeOf(query: URLSearchParams, name: string, fallback: number): number | undefined {
  const text = query.get(name);
  return text === null ? fallback : parseTime(text);
}
