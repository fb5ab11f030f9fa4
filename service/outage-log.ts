import type { Clock } from "../host/clock.ts";
import type { ProcessLog } from "../host/log.ts";
import { StoreFull, type StoreUnavailable } from "./store/log-store.ts";

/** A line for each refused frame would fill the disk that is short of room. */
const SAID_AGAIN_MS = 60_000;

/** Says in the process's log that the store takes nothing, once in a while however many callers are refused. */
export class OutageLog {
  readonly #log: ProcessLog;
  readonly #clock: Clock;
  #saidMs = Number.NEGATIVE_INFINITY;
  #unsaidCount = 0;

  constructor({ log, clock }: { readonly log: ProcessLog; readonly clock: Clock }) {
    this.#log = log;
    this.#clock = clock;
  }

  /** A caller was refused for it. */
  met(error: StoreUnavailable): void {
    // The store itself says when its disk fills up and when there is room again.
    if (error instanceof StoreFull) return;
    const nowMs = this.#clock.monotonicMs();
    if (nowMs < this.#saidMs + SAID_AGAIN_MS) {
      this.#unsaidCount += 1;
      return;
    }
    this.#log.warn({ error, refusedSince: this.#unsaidCount }, "the store is unavailable");
    this.#saidMs = nowMs;
    this.#unsaidCount = 0;
  }
}
