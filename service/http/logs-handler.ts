import type { StoredEntry } from "../../protocol/entry.ts";
import { LIMIT_MAX } from "../../protocol/methods.ts";
import { type EntryFilter, passes } from "../live/entry-filter.ts";
import { goliothData } from "../live/live-message.ts";
import { type LogStore, StoreUnavailable } from "../store/log-store.ts";
import {
  GoliothError,
  goliothErrorAnswer,
  type HttpAnswer,
  type HttpRequest,
  TYPE_JSON,
} from "./exchange.ts";
import { admitReader, filterOf, type Gate, refusedAnswer } from "./live-request.ts";
import { QueryNames } from "./query-names.ts";

const PER_PAGE_DEFAULT = 100;

/**
 * `GET /v1/projects/{projectId}/logs`, as Golioth has it: newest first, in pages. Looks at the newest 1000 entries (of the device
 * and stream, where given; fewer where they are large) and no further; `total` counts what passes among them. `Log.List` walks everything.
 */
export async function getLogs(
  request: HttpRequest,
  { store, ...gate }: Gate & { readonly store: LogStore },
): Promise<HttpAnswer> {
  const admitted = await admitReader(request, gate, QueryNames.logs);
  if (!admitted.ok) return refusedAnswer(admitted);
  const filter = filterOf(request);
  if (typeof filter === "string") return goliothErrorAnswer(GoliothError.InvalidArgument, filter);
  const window = windowOf(request.query);
  if (typeof window === "string") return goliothErrorAnswer(GoliothError.InvalidArgument, window);
  try {
    const newest = await newestOf(store, admitted.caller.project, filter);
    const list = newest.filter((entry) => passes(entry, filter) && isWithin(entry, window)).reverse();
    const { page, perPage } = window;
    const items = list.slice(page * perPage, (page + 1) * perPage).map(goliothData);
    const body = `{"list":[${items.join(",")}],"page":${page},"perPage":${perPage},"total":${list.length}}`;
    return { httpStatus: 200, type: TYPE_JSON, body };
  } catch (error) {
    if (error instanceof StoreUnavailable) {
      return goliothErrorAnswer(GoliothError.Unavailable, "the store is unavailable");
    }
    throw error;
  }
}

async function newestOf(
  store: LogStore,
  project: string,
  filter: EntryFilter,
): Promise<readonly StoredEntry[]> {
  const { src, stream } = filter;
  const query = { project, limit: LIMIT_MAX, newest: true, ...(stream !== undefined && { stream }) };
  return src === undefined ? await store.listProject(query) : await store.list({ ...query, src });
}

interface Window {
  /** From 0. */
  readonly page: number;
  readonly perPage: number;
  /** UTC ms, inclusive. */
  readonly startMs: number;
  readonly endMs: number;
}

function isWithin(entry: StoredEntry, { startMs, endMs }: Window): boolean {
  return entry.timestamp >= startMs && entry.timestamp <= endMs;
}

function windowOf(query: URLSearchParams): Window | string {
  const page = integerOf(query, "page", 0, 0);
  const perPage = integerOf(query, "perPage", PER_PAGE_DEFAULT, 1);
  if (page === undefined) return "page: must be an integer of 0 or more";
  if (perPage === undefined) return "perPage: must be an integer of 1 or more";
  const startMs = timeOf(query, "start", 0);
  const endMs = timeOf(query, "end", Number.POSITIVE_INFINITY);
  if (startMs === undefined) return "start: must be an RFC 3339 time or ms since the epoch";
  if (endMs === undefined) return "end: must be an RFC 3339 time or ms since the epoch";
  return { page, perPage: Math.min(perPage, LIMIT_MAX), startMs, endMs };
}

function integerOf(
  query: URLSearchParams,
  name: string,
  fallback: number,
  minimum: number,
): number | undefined {
  const text = query.get(name);
  if (text === null) return fallback;
  return /^\d{1,9}$/.test(text) && Number(text) >= minimum ? Number(text) : undefined;
}

function timeOf(query: URLSearchParams, name: string, fallback: number): number | undefined {
  const text = query.get(name);
  if (text === null) return fallback;
  if (/^\d{1,16}$/.test(text)) return Number(text);
  const ms = /^\d{4}-\d\d-\d\d/.test(text) ? Date.parse(text) : Number.NaN;
  return Number.isNaN(ms) ? undefined : ms;
}
