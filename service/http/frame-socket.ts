import type { Counters } from "../../host/counters.ts";
import { decodeFrame } from "../../protocol/frame-decoder.ts";
import { LIST_METHOD } from "../../protocol/methods.ts";
import type { Caller, KeyRing } from "../auth/caller.ts";
import type { Commands } from "../commands.ts";
import { encodeFrameResult, encodeProblem } from "./frame-answer.ts";
import { callerOf } from "./frame-handlers.ts";
import type { MessageSocket } from "./message-socket.ts";

/** Frames of one socket that may be under way; at more, reading from it stops until answers are out. */
export const FRAMES_UNDERWAY_MAX = 32;
/** Answers that a client does not read may pile up to this; at more, reading from it stops too. */
export const ANSWER_BYTES_MAX = 4 * 1024 * 1024;

export interface FrameSocketDependencies {
  readonly socket: MessageSocket;
  readonly commands: Commands;
  readonly keys: KeyRing;
  readonly counters: Counters;
}

export interface FrameSocketOptions {
  readonly ownAddress: string;
  /** Known since the upgrade; otherwise each frame shows its own key. */
  readonly caller: Caller | undefined;
}

interface Underway {
  /** The answer, if one is wanted. Never rejects. */
  readonly answer: Promise<Uint8Array | undefined>;
  readonly isBinary: boolean;
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
  readonly #ownAddress: string;
  readonly #caller: Caller | undefined;
  readonly #gone = new AbortController();
  /** Bounded by `FRAMES_UNDERWAY_MAX`: the socket is paused at more. */
  #underwayCount = 0;
  #isPaused = false;
  #begun: Promise<unknown> = Promise.resolve();
  #answered: Promise<unknown> = Promise.resolve();

  constructor(dependencies: FrameSocketDependencies, options: FrameSocketOptions) {
    this.#socket = dependencies.socket;
    this.#commands = dependencies.commands;
    this.#keys = dependencies.keys;
    this.#counters = dependencies.counters;
    this.#ownAddress = options.ownAddress;
    this.#caller = options.caller;
  }

  start(): void {
    this.#socket.onMessage((bytes, isBinary) => this.#take(bytes, isBinary));
    this.#socket.onClose(() => this.#gone.abort());
  }

  #take(bytes: Uint8Array, isBinary: boolean): void {
    this.#underwayCount += 1;
    this.#pauseOrResume();
    const answeredBefore = this.#answered;
    const begun = this.#begun.then(() => this.#begin(bytes, isBinary, answeredBefore));
    this.#begun = begun;
    this.#answered = answeredBefore.then(async () => {
      const underway = await begun;
      const answer = await underway.answer;
      this.#underwayCount -= 1;
      if (!this.#gone.signal.aborted && answer !== undefined) this.#send(answer, underway.isBinary);
      this.#pauseOrResume();
    });
  }

  async #begin(bytes: Uint8Array, isBinary: boolean, answeredBefore: Promise<unknown>): Promise<Underway> {
    const decoded = decodeFrame(bytes, isBinary ? undefined : "json");
    if (!decoded.ok) {
      this.#counters.add("service_bad_frames_total");
      const isCbor = isBinary && (bytes[0] ?? 0) >= 0x80;
      const problem = encodeProblem(decoded.problem, isCbor ? "cbor" : "json");
      return { answer: Promise.resolve(problem), isBinary };
    }
    const frame = decoded.value;
    // Answers sent to us are answered by nothing, or two services would talk for ever.
    if (frame.commands.length === 0 && frame.answerCount > 0) {
      return { answer: Promise.resolve(undefined), isBinary };
    }
    const caller = this.#caller ?? (await callerOf(frame.key, this.#keys));
    // A page must hold what was logged before it on the same socket.
    if (frame.commands.some((command) => command.method === LIST_METHOD)) await answeredBefore;
    const answer = this.#commands
      .runFrame(frame, caller, this.#gone.signal)
      .then((result) => encodeFrameResult(frame, this.#ownAddress, result));
    return { answer, isBinary };
  }

  #send(answer: Uint8Array, isBinary: boolean): void {
    const flushed = (): void => this.#pauseOrResume();
    if (isBinary) this.#socket.sendBinary(answer, flushed);
    else this.#socket.sendText(answer, flushed);
  }

  #pauseOrResume(): void {
    const isFull =
      this.#underwayCount >= FRAMES_UNDERWAY_MAX || this.#socket.bufferedBytes > ANSWER_BYTES_MAX;
    if (isFull === this.#isPaused) return;
    this.#isPaused = isFull;
    if (isFull) this.#socket.pause();
    else this.#socket.resume();
  }
}
