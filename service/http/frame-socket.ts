import type { Timer, Timers } from "../../host/clock.ts";
import type { Counters } from "../../host/counters.ts";
import { decodeFrame } from "../../protocol/frame-decoder.ts";
import { type Caller, callerOf, type KeyRing } from "../auth/caller.ts";
import { type Commands, READING_METHODS } from "../commands.ts";
import { encodeFrameResult, encodeProblem } from "./frame-answer.ts";
import type { FrameTurns } from "./frame-turns.ts";
import { CloseCode, type MessageSocket } from "./message-socket.ts";

/** Who has shown no good key by then is sent away. */
export const KEY_MS_MAX = 30_000;
/** Frames of one socket that may be under way; more wait. */
export const FRAMES_UNDERWAY_MAX = 32;
/** Answers that a client does not read may pile up to this; then the next one waits. */
export const ANSWER_BYTES_MAX = 4 * 1024 * 1024;

export interface FrameSocketDependencies {
  readonly socket: MessageSocket;
  readonly commands: Commands;
  readonly keys: KeyRing;
  readonly counters: Counters;
  readonly timers: Timers;
  /** Of all sockets together. */
  readonly turns: FrameTurns;
}

export interface FrameSocketOptions {
  readonly ownAddress: string;
  /** Known since the upgrade; otherwise each frame shows its own key. */
  readonly caller: Caller | undefined;
}

interface Message {
  readonly bytes: Uint8Array;
  readonly isBinary: boolean;
}

interface Underway {
  /** The answer, if one is wanted. Never rejects. */
  readonly answer: Promise<Uint8Array | undefined>;
}

/**
 * Frames over a WebSocket (docs/protocol.md 10.3): one a message, begun and answered in order. Frames that only log are committed
 * side by side, so that one fsync serves many.
 */
export class FrameSocket {
  readonly #socket: MessageSocket;
  readonly #commands: Commands;
  readonly #keys: KeyRing;
  readonly #counters: Counters;
  readonly #timers: Timers;
  readonly #turns: FrameTurns;
  readonly #ownAddress: string;
  readonly #caller: Caller | undefined;
  readonly #gone = new AbortController();
  /** Not begun yet. Bounded by what one read of the socket brings: it is paused while there are any. */
  readonly #inbox: Message[] = [];
  #underwayCount = 0;
  #isPaused = false;
  #keyTimer: Timer | undefined;
  /** Lets go whoever waits for a client that has gone. */
  #onGone = (): void => {};
  #begun: Promise<unknown> = Promise.resolve();
  #answered: Promise<unknown> = Promise.resolve();

  constructor(dependencies: FrameSocketDependencies, options: FrameSocketOptions) {
    this.#socket = dependencies.socket;
    this.#commands = dependencies.commands;
    this.#keys = dependencies.keys;
    this.#counters = dependencies.counters;
    this.#timers = dependencies.timers;
    this.#turns = dependencies.turns;
    this.#ownAddress = options.ownAddress;
    this.#caller = options.caller;
  }

  start(): void {
    this.#socket.onMessage((bytes, isBinary) => this.#take(bytes, isBinary));
    this.#socket.onClose(() => {
      this.#gone.abort();
      this.#keyTimer?.cancel();
      this.#onGone();
    });
    if (this.#caller !== undefined) return;
    this.#keyTimer = this.#timers.after(KEY_MS_MAX, () => {
      this.#counters.add("service_keyless_sockets_total");
      this.#socket.close(CloseCode.Policy, "no good API key was shown");
    });
  }

  #take(bytes: Uint8Array, isBinary: boolean): void {
    this.#inbox.push({ bytes, isBinary });
    this.#work();
  }

  /** Begins what may be begun, and reads on only when that is everything. */
  #work(): void {
    while (this.#underwayCount < FRAMES_UNDERWAY_MAX) {
      const message = this.#inbox.shift();
      if (message === undefined) break;
      this.#underwayCount += 1;
      this.#run(message);
    }
    const isFull = this.#inbox.length > 0;
    if (isFull === this.#isPaused) return;
    this.#isPaused = isFull;
    if (isFull) this.#socket.pause();
    else this.#socket.resume();
  }

  #run(message: Message): void {
    const answeredBefore = this.#answered;
    const begun = this.#begun.then(async () => {
      await this.#turns.take(message.bytes.length);
      return await this.#begin(message, answeredBefore);
    });
    this.#begun = begun;
    this.#answered = answeredBefore.then(async () => {
      const answer = await (await begun).answer;
      if (answer !== undefined && !this.#gone.signal.aborted) await this.#send(answer, message.isBinary);
      this.#underwayCount -= 1;
      this.#work();
    });
  }

  async #begin({ bytes, isBinary }: Message, answeredBefore: Promise<unknown>): Promise<Underway> {
    const decoded = decodeFrame(bytes, isBinary ? undefined : "json");
    if (!decoded.ok) {
      this.#counters.add("service_bad_frames_total");
      const isCbor = isBinary && (bytes[0] ?? 0) >= 0x80;
      const problem = encodeProblem(decoded.problem, isCbor ? "cbor" : "json");
      return { answer: Promise.resolve(problem) };
    }
    const frame = decoded.value;
    // Answers sent to us are answered by nothing, or two services would talk for ever.
    if (frame.commands.length === 0 && frame.answerCount > 0) {
      return { answer: Promise.resolve(undefined) };
    }
    const caller = this.#caller ?? (await callerOf(frame.key, this.#keys));
    if (caller !== undefined) this.#keyTimer?.cancel();
    // A page must hold what was logged before it on the same socket.
    if (frame.commands.some((command) => READING_METHODS.includes(command.method))) await answeredBefore;
    const answer = this.#commands
      .runFrame(frame, caller, () => this.#gone.signal)
      .then((result) => encodeFrameResult(frame, this.#ownAddress, result));
    return { answer };
  }

  /** Resolves when the client has room for another answer. */
  async #send(answer: Uint8Array, isBinary: boolean): Promise<void> {
    await new Promise<void>((resolve) => {
      if (isBinary) this.#socket.sendBinary(answer, resolve);
      else this.#socket.sendText(answer, resolve);
      if (this.#socket.bufferedBytes <= ANSWER_BYTES_MAX) resolve();
      this.#onGone = resolve;
    });
  }
}
