import type { Timers } from "../../host/clock.ts";
import type { Counters } from "../../host/counters.ts";
import { BATCHES_UNDERWAY_MAX, decodeSocketText } from "../../protocol/gateway-socket.ts";
import type { JsonObject } from "../../protocol/json-parser.ts";
import type { LevelLease } from "../../protocol/level-lease.ts";
import { decodeUtf8, encodeUtf8 } from "../../protocol/utf8.ts";
import { type HttpAnswer, type HttpRequest, refusalAnswer } from "../http/exchange.ts";
import { CloseCode, type MessageSocket } from "../http/message-socket.ts";
import type { LevelHub } from "../level-control.ts";
import type { IngestHandlers } from "./ingest-handlers.ts";

/** How long a gateway may take to say whether it has a board. */
const LEVEL_MS_MAX = 2_000;
/** Questions under way at once; a gateway that asks more is sent away. */
const QUESTIONS_MAX = 1_000;

/** A gateway on a socket (docs/protocol.md 13.8): its batches one after the other, its questions, and leases for its boards. */
export class GatewaySocket {
  readonly #socket: MessageSocket;
  readonly #ingest: IngestHandlers;
  readonly #levels: LevelHub;
  readonly #timers: Timers;
  readonly #counters: Counters;
  readonly #upgrade: HttpRequest;
  readonly #gateway: { readonly project: string; readonly gatewayId: string };
  #stored: Promise<unknown> = Promise.resolve();
  #batchCount = 0;
  #questionCount = 0;
  #asked = 0;
  /** Bounded by the leases that are set within their time limit. */
  readonly #levelAnswers = new Map<number, (answer: JsonObject | undefined) => void>();

  /** @param upgrade the request that opened it: each message is taken with its rights. */
  constructor(
    dependencies: {
      readonly socket: MessageSocket;
      readonly ingest: IngestHandlers;
      readonly levels: LevelHub;
      readonly timers: Timers;
      readonly counters: Counters;
    },
    upgrade: HttpRequest,
    gateway: { readonly project: string; readonly gatewayId: string },
  ) {
    this.#socket = dependencies.socket;
    this.#ingest = dependencies.ingest;
    this.#levels = dependencies.levels;
    this.#timers = dependencies.timers;
    this.#counters = dependencies.counters;
    this.#upgrade = upgrade;
    this.#gateway = gateway;
  }

  start(): void {
    const leave = this.#levels.add({
      ...this.#gateway,
      setLevel: (_project, src, lease) => this.#setLevel(src, lease),
    });
    this.#socket.onClose(() => {
      leave();
      for (const answer of [...this.#levelAnswers.values()]) answer(undefined);
    });
    this.#socket.onMessage((bytes, isBinary) => {
      if (isBinary) this.#batch(bytes);
      else this.#text(decodeUtf8(bytes).text);
    });
  }

  #batch(body: Uint8Array): void {
    this.#batchCount += 1;
    if (this.#batchCount >= BATCHES_UNDERWAY_MAX) this.#socket.pause();
    this.#stored = this.#stored.then(async () => {
      const { httpStatus, value } = await this.#settled(this.#ingest.postEntries({ ...this.#upgrade, body }));
      this.#send({ ...value, batch: httpStatus });
      this.#batchCount -= 1;
      if (this.#batchCount < BATCHES_UNDERWAY_MAX) this.#socket.resume();
    });
  }

  #text(text: string): void {
    const decoded = decodeSocketText(text);
    if (!decoded.ok) {
      this.#socket.close(CloseCode.Policy, decoded.problem.text.slice(0, 100));
      return;
    }
    const { ask, answer } = decoded.value;
    if (typeof answer === "number") this.#levelAnswers.get(answer)?.(decoded.value);
    else if (typeof ask === "number") void this.#question(ask, decoded.value);
  }

  async #question(ask: number, { position, mark }: JsonObject): Promise<void> {
    this.#questionCount += 1;
    if (this.#questionCount > QUESTIONS_MAX) {
      this.#socket.close(CloseCode.Policy, "too many questions at once");
      return;
    }
    const { httpStatus, value } = await this.#settled(this.#answerTo(position, mark));
    this.#questionCount -= 1;
    this.#send({ ...value, answer: ask, status: httpStatus });
  }

  #answerTo(position: unknown, mark: unknown): Promise<HttpAnswer> {
    if (typeof position === "string") {
      const query = new URLSearchParams({ epoch: position });
      return this.#ingest.getPosition({ ...this.#upgrade, query });
    }
    const [src, boot] = Array.isArray(mark) ? (mark as readonly unknown[]) : [];
    if (typeof src === "string" && typeof boot === "string") {
      return this.#ingest.getMark({ ...this.#upgrade, query: new URLSearchParams({ src, boot }) });
    }
    return Promise.resolve(refusalAnswer(400, "ask: needs a position or a mark"));
  }

  /** What fails is our fault: the gateway asks again on a new socket. */
  async #settled(
    answer: Promise<HttpAnswer>,
  ): Promise<{ readonly httpStatus: number; readonly value: object }> {
    try {
      const { httpStatus, body } = await answer;
      return { httpStatus, value: JSON.parse(String(body)) as object };
    } catch {
      this.#counters.add("service_failures_total");
      this.#socket.close(CloseCode.Failure, "the service failed; see its own log");
      return { httpStatus: 500, value: { status: 500, status_msg: "the service failed" } };
    }
  }

  #setLevel(src: string, lease: LevelLease): Promise<{ readonly isReached: boolean } | undefined> {
    const ask = ++this.#asked;
    return new Promise((resolve) => {
      const done = (answer: JsonObject | undefined): void => {
        timer.cancel();
        this.#levelAnswers.delete(ask);
        resolve(answer?.isKnown === true ? { isReached: answer.isReached === true } : undefined);
      };
      const timer = this.#timers.after(LEVEL_MS_MAX, () => done(undefined));
      this.#levelAnswers.set(ask, done);
      this.#send({ ask, src, lease });
    });
  }

  #send(message: object): void {
    this.#socket.sendText(encodeUtf8(JSON.stringify(message)));
  }
}
