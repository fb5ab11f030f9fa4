import type { Clock } from "../host/clock.ts";
import type { ProcessLog } from "../host/log.ts";

/** How long a line of the same key is held back, ms. */
const PERIOD_MS = 60_000;
/** Keys remembered; the oldest is forgotten first, and may then speak again early. */
const KEYS_MAX = 1000;

interface Spoken {
  atMs: number;
  heldBackCount: number;
}

/** Warnings that bad input can cause: each kind once a minute, saying how many were held back. */
export class SeldomLog {
  readonly #log: ProcessLog;
  readonly #clock: Clock;
  readonly #spoken = new Map<string, Spoken>();

  constructor(log: ProcessLog, clock: Clock) {
    this.#log = log;
    this.#clock = clock;
  }

  /** @param key what counts as the same. `fields` must hold no secret and no log text of a board. */
  warn(key: string, fields: object, text: string): void {
    const nowMs = this.#clock.monotonicMs();
    const spoken = this.#spoken.get(key);
    if (spoken !== undefined && nowMs - spoken.atMs < PERIOD_MS) {
      spoken.heldBackCount += 1;
      return;
    }
    const heldBackCount = spoken?.heldBackCount ?? 0;
    this.#spoken.delete(key);
    this.#spoken.set(key, { atMs: nowMs, heldBackCount: 0 });
    if (this.#spoken.size > KEYS_MAX) {
      const oldest = this.#spoken.keys().next();
      if (!oldest.done) this.#spoken.delete(oldest.value);
    }
    this.#log.warn(heldBackCount > 0 ? { ...fields, heldBackCount } : fields, text);
  }
}
