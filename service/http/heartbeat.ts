import type { Timer, Timers } from "../../host/clock.ts";
import type { MessageSocket, ServiceEnd } from "./message-socket.ts";

/** Time between pings. A peer that answers none of them for a whole period is gone. Below the idle limits of common proxies (60 s). */
export const PING_MS = 25_000;

/** Knows all open sockets: finds dead ones, and closes all when the service stops. */
export class Heartbeat {
  readonly #timers: Timers;
  /** Whether each has been heard since the last ping. */
  readonly #heard = new Map<MessageSocket, boolean>();
  #timer: Timer | undefined;

  constructor(timers: Timers) {
    this.#timers = timers;
  }

  get socketCount(): number {
    return this.#heard.size;
  }

  start(): void {
    this.#timer = this.#timers.every(PING_MS, () => this.#beat());
  }

  watch(socket: MessageSocket): void {
    this.#heard.set(socket, true);
    const heard = (): void => {
      this.#heard.set(socket, true);
    };
    socket.onPong(heard);
    socket.onMessage(heard);
    socket.onClose(() => this.#heard.delete(socket));
  }

  /** Asks all to go; those still there after `graceMs` are cut off. */
  stop({ code, reason }: ServiceEnd, graceMs: number): void {
    this.#timer?.cancel();
    for (const socket of this.#heard.keys()) socket.close(code, reason);
    this.#timers.after(graceMs, () => {
      for (const socket of this.#heard.keys()) socket.terminate();
    });
  }

  #beat(): void {
    for (const [socket, wasHeard] of this.#heard) {
      if (!wasHeard) {
        socket.terminate();
        continue;
      }
      this.#heard.set(socket, false);
      socket.ping();
    }
  }
}
