import { WebSocket } from "ws";
import type { Timer, Timers } from "../host/clock.ts";
import { decodeSocketText, SOCKET_MESSAGE_BYTES_MAX } from "../protocol/gateway-socket.ts";
import type { JsonObject } from "../protocol/json-parser.ts";
import { decodeLevelLease, type LevelLease } from "../protocol/level-lease.ts";
import { missingBelow, type SeqSpan } from "./missing-seqs.ts";
import {
  BatchRefused,
  HttpServiceClient,
  type HttpServiceClientOptions,
  type ServiceClient,
  type Stored,
} from "./service-client.ts";
import { connectionReason } from "./tls-trust.ts";
import { UplinkUnavailable } from "./uplink.ts";

/** Longest wait for an answer, and for anything at all on the socket (the service pings every 25 s). */
const ANSWER_MS_MAX = 30_000;
const SILENCE_MS_MAX = 60_000;
const HANDSHAKE_MS_MAX = 10_000;

interface Waiting {
  readonly resolve: (answer: JsonObject) => void;
  readonly reject: (error: Error) => void;
}

/** The service over a WebSocket (docs/protocol.md 13.8): batches one behind the other, questions, and leases for boards. */
export class SocketServiceClient implements ServiceClient {
  readonly #timers: Timers;
  readonly #options: HttpServiceClientOptions;
  readonly #http: HttpServiceClient;
  readonly #url: string;
  #socket: Promise<WebSocket> | undefined;
  #asked = 0;
  /** Bounded by the forwarder's window. In the order of sending. */
  #batches: Waiting[] = [];
  #questions = new Map<number, Waiting>();
  #lastBatch: Promise<unknown> = Promise.resolve();
  #isClosed = false;
  onDown: () => void = () => {};
  /** Told of a lease that is none; the service hears that no board is known. */
  onBadLease: (problem: string) => void = () => {};
  /** A lease for a board; the answer goes back to the service. */
  onLevel: (src: string, lease: LevelLease) => { readonly isReached: boolean } | undefined = () => undefined;

  constructor(world: { readonly timers: Timers }, options: HttpServiceClientOptions) {
    this.#timers = world.timers;
    this.#options = options;
    this.#http = new HttpServiceClient(world, options);
    const { url, project, gatewayId } = options;
    const path = `v1/ws/projects/${encodeURIComponent(project)}/gateways/${encodeURIComponent(gatewayId)}`;
    this.#url = `${url.replace(/^http/, "ws").replace(/\/+$/, "")}/${path}`;
  }

