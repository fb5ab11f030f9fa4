import { type JsonObject, parseJson } from "../protocol/json-parser.ts";
import type { SourceSummary } from "../protocol/source-summary.ts";
import { type Entry, entryOf } from "./entry.ts";

/** Who reads, and what. */
export interface Access {
  readonly key: string;
  readonly project: string;
}

export interface EntriesPage {
  readonly entries: readonly Entry[];
  readonly before: string | undefined;
  readonly after: string | undefined;
  readonly end: boolean;
}

export interface Rates {
  readonly since: number;
  readonly until: number;
  /** Down to when the counts hold. */
  readonly from: number;
  readonly complete: boolean;
  /** Where to go on, and where what came since begins; where lines had to be looked at. */
  readonly before?: string | null;
  readonly after?: string | null;
  /** By source and span of time: entries without a level, debug, info, warn, error. */
  readonly sources: readonly { readonly src: string; readonly counts: readonly (readonly number[])[] }[];
}

/** The service answered, and refuses: 401 and 403 end the session, 400 is the page's own mistake or a link's. */
export class Refused extends Error {
  readonly status: number;
  constructor(status: number, words: string) {
    super(words);
    this.name = "Refused";
    this.status = status;
  }
}

/** What the clock of the service is ahead of this machine's: a phone may be off by hours. */
let aheadMs = 0;
/** An answer tells its time by whole seconds. */
const AHEAD_MS_MIN = 3000;

/** UTC ms by the clock of the service, as its last answer told it. */
export function serviceNow(): number {
  return Date.now() + aheadMs;
}

/** Reads over HTTP with the key in a header: it never stands in a URL (docs/protocol.md 10.4, 10.7). */
export async function getEntries(
  access: Access,
  query: URLSearchParams,
  signal?: AbortSignal,
): Promise<EntriesPage> {
  const answer = await get(access, `entries?${query}`, signal);
  return {
    entries: (answer.entries as readonly JsonObject[]).map(entryOf),
    before: (answer.before as string | null) ?? undefined,
    after: (answer.after as string | null) ?? undefined,
    end: answer.end === true,
  };
}

export async function getSources(access: Access, signal?: AbortSignal): Promise<readonly SourceSummary[]> {
  return (await get(access, "sources", signal)).sources as unknown as readonly SourceSummary[];
}

export async function getRates(access: Access, query: URLSearchParams, signal?: AbortSignal): Promise<Rates> {
  return (await get(access, `rates?${query}`, signal)) as unknown as Rates;
}

export const BOARD_TOLD = "The board was told.";

/** Asks the gateways to tell a board its level; says what became of it. */
export async function setLevel(
  access: Access,
  src: string,
  lease: { readonly level: string; readonly forMs: number },
): Promise<string> {
  const path = `devices/${encodeURIComponent(src)}/level`;
  const answer = await ask(access, path, { method: "POST", body: JSON.stringify(lease) });
  const gateways = answer.gateways as unknown as readonly { readonly isReached: boolean }[];
  if (!gateways.some(({ isReached }) => isReached))
    return "The board is away; it is told when it comes back.";
  return lease.forMs === 0 ? "The board logs as it is set." : BOARD_TOLD;
}

function get(access: Access, path: string, signal?: AbortSignal): Promise<JsonObject> {
  return ask(access, path, signal === undefined ? {} : { signal });
}

async function ask({ key, project }: Access, path: string, init: RequestInit): Promise<JsonObject> {
  const response = await fetch(`/v1/projects/${encodeURIComponent(project)}/${path}`, {
    headers: { "x-api-key": key },
    ...init,
  });
  const toldMs = Date.parse(response.headers.get("date") ?? "") - Date.now();
  if (!Number.isNaN(toldMs)) aheadMs = Math.abs(toldMs) < AHEAD_MS_MIN ? 0 : toldMs;
  const answer = answerOf(await response.text());
  if (response.ok) return answer;
  const words = (answer.error as JsonObject | undefined)?.message ?? answer.status_msg;
  throw new Refused(response.status, typeof words === "string" ? words : `status ${response.status}`);
}

/** An object or array as `msg` keeps its text (docs/protocol.md 1.2); where there is none, the browser's own parser is faster. */
function answerOf(text: string): JsonObject {
  try {
    if (!text.includes('"msg":{') && !text.includes('"msg":[')) return JSON.parse(text) as JsonObject;
  } catch {
    return {};
  }
  const parsed = parseJson(text, { verbatim: (name, parent) => name === "msg" && parent === "entries" });
  return parsed.ok ? (parsed.value as JsonObject) : {};
}
