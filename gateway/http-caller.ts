import { Agent as HttpAgent, type IncomingMessage, request as requestHttp } from "node:http";
import { Agent as HttpsAgent, request as requestHttps } from "node:https";
import type { Timers } from "../host/clock.ts";
import { connectionReason, type TlsTrust } from "./tls-trust.ts";

export interface HttpCallerOptions {
  /** `http://...` or `https://...`; what is called is below it. */
  readonly url: string;
  /** Settings that it came from, for errors that name them. */
  readonly at: string;
  readonly tls?: TlsTrust | undefined;
  readonly headers?: Readonly<Record<string, string>>;
  /** Longest wait for the whole answer. */
  readonly timeoutMs: number;
  readonly connectionsMax: number;
}

export interface HttpReply {
  readonly status: number;
  /** What the answerer asks to wait before the next try, ms. */
  readonly retryAfterMs: number | undefined;
  /** Media type, without its parameters. */
  readonly type: string;
  readonly body: Buffer;
}

/** No answer came, or none that could be read. */
export class CallFailed extends Error {
  readonly code = "CALL_FAILED";
  constructor(reason: string, options?: ErrorOptions) {
    super(reason, options);
    this.name = "CallFailed";
  }
}

/** What we ask for is answered in a few kB. */
const REPLY_BYTES_MAX = 4 * 1024 * 1024;
/** Longer waits are the answerer's mistake. */
const RETRY_AFTER_MS_MAX = 3_600_000;

/** HTTP towards one server: connections kept open, an end to every wait, certificates of one's own. Redirects are not followed. */
export class HttpCaller {
  readonly #timers: Timers;
  readonly #options: HttpCallerOptions;
  readonly #base: string;
  readonly #agent: HttpAgent;
  readonly #isTls: boolean;

  constructor(world: { readonly timers: Timers }, options: HttpCallerOptions) {
    this.#timers = world.timers;
    this.#options = options;
    this.#base = options.url.replace(/\/+$/, "");
    this.#isTls = this.#base.startsWith("https:");
    const kept = { keepAlive: true, maxSockets: options.connectionsMax };
    this.#agent = this.#isTls ? new HttpsAgent({ ...kept, ...options.tls }) : new HttpAgent(kept);
  }

  /**
   * POST where there is a body, else GET.
   * @param path below the URL, with its slash; empty for the URL itself.
   * @throws CallFailed
   */
  call(
    path: string,
    body?: Uint8Array | string,
    headers: Readonly<Record<string, string>> = {},
  ): Promise<HttpReply> {
    const { at, timeoutMs } = this.#options;
    return new Promise((resolve, reject) => {
      const request = (this.#isTls ? requestHttps : requestHttp)(`${this.#base}${path}`, {
        agent: this.#agent,
        method: body === undefined ? "GET" : "POST",
        headers: {
          ...this.#options.headers,
          ...headers,
          ...(body !== undefined && { "content-length": Buffer.byteLength(body) }),
        },
      });
      const timer = this.#timers.after(timeoutMs, () =>
        request.destroy(new Error(`no answer within ${timeoutMs / 1000} s`)),
      );
      const fail = (error: Error): void => {
        timer.cancel();
        reject(new CallFailed(connectionReason(error, at), { cause: error }));
      };
      request.on("error", fail);
      request.on("response", (response) => {
        readReply(response).then(
          (reply) => {
            timer.cancel();
            resolve(reply);
          },
          (error: Error) => {
            request.destroy();
            fail(error);
          },
        );
      });
      request.end(body);
    });
  }

  /** Ends every connection; what is under way fails. */
  close(): void {
    this.#agent.destroy();
  }
}

async function readReply(response: IncomingMessage): Promise<HttpReply> {
  const chunks: Buffer[] = [];
  let sizeBytes = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    sizeBytes += chunk.length;
    if (sizeBytes > REPLY_BYTES_MAX) throw new Error(`an answer of more than ${REPLY_BYTES_MAX >> 20} MiB`);
    chunks.push(chunk);
  }
  return {
    status: response.statusCode ?? 0,
    retryAfterMs: retryAfterMs(response.headers["retry-after"], response.headers.date),
    type: (response.headers["content-type"] ?? "").split(";")[0]?.trim().toLowerCase() ?? "",
    body: Buffer.concat(chunks),
  };
}

/**
 * RFC 9110, 10.2.3: seconds, or a date, which is read by the answerer's own clock.
 * @param date its header of that name.
 */
export function retryAfterMs(value: string | undefined, date: string | undefined): number | undefined {
  if (value === undefined) return undefined;
  const waitMs = /^\d+$/.test(value) ? Number(value) * 1000 : Date.parse(value) - Date.parse(date ?? "");
  return Number.isNaN(waitMs) ? undefined : Math.min(Math.max(0, waitMs), RETRY_AFTER_MS_MAX);
}
