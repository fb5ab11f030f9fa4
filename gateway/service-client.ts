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
  readonly timeoutMs?: number;
}

/** Longest wait for an answer: a batch of 8 MiB over 3 Mbit/s. */
const TIMEOUT_MS = 30_000;
/** Refusals of a batch itself; any other may pass (a wrong key is put right, a busy service gets free). */
const REFUSALS: readonly number[] = [400, 413, 415];

/** The service over HTTP (docs/protocol.md 13). */
export class HttpServiceClient implements ServiceClient {
  readonly #base: string;
  readonly #options: HttpServiceClientOptions;
  onDown: () => void = () => {};

  constructor(options: HttpServiceClientOptions) {
    this.#options = options;
    const path = `v1/projects/${encodeURIComponent(options.project)}/gateways/${encodeURIComponent(options.gatewayId)}`;
    this.#base = `${options.url.replace(/\/+$/, "")}/${path}`;
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
    const { status, body } = await this.#ask("entries", new Uint8Array(batch));
    if (REFUSALS.includes(status)) throw new BatchRefused(wordsIn(body));
    return { position: numberIn(body, "position"), isGap: status === 409 };
  }

  async #ask(
    path: string,
    batch?: Uint8Array<ArrayBuffer>,
  ): Promise<{ readonly status: number; readonly body: unknown }> {
    const { key, timeoutMs = TIMEOUT_MS } = this.#options;
    let status: number;
    let body: unknown;
    try {
      const response = await fetch(`${this.#base}/${path}`, {
        headers: { "x-api-key": key, ...(batch !== undefined && { "content-type": "application/cbor" }) },
        ...(batch !== undefined && { method: "POST", body: batch }),
        signal: AbortSignal.timeout(timeoutMs),
        redirect: "error",
      });
      status = response.status;
      body = await response.json();
    } catch (error) {
      throw new UplinkUnavailable(reasonOf(error), { cause: error });
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

/** fetch hides the reason (ECONNREFUSED, ...) in the cause. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause instanceof Error ? error.cause.message || error.cause.name : error.message;
}