  async position(epoch: string): Promise<number> {
    return numberIn(await this.#ask({ position: epoch }), "position");
  }

  async mark(src: string, boot: string): Promise<number> {
    return numberIn(await this.#ask({ mark: [src, boot] }), "mark");
  }

  async missing(src: string, boot: string, below: number): Promise<readonly SeqSpan[] | undefined> {
    return missingBelow(below, await this.#ask({ mark: [src, boot] }));
  }

  store(batch: Uint8Array): Promise<Stored> {
    const stored = batch.length > SOCKET_MESSAGE_BYTES_MAX ? this.#storeLarge(batch) : this.#store(batch);
    this.#lastBatch = stored.catch(() => {});
    return stored;
  }

  /** Cuts the connection; the next question opens another. */
  drop(): void {
    void this.#socket?.then(
      (socket) => socket.terminate(),
      () => {},
    );
  }

  /** Ends the socket; nothing is answered any more. */
  close(): void {
    this.#isClosed = true;
    this.drop();
    this.#http.close();
  }

  async #storeLarge(batch: Uint8Array): Promise<Stored> {
    await this.#lastBatch;
    return this.#http.store(batch);
  }

  async #store(batch: Uint8Array): Promise<Stored> {
    const socket = await this.#connected();
    const answer = await this.#inTime(
      new Promise<JsonObject>((resolve, reject) => {
        this.#batches.push({ resolve, reject });
        socket.send(batch);
      }),
    );
    const { batch: status } = answer;
    if (status === 400 || status === 413) throw new BatchRefused(wordsIn(answer));
    if (status !== 200 && status !== 409) throw new UplinkUnavailable(`status ${status}: ${wordsIn(answer)}`);
    return { position: numberIn(answer, "position"), isGap: status === 409 };
  }

  async #ask(question: object): Promise<JsonObject> {
    const socket = await this.#connected();
    const ask = ++this.#asked;
    const answer = await this.#inTime(
      new Promise<JsonObject>((resolve, reject) => {
        this.#questions.set(ask, { resolve, reject });
        socket.send(JSON.stringify({ ask, ...question }));
      }),
    );
    if (answer.status !== 200) throw new UplinkUnavailable(`status ${answer.status}: ${wordsIn(answer)}`);
    return answer;
  }

  #connected(): Promise<WebSocket> {
    if (this.#isClosed) return Promise.reject(new UplinkUnavailable("the gateway stops"));
    this.#socket ??= this.#open();
    return this.#socket;
  }

  #open(): Promise<WebSocket> {
    const { key, tls } = this.#options;
    const socket = new WebSocket(this.#url, {
      headers: { "x-api-key": key },
      handshakeTimeout: HANDSHAKE_MS_MAX,
      perMessageDeflate: false,
      maxPayload: SOCKET_MESSAGE_BYTES_MAX,
      ...tls,
    });
    let reason = "the connection ended";
    let silence: Timer | undefined;
    const heard = (): void => {
      silence?.cancel();
      silence = this.#timers.after(SILENCE_MS_MAX, () => socket.terminate());
    };
    return new Promise((resolve, reject) => {
      socket.on("open", () => {
        heard();
        resolve(socket);
      });
      socket.on("ping", heard);
      socket.on("message", (data, isBinary) => {
        heard();
        if (!isBinary) this.#message(socket, String(data));
      });
      socket.on("error", (error) => {
        reason = connectionReason(error, "service");
      });
      socket.on("close", (code, text) => {
        silence?.cancel();
        if (text.length > 0) reason = `closed (${code}): ${text}`;
        const error = new UplinkUnavailable(reason);
        reject(error);
        this.#socket = undefined;
        const waiting = [...this.#batches, ...this.#questions.values()];
        this.#batches = [];
        this.#questions = new Map();
        for (const each of waiting) each.reject(error);
        this.onDown();
      });
    });
  }

  #message(socket: WebSocket, text: string): void {
    const decoded = decodeSocketText(text);
    if (!decoded.ok) {
      socket.terminate();
      return;
    }
    const message = decoded.value;
    if (typeof message.batch === "number") this.#batches.shift()?.resolve(message);
    else if (typeof message.answer === "number") {
      this.#questions.get(message.answer)?.resolve(message);
      this.#questions.delete(message.answer);
    } else if (typeof message.ask === "number" && typeof message.src === "string") {
      const lease = decodeLevelLease(message.lease);
      if (!lease.ok) this.onBadLease(lease.problem.text);
      const reached = lease.ok ? this.onLevel(message.src, lease.value) : undefined;
      const isReached = reached?.isReached === true;
      socket.send(JSON.stringify({ answer: message.ask, isKnown: reached !== undefined, isReached }));
    }
  }

  /** An answer that does not come ends the socket: what follows it can no longer be told apart. */
  async #inTime(answer: Promise<JsonObject>): Promise<JsonObject> {
    const timer = this.#timers.after(ANSWER_MS_MAX, () => this.drop());
    try {
      return await answer;
    } finally {
      timer.cancel();
    }
  }
}

function numberIn(answer: JsonObject, name: string): number {
  const value = answer[name];
  if (typeof value === "number" && Number.isSafeInteger(value) && value >= 0) return value;
  throw new UplinkUnavailable(`its answer has no ${name}: is this a boardlog service?`);
}

function wordsIn({ status_msg }: JsonObject): string {
  return typeof status_msg === "string" ? status_msg.slice(0, 300) : "no reason given";
}
