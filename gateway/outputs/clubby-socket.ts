import { WebSocket } from "ws";
import type { Timer, Timers } from "../../host/clock.ts";
import { connectionReason, type TlsTrust } from "../tls-trust.ts";
import { type ClubbyAnswer, decodeClubbyAnswers } from "./clubby-frame.ts";
import { ANSWER_MS_MAX, type ClubbyTransport } from "./clubby-transport.ts";
import { SinkUnavailable } from "./sink.ts";

const SUBPROTOCOL = "clubby.cesanta.com";
const HANDSHAKE_MS_MAX = 10_000;
const FRAME_BYTES_MAX = 4 * 1024 * 1024;
/** As `ws` words it. */
const NO_SUBPROTOCOL = "Server sent no subprotocol";

interface Exchange {
  readonly missing: Set<number>;
  readonly answers: Map<number, ClubbyAnswer>;
  readonly timer: Timer;
  readonly resolve: (answers: ReadonlyMap<number, ClubbyAnswer>) => void;
  readonly reject: (error: Error) => void;
}

/** Frames over one WebSocket, in any number at once; answers come in any order, each with the id of its command. */
export class ClubbySocket implements ClubbyTransport {
  readonly #timers: Timers;
  readonly #options: { readonly url: string; readonly at: string; readonly tls?: TlsTrust | undefined };
  readonly #exchanges = new Map<number, Exchange>();
  #socket: WebSocket | undefined;
  #opening: Promise<WebSocket> | undefined;
  /** A service that knows only frames says nothing of sub-protocols. */
  #saysSubprotocol = true;

  constructor(
    world: { readonly timers: Timers },
    options: { readonly url: string; readonly at: string; readonly tls?: TlsTrust | undefined },
  ) {
    this.#timers = world.timers;
    this.#options = options;
  }

  async exchange(frame: string, ids: readonly number[]): Promise<ReadonlyMap<number, ClubbyAnswer>> {
    this.#opening ??= this.#open();
    const socket = await this.#opening;
    return new Promise((resolve, reject) => {
      // What follows an answer that does not come in time could no longer be told apart.
      const timer = this.#timers.after(ANSWER_MS_MAX, () => socket.terminate());
      const exchange = { missing: new Set(ids), answers: new Map(), timer, resolve, reject };
      for (const id of ids) this.#exchanges.set(id, exchange);
      socket.send(frame);
    });
  }

  close(): void {
    this.#socket?.terminate();
  }

  #open(): Promise<WebSocket> {
    const { url, at, tls } = this.#options;
    const socket = new WebSocket(url, this.#saysSubprotocol ? [SUBPROTOCOL] : [], {
      handshakeTimeout: HANDSHAKE_MS_MAX,
      perMessageDeflate: false,
      maxPayload: FRAME_BYTES_MAX,
      ...tls,
    });
    this.#socket = socket;
    let reason = "the connection ended";
    return new Promise((resolve, reject) => {
      socket.on("open", () => resolve(socket));
      socket.on("message", (data) => this.#receive(socket, String(data)));
      socket.on("error", (error) => {
        if (error.message === NO_SUBPROTOCOL) this.#saysSubprotocol = false;
        reason = connectionReason(error, at);
      });
      socket.on("close", (code, text) => {
        if (text.length > 0) reason = `closed (${code}): ${text}`;
        const error = new SinkUnavailable(reason);
        reject(error);
        this.#opening = undefined;
        const waiting = new Set(this.#exchanges.values());
        this.#exchanges.clear();
        for (const exchange of waiting) {
          exchange.timer.cancel();
          exchange.reject(error);
        }
      });
    });
  }

  #receive(socket: WebSocket, text: string): void {
    const decoded = decodeClubbyAnswers(text);
    if (!decoded.ok) {
      socket.terminate();
      return;
    }
    for (const [id, answer] of decoded.value) {
      const exchange = this.#exchanges.get(id);
      if (exchange === undefined) continue;
      this.#exchanges.delete(id);
      exchange.answers.set(id, answer);
      exchange.missing.delete(id);
      if (exchange.missing.size > 0) continue;
      exchange.timer.cancel();
      exchange.resolve(exchange.answers);
    }
  }
}
