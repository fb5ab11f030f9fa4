import { promisify } from "node:util";
import { gzip } from "node:zlib";
import type { Timers } from "../../host/clock.ts";
import { bad, type Decoded, good } from "../../protocol/decoded.ts";
import type { NewEntry } from "../../protocol/entry.ts";
import { type JsonObject, parseJson } from "../../protocol/json-parser.ts";
import { type OtlpEntry, otlpLogs } from "../../protocol/otlp.ts";
import { decodeOtlpProtobuf, encodeOtlpProtobuf, type OtlpMessage } from "../../protocol/otlp-protobuf.ts";
import { HttpCaller, type HttpReply } from "../http-caller.ts";
import type { TlsTrust } from "../tls-trust.ts";
import { Refusals } from "./refusals.ts";
import { type Sink, SinkUnavailable, type SpooledEntry } from "./sink.ts";

export const OtlpEncoding = { Protobuf: "protobuf", Json: "json" } as const;
export type OtlpEncoding = (typeof OtlpEncoding)[keyof typeof OtlpEncoding];

export interface OtlpSetting {
  /** `http://host:4318` or `https://...`; `/v1/logs` is put behind it unless it stands there. */
  readonly url: string;
  /** Such as `authorization`; its values are secrets. */
  readonly headers: Readonly<Record<string, string>>;
  /** Attributes of every resource. */
  readonly resource: Readonly<Record<string, string>>;
  readonly encoding: OtlpEncoding;
  readonly compresses: boolean;
  readonly tls?: TlsTrust | undefined;
}

export interface OtlpSinkOptions extends OtlpSetting {
  readonly name: string;
  /** Settings that it comes from, for errors that name them. */
  readonly at: string;
  /** Told of records that will never be taken. */
  readonly rejected: (count: number, reason: string) => void;
}

const PATH = "/v1/logs";
const TIMEOUT_MS = 30_000;
/** OTLP 1.x, "OTLP/HTTP Response": these may pass. */
const RETRIED: readonly number[] = [429, 502, 503, 504];
/** About what was sent, not about who sent it or where to. */
const OF_CONTENT: readonly number[] = [400, 413, 422];

const TYPES: Readonly<Record<OtlpEncoding, string>> = {
  protobuf: "application/x-protobuf",
  json: "application/json",
};

const compress = promisify(gzip);

/** OpenTelemetry logs over OTLP/HTTP. What is refused whole is sent in halves, until the one that is refused stands alone. */
export class OtlpSink implements Sink {
  readonly #caller: HttpCaller;
  readonly #options: OtlpSinkOptions;
  readonly #path: string;
  readonly #refusals = new Refusals();

  constructor(world: { readonly timers: Timers }, options: OtlpSinkOptions) {
    this.#options = options;
    this.#path = new URL(options.url).pathname.endsWith(PATH) ? "" : PATH;
    this.#caller = new HttpCaller(world, {
      url: options.url,
      at: options.at,
      tls: options.tls,
      headers: {
        ...options.headers,
        "content-type": TYPES[options.encoding],
        ...(options.compresses && { "content-encoding": "gzip" }),
      },
      timeoutMs: TIMEOUT_MS,
      connectionsMax: 1,
    });
  }

  get name(): string {
    return this.#options.name;
  }

  async send(entries: readonly SpooledEntry[], taken: (position: number) => void): Promise<void> {
    const { rejected } = this.#options;
    const last = entries.at(-1);
    const reply = await this.#post(entries);
    const { status, retryAfterMs } = reply;
    if (status >= 200 && status < 300) {
      for (const { position, entry } of entries) this.#refusals.accepted(position, entry.src);
      const partial = partialSuccessOf(reply);
      if (partial.count > 0) rejected(Math.min(partial.count, entries.length), partial.reason);
      if (last !== undefined) taken(last.position);
      return;
    }
    const problem = new SinkUnavailable(`HTTP ${status}: ${reasonOf(reply)}`, { retryAfterMs });
    if (RETRIED.includes(status) || !OF_CONTENT.includes(status)) throw problem;
    if (entries.length > 1) {
      const middle = entries.length >> 1;
      await this.send(entries.slice(0, middle), taken);
      await this.send(entries.slice(middle), taken);
      return;
    }
    if (last === undefined || !this.#refusals.refused(last.position, last.entry.src, status)) throw problem;
    rejected(1, problem.message);
    taken(last.position);
  }

  close(): void {
    this.#caller.close();
  }

  /** @throws SinkUnavailable */
  async #post(entries: readonly SpooledEntry[]): Promise<HttpReply> {
    const { resource, encoding, compresses } = this.#options;
    const logs = otlpLogs(
      entries.map(({ entry }) => otlpEntry(entry)),
      resource,
    );
    const body = encoding === OtlpEncoding.Json ? JSON.stringify(logs) : encodeOtlpProtobuf("Request", logs);
    try {
      return await this.#caller.call(this.#path, compresses ? await compress(body) : body);
    } catch (error) {
      throw new SinkUnavailable((error as Error).message, { cause: error });
    }
  }
}

/** A time that only the gateway's clock gave is no time of the origin: it is the observed one alone. */
function otlpEntry(entry: NewEntry): OtlpEntry {
  const { src, module, level, timestamp, received, msg, clock } = entry;
  return {
    src,
    module,
    level,
    timestamp: clock === "server" ? undefined : timestamp,
    received,
    msg,
    fields: (["stream", "boot", "seq", "uptime", "clock", "clockError"] as const).flatMap(
      (name): [string, string | number][] => {
        const value = entry[name];
        return value === undefined ? [] : [[name, value]];
      },
    ),
  };
}

function partialSuccessOf(reply: HttpReply): { readonly count: number; readonly reason: string } {
  const answer = objectIn(reply, "Response");
  const partial = Object(answer.ok ? answer.value.partialSuccess : undefined) as JsonObject;
  const { rejectedLogRecords, errorMessage } = partial;
  // A 64-bit integer, which JSON has as a string.
  const count = Number(rejectedLogRecords ?? 0);
  return { count: Number.isSafeInteger(count) ? count : 0, reason: wordsOf(errorMessage) };
}

/** The message of a `google.rpc.Status`. */
function reasonOf(reply: HttpReply): string {
  const answer = objectIn(reply, "Status");
  return wordsOf(answer.ok ? answer.value.message : undefined);
}

function wordsOf(value: unknown): string {
  return typeof value === "string" && value !== "" ? value.slice(0, 300) : "no reason given";
}

/** In the form that it says, which need not be that of the request where something else answers. */
function objectIn({ type, body }: HttpReply, message: OtlpMessage): Decoded<JsonObject> {
  if (type === TYPES.protobuf) return decodeOtlpProtobuf(message, body);
  const parsed = parseJson(body.toString("utf8"));
  if (!parsed.ok) return bad(parsed.reason);
  const { value } = parsed;
  if (typeof value !== "object" || value === null || Array.isArray(value)) return bad("must be an object");
  return good(value as JsonObject);
}
