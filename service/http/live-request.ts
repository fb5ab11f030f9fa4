import type { Decoded } from "../../protocol/decoded.ts";
import { parseLevel } from "../../protocol/level.ts";
import { LIMIT_MAX } from "../../protocol/methods.ts";
import { checkSrc, checkStream } from "../../protocol/names.ts";
import { type Caller, callerOf, type KeyRing, mayDo } from "../auth/caller.ts";
import { NO_GOOD_KEY, NO_GOOD_KEY_SOCKET, shownKey } from "../auth/credentials.ts";
import type { EntryFilter } from "../live/entry-filter.ts";
import type { LiveStart } from "../live/live-reader.ts";
import { type RateLimiter, slowDownText } from "../rate-limiter.ts";
import { type LogStore, StoreUnavailable, UnknownToken } from "../store/log-store.ts";
import { parseTerm } from "../term.ts";
import {
  type GoliothError,
  goliothErrorAnswer,
  type HttpAnswer,
  type HttpRequest,
  GoliothError as Refusals,
} from "./exchange.ts";
import { QueryNames, wrongName } from "./query-names.ts";

/** Who may come in, and how often. */
export interface Gate {
  readonly keys: KeyRing;
  readonly limiter: RateLimiter;
}

export interface LiveRequest {
  readonly caller: Caller;
  readonly project: string;
  readonly filter: EntryFilter;
  readonly start: LiveStart;
}

export type LiveAdmission =
  | { readonly ok: true; readonly request: LiveRequest }
  | {
      readonly ok: false;
      readonly error: GoliothError;
      readonly message: string;
      /** Present where the caller has to slow down. */
      readonly retryAfterMs?: number;
    };

/** Decides before the upgrade who may read what, from where (docs/protocol.md 11.1, 11.3). */
export async function admitLive(
  request: HttpRequest,
  { keys, limiter, store }: Gate & { readonly store: LogStore },
): Promise<LiveAdmission> {
  const names = request.params.deviceId === undefined ? QueryNames.live : QueryNames.liveOfDevice;
  const admitted = await admitReader(request, { keys, limiter }, names, request.query);
  if (!admitted.ok) return admitted;
  const { caller } = admitted;
  const { project } = caller;
  const filter = filterOf(request);
  if (typeof filter === "string") return refused(Refusals.InvalidArgument, filter);
  const start = startOf(request);
  if (typeof start === "string") return refused(Refusals.InvalidArgument, start);
  try {
    // A wrong token is told as HTTP, where a client can read it.
    if (start.after !== undefined) await store.listProject({ project, after: start.after, limit: 1 });
  } catch (error) {
    if (error instanceof UnknownToken) return refused(Refusals.InvalidArgument, error.message);
    if (error instanceof StoreUnavailable) return refused(Refusals.Unavailable, "the store is unavailable");
    throw error;
  }
  return { ok: true, request: { caller, project, filter, start } };
}

/**
 * A caller who may read the project that the path names, and asks for it by names that there are.
 * @param queryForKey where a key may stand in the query.
 */
export async function admitReader(
  request: HttpRequest,
  { keys, limiter }: Gate,
  names: readonly string[],
  queryForKey?: URLSearchParams,
): Promise<{ readonly ok: true; readonly caller: Caller } | Extract<LiveAdmission, { ok: false }>> {
  const caller = await callerOf(shownKey(request.headers, queryForKey), keys);
  if (caller === undefined) {
    return refused(Refusals.Unauthenticated, queryForKey === undefined ? NO_GOOD_KEY : NO_GOOD_KEY_SOCKET);
  }
  if (caller.project !== request.params.projectId) {
    return refused(Refusals.PermissionDenied, "this key is not for this project");
  }
  if (!mayDo(caller, "read")) return refused(Refusals.PermissionDenied, "this key has no right to read");
  const waitMs = limiter.take(caller, 1);
  if (waitMs > 0)
    return { ...refused(Refusals.ResourceExhausted, slowDownText(waitMs)), retryAfterMs: waitMs };
  const wrong = wrongName(request.query, names);
  if (wrong !== undefined) return refused(Refusals.InvalidArgument, wrong);
  return { ok: true, caller };
}

/** The filter of a path and query, or what is wrong with it. */
export function filterOf({ params, query }: HttpRequest): EntryFilter | string {
  if (query.has("src") && query.has("deviceId")) return "deviceId: the same as src; give one of them";
  const src = params.deviceId ?? query.get("src") ?? query.get("deviceId") ?? undefined;
  const stream = query.get("stream") ?? undefined;
  const module = query.get("module") ?? undefined;
  const levelText = query.get("level") ?? undefined;
  const checked =
    (src !== undefined && problemOf(checkSrc(src, params.deviceId === undefined ? "src" : "deviceId"))) ||
    (stream !== undefined && problemOf(checkStream(stream))) ||
    (module !== undefined && problemOf(checkStream(module, "module")));
  if (checked) return checked;
  const termText = query.get("term") ?? "";
  const term = termText === "" ? undefined : parseTerm(termText);
  if (term?.ok === false) return term.problem.text;
  // Golioth's NONE is below every level: everything passes.
  const isAll = levelText === undefined || levelText.toLowerCase() === "none";
  const level = isAll ? undefined : parseLevel(levelText);
  if (!isAll && level === undefined) return "level: must be debug, info, warn or error";
  const filter: { -readonly [K in keyof EntryFilter]: EntryFilter[K] } = {};
  if (src !== undefined) filter.src = src;
  if (stream !== undefined) filter.stream = stream;
  if (module !== undefined) filter.module = module;
  if (level !== undefined) filter.level = level;
  if (term?.ok) filter.term = term.value;
  return filter;
}

function problemOf(checked: Decoded<unknown>): string | undefined {
  return checked.ok ? undefined : checked.problem.text;
}

function startOf({ query, headers }: HttpRequest): LiveStart | string {
  // A reader of events that comes back says where it was, whatever its URL still says.
  const lastEventId = headers["last-event-id"];
  if (typeof lastEventId === "string" && lastEventId !== "") return { after: lastEventId };
  const after = query.get("after");
  const lastText = query.get("last");
  if (after !== null && lastText !== null) return "last: not together with after";
  if (after !== null) return { after };
  if (lastText === null) return {};
  const last = Number(lastText);
  if (!/^\d{1,9}$/.test(lastText) || last < 1) return "last: must be an integer of 1 or more";
  return { last: Math.min(last, LIMIT_MAX) };
}

/** What a refused reader is told. */
export function refusedAnswer({
  error,
  message,
  retryAfterMs,
}: Extract<LiveAdmission, { ok: false }>): HttpAnswer {
  return goliothErrorAnswer(error, message, retryAfterMs);
}

function refused(error: GoliothError, message: string): Extract<LiveAdmission, { ok: false }> {
  return { ok: false, error, message };
}
