import WebSocket from "ws";
import { type JsonObject, type JsonValue, parseJson, Verbatim } from "../protocol/json-parser.ts";
import { type Level, parseLevel } from "../protocol/level.ts";
import type { ShownEntry } from "./entry-line.ts";
import { UserError } from "./user-error.ts";

export interface ApiAddress {
  /** Such as `http://127.0.0.1:7480`. */
  readonly url: string;
  readonly key: string;
}

/** An entry as List gave it: fields as they came, `msg` byte for byte. */
export interface ListedEntry extends ShownEntry {
  readonly id: string;
  /** The entry's JSON, `msg` byte for byte, `src` included. */
  readonly json: string;
}

export interface ListRequest {
  readonly src: string;
  readonly after?: string;
  readonly limit?: number;
  readonly last?: number;
  readonly stream?: string;
}

const FIELDS = ["level", "module", "boot", "seq", "uptime", "received", "clock"];

/** One page of `/v1/Log.List`. */
export async function listPage(api: ApiAddress, request: ListRequest): Promise<readonly ListedEntry[]> {
  let response: Response;
  try {
    response = await fetch(new URL("/v1/Log.List", api.url), {
      method: "POST",
      headers: { "content-type": "application/json", "x-api-key": api.key },
      body: JSON.stringify({ ...request, fields: FIELDS }),
    });
  } catch (error) {
    throw serviceAway(api, error);
  }
  const parsed = parseJson(await response.text(), {
    verbatim: (name, parent) => name === "msg" && parent === "resp",
  });
  const answer = parsed.ok ? (parsed.value as JsonObject) : undefined;
  if (answer === undefined) throw new UserError(`${api.url} does not answer as a log service does`, 1);
  if (answer.status !== 0) throw refused(api, answer.status, answer.status_msg);
  return (answer.resp as readonly JsonObject[]).map((entry) => listedEntry(request.src, entry));
}

function listedEntry(src: string, entry: JsonObject): ListedEntry {
  const level = typeof entry.level === "string" ? parseLevel(entry.level) : undefined;
  return {
    src,
    stream: String(entry.stream),
    msg: entry.msg instanceof Verbatim ? entry.msg.text : JSON.stringify(entry.msg),
    timestamp: Number(entry.timestamp),
    id: String(entry.id),
    ...(level !== undefined && { level }),
    ...(typeof entry.module === "string" && { module: entry.module }),
    json: jsonText({ src, ...entry }),
  };
}

function jsonText(object: JsonObject): string {
  const members = Object.entries(object).map(
    ([name, value]) => `${JSON.stringify(name)}:${valueText(value)}`,
  );
  return `{${members.join(",")}}`;
}

function valueText(value: JsonValue): string {
  return value instanceof Verbatim ? value.text : JSON.stringify(value);
}

export interface TailRequest {
  readonly src?: string;
  readonly after?: string;
  readonly last?: number;
}

/** What the live socket gives. */
export interface TailHandler {
  entry(entry: ShownEntry & { readonly id: string; readonly json: string }): void;
  /** History ends here: from now on entries are live. `after` is the last id before, where there is one. */
  live(after: string | undefined): void;
  /** Entries that this reader was too slow for. */
  skipped(count: number): void;
}

/**
 * Follows the live socket until it closes. Resolves with the reason.
 * @throws UserError when the service refuses.
 */
export function tailOnce(
  api: ApiAddress,
  project: string,
  request: TailRequest,
  handler: TailHandler,
  signal: AbortSignal,
): Promise<string> {
  const path = request.src === undefined ? "logs" : `devices/${encodeURIComponent(request.src)}/logs`;
  const url = new URL(`/v1/ws/projects/${project}/${path}`, api.url.replace(/^http/, "ws"));
  if (request.after !== undefined) url.searchParams.set("after", request.after);
  else if (request.last !== undefined) url.searchParams.set("last", String(request.last));
  const socket = new WebSocket(url, { headers: { "x-api-key": api.key }, maxPayload: 4 * 1024 * 1024 });
  return new Promise((resolve, reject) => {
    const abort = (): void => socket.terminate();
    signal.addEventListener("abort", abort);
    socket.on("message", (data) => handleMessage(data.toString(), handler));
    socket.on("unexpected-response", (_request, response) => {
      reject(refused(api, response.statusCode, undefined));
      socket.terminate();
    });
    socket.on("error", (error) => resolve(error.message));
    socket.on("close", (code, reason) => {
      signal.removeEventListener("abort", abort);
      resolve(`closed with code ${code} ${reason.toString()}`.trim());
    });
  });
}

function handleMessage(text: string, handler: TailHandler): void {
  const message = JSON.parse(text) as {
    readonly result?: { readonly data: LiveData };
    readonly live?: { readonly after?: string };
    readonly skipped?: { readonly count: number };
  };
  if (message.live !== undefined) handler.live(message.live.after || undefined);
  if (message.skipped !== undefined) handler.skipped(message.skipped.count);
  const data = message.result?.data;
  if (data === undefined) return;
  const level = parseLevel(data.level);
  handler.entry({
    src: data.deviceId,
    stream: data.metadata.stream,
    msg: JSON.stringify(data.message),
    timestamp: Date.parse(data.timestamp),
    id: data.id,
    ...(level !== undefined && ({ level } satisfies { level: Level })),
    ...(data.module !== "" && { module: data.module }),
    json: JSON.stringify(data),
  });
}

/** Golioth's schema (docs/protocol.md 11). */
interface LiveData {
  readonly timestamp: string;
  readonly level: string;
  readonly module: string;
  readonly message: string;
  readonly deviceId: string;
  readonly id: string;
  readonly metadata: { readonly stream: string };
}

export function serviceAway(api: ApiAddress, error: unknown): UserError {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new UserError(
    `no log service answers at ${api.url} (${reason}). Start one with "boardlog up", or name it with --url`,
    1,
  );
}

function refused(api: ApiAddress, status: unknown, words: unknown): UserError {
  if (status === 401) {
    return new UserError(
      `${api.url} does not know this key: give it with --key, BOARDLOG_KEY, or --data FOLDER`,
      1,
    );
  }
  return new UserError(
    `${api.url} refuses: ${typeof words === "string" ? words : `status ${String(status)}`}`,
    1,
  );
}
