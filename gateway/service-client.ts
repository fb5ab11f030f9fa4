import type { Timers } from "../host/clock.ts";
import { HttpCaller } from "./http-caller.ts";
import type { TlsTrust } from "./tls-trust.ts";
import { UplinkUnavailable } from "./uplink.ts";

/** What the service said to a batch (docs/protocol.md 13.3). */
export interface Stored {
  /** The service has the epoch up to here. */
  readonly position: number;
  /** It had less than the batch said, and stored nothing of it. */
  readonly isGap: boolean;
}

/** A log service that is reached over a network, as a gateway needs it. */
export interface ServiceClient {
  /** Where the service has this epoch; 0 for none of it. @throws UplinkUnavailable */
  position(epoch: string): Promise<number>;
  /** @throws UplinkUnavailable, BatchRefused */
  store(batch: Uint8Array): Promise<Stored>;
  /** @throws UplinkUnavailable */
  mark(src: string, boot: string): Promise<number>;
  /** Called when the connection is gone, also while nothing is asked. */
  onDown: () => void;
}

/** The service will never take this batch as it is; sending it again is of no use. */
export class BatchRefused extends Error {
  readonly code = "BATCH_REFUSED";
  constructor(reason: string) {
    super(`the log service refuses a batch: ${reason}`);
    this.name = "BatchRefused";
  }
}

export interface HttpServiceClientOptions {
  /** `http://host:port` or `https://...`. */
  readonly url: string;
  readonly project: string;
  readonly gatewayId: string;
  readonly key: string;
  readonly tls?: TlsTrust;
}

/** Longest wait for an answer: a batch of 8 MiB over 3 Mbit/s. */
const TIMEOUT_MS = 30_000;
/** Refusals of a batch itself; any other may pass (a wrong key is put right, a busy service gets free). */
const REFUSALS: readonly number[] = [400, 413, 415];

/** The service over HTTP (docs/protocol.md 13). */
export class HttpServiceClient implements ServiceClient {
  readonly #caller: HttpCaller;
  onDown: () => void = () => {};

  constructor(world: { readonly timers: Timers }, options: HttpServiceClientOptions) {
    const { url, project, gatewayId, key, tls } = options;
    const path = `v1/projects/${encodeURIComponent(project)}/gateways/${encodeURIComponent(gatewayId)}`;
    this.#caller = new HttpCaller(world, {
      url: `${url.replace(/\/+$/, "")}/${path}`,
      at: "service",
      tls,
      headers: { "x-api-key": key },
      timeoutMs: TIMEOUT_MS,
      connectionsMax: 1,
    });
  }

  async position(epoch: string): Promise<number> {
    const { body } = await this.#ask(`position?epoch=${epoch}`);
    return numberIn(body, "position");
  }

  async mark(src: string, boot: string): Promise<number> {
    const { body } = await this.#ask(`mark?${new URLSearchParams({ src, boot })}`);
    return numberIn(body, "mark");
  }

  async store(batch: Uint8Array): Promise<Stored> {
    const { status, body } = await this.#ask("entries", batch);
    if (REFUSALS.includes(status)) throw new BatchRefused(wordsIn(body));
    return { position: numberIn(body, "position"), isGap: status === 409 };
  }

  close(): void {
    this.#caller.close();
  }

  async #ask(path: string, batch?: Uint8Array): Promise<{ readonly status: number; readonly body: unknown }> {
    let status: number;
    let body: unknown;
    try {
      const headers = batch === undefined ? undefined : { "content-type": "application/cbor" };
      const reply = await this.#caller.call(`/${path}`, batch, headers);
      status = reply.status;
      body = JSON.parse(reply.body.toString("utf8"));
    } catch (error) {
      throw new UplinkUnavailable((error as Error).message, { cause: error });
    }
    const isForUs = status === 200 || (batch !== undefined && (status === 409 || REFUSALS.includes(status)));
    if (!isForUs) throw new UplinkUnavailable(`HTTP ${status}: ${wordsIn(body)}`);
    return { status, body };
  }
}

function numberIn(body: unknown, name: string): number {
  const value = (Object(body) as Record<string, unknown>)[name];
  if (typeof value === "number" && Number.isSafeInteger(value) && value >= 0) return value;
  throw new UplinkUnavailable(`its answer has no ${name}: is this a boardlog service?`);
}

function wordsIn(body: unknown): string {
  const words = (Object(body) as Record<string, unknown>).status_msg;
  return typeof words === "string" ? words.slice(0, 300) : "no reason given";
}
