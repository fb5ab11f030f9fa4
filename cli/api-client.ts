import { abortable } from "../host/abortable.ts";
import { type JsonObject, type JsonValue, parseJson, Verbatim } from "../protocol/json-parser.ts";
import { parseLevel } from "../protocol/level.ts";
import type { SourceSummary } from "../protocol/source-summary.ts";
import type { ShownEntry } from "./entry-line.ts";
import { UserError } from "./user-error.ts";

export interface ApiAddress {
  /** Such as `http://127.0.0.1:7480`. */
  readonly url: string;
  readonly key: string;
}

/** An entry as the service gave it: `msg` byte for byte. */
export interface ReadEntry extends ShownEntry {
  readonly id: string;
  /** Every field that is known, as JSON text, `src` first. */
  readonly fields: ReadonlyMap<string, string>;
}

/** What `.../entries` takes (docs/protocol.md 10.7). */
export interface ReadRequest {
  readonly src?: readonly string[];
  readonly stream?: string;
  readonly level?: string;
  readonly module?: string;
  /** UTC ms. */
  readonly since?: number;
  readonly until?: number;
  readonly after?: string;
  readonly before?: string;
  readonly order?: "ascending" | "descending";
  readonly limit?: number;
  readonly follow?: boolean;
}

export interface ReadPage {
  /** Ascending by id. */
  readonly entries: readonly ReadEntry[];
  readonly before: string | undefined;
  readonly after: string | undefined;
  readonly end: boolean;
}

function awayText(url: string, reason: string): string {
  return `no log service answers at ${url} (${reason}). Start one with "boardlog up", or name it with --url`;
}

/** Somebody answers, and it comes to nothing for a reason that can be put right. */
const untrusted = (url: string, reason: string): string =>
  `the certificate of ${url} is not trusted here (${reason}): set NODE_EXTRA_CA_CERTS to the PEM file of its authority, or of the certificate itself where it signed itself`;
const TLS_TROUBLE: Readonly<Record<string, (url: string, reason: string) => string>> = {
  DEPTH_ZERO_SELF_SIGNED_CERT: untrusted,
  SELF_SIGNED_CERT_IN_CHAIN: untrusted,
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: untrusted,
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: untrusted,
  CERT_HAS_EXPIRED: (url) => `the certificate of ${url} has expired`,
  ERR_TLS_CERT_ALTNAME_INVALID: (url, reason) => `the certificate of ${url} is of another name: ${reason}`,
  ERR_SSL_WRONG_VERSION_NUMBER: (url) => `${url} does not speak TLS: try http:// in place of https://`,
};

/** Nobody answers at the address, or the connection broke: trying again may help. */
export class ServiceAway extends UserError {
  readonly reason: string;
  constructor(api: ApiAddress, error: unknown) {
    const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
    const code = String(Object(cause).code ?? "");
    const reason =
      code === "ECONNREFUSED" ? "connection refused" : String(Object(cause).message ?? cause).trim();
    super(TLS_TROUBLE[code]?.(api.url, reason) ?? awayText(api.url, reason), 1);
    this.reason = reason;
  }
}

/** Reads the log of one project from a log service. */
export class ApiClient {
  readonly api: ApiAddress;
  readonly #project: string;

  constructor(api: ApiAddress, project: string) {
    this.api = api;
    this.#project = project;
  }

  /**
   * One page of entries.
   * @throws ServiceAway and, where the service refuses, UserError
   */
  async read(request: ReadRequest, signal?: AbortSignal): Promise<ReadPage> {
    const query = new URLSearchParams();
    for (const [name, value] of Object.entries(request)) {
      for (const one of Array.isArray(value) ? value : [value]) {
        if (one !== undefined) query.append(name, String(one));
      }
    }
    const answer = await this.#get(`entries?${query}`, signal);
    return {
      entries: (answer.entries as readonly JsonObject[]).map(readEntry),
      before: textOrNone(answer.before),
      after: textOrNone(answer.after),
      end: answer.end === true,
    };
  }

  /** Every source, by name. @throws ServiceAway and UserError */
  async sources(): Promise<readonly SourceSummary[]> {
    const answer = await this.#get("sources");
    return answer.sources as unknown as readonly SourceSummary[];
  }

  /** What each gateway says of a lease; undefined where none knows the board. @throws ServiceAway and UserError */
  async setLevel(
    src: string,
    lease: object,
  ): Promise<readonly { readonly gatewayId: string; readonly isReached: boolean }[] | undefined> {
    const path = `devices/${encodeURIComponent(src)}/level`;
    const answer = await this.#ask(path, { method: "POST", body: JSON.stringify(lease) }, [404]);
    return answer.gateways as never;
  }

  async #get(path: string, signal?: AbortSignal): Promise<JsonObject> {
    if (signal === undefined) return await this.#ask(path, {});
    return await abortable(signal, (own) => this.#ask(path, { signal: own }));
  }

  /** @param expected statuses that are an answer too. */
  async #ask(path: string, init: RequestInit, expected: readonly number[] = []): Promise<JsonObject> {
    const { api } = this;
    let response: Response;
    let text: string;
    try {
      response = await fetch(new URL(`/v1/projects/${encodeURIComponent(this.#project)}/${path}`, api.url), {
        headers: { "x-api-key": api.key },
        ...init,
      });
      text = await response.text();
    } catch (error) {
      throw new ServiceAway(api, error);
    }
    const parsed = parseJson(text, { verbatim: (name, parent) => name === "msg" && parent === "entries" });
    const answer = parsed.ok ? (parsed.value as JsonObject) : undefined;
    if (response.status === 503) throw new ServiceAway(api, new Error("its store is unavailable"));
    if (answer === undefined) throw new UserError(`${api.url} does not answer as a log service does`, 1);
    if (!response.ok && !expected.includes(response.status))
      throw refused(api, this.#project, response.status, answer);
    return answer;
  }
}

function readEntry(object: JsonObject): ReadEntry {
  const fields = new Map([["src", valueText(object.src ?? "")]]);
  for (const [name, value] of Object.entries(object)) if (name !== "src") fields.set(name, valueText(value));
  const level = typeof object.level === "string" ? parseLevel(object.level) : undefined;
  return {
    src: String(object.src),
    stream: String(object.stream),
    msg: fields.get("msg") ?? '""',
    timestamp: Number(object.timestamp),
    id: String(object.id),
    ...(level !== undefined && { level }),
    ...(typeof object.module === "string" && { module: object.module }),
    fields,
  };
}

function valueText(value: JsonValue): string {
  return value instanceof Verbatim ? value.text : JSON.stringify(value);
}

function textOrNone(value: JsonValue | undefined): string | undefined {
  return typeof value === "string" ? value : undefined;
}

function refused(api: ApiAddress, project: string, status: number, answer: JsonObject): UserError {
  const words = (answer.error as JsonObject | undefined)?.message ?? answer.status_msg;
  if (status === 401) {
    return new UserError(
      `${api.url} does not know this key: give the right one with --key or BOARDLOG_KEY, or --data with the folder of the service`,
      1,
    );
  }
  if (status === 403) {
    return new UserError(`${api.url} refuses project ${JSON.stringify(project)}: ${String(words)}`, 1);
  }
  return new UserError(`${api.url} refuses: ${typeof words === "string" ? words : `status ${status}`}`, 1);
}
