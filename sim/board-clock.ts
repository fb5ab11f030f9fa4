import type { Clock } from "../host/clock.ts";

/** A board's own clocks: a crystal that drifts, and a wall clock that is unknown, right, wrong or stepped. */
export class BoardClock implements Clock {
  readonly #real: Clock;
  readonly #drift: number;
  /** Wall minus true time, ms; undefined while it is not set. */
  #offsetMs: number | undefined;

  /** @param drift relative: 1e-4 is 100 parts in a million. */
  constructor(real: Clock, options: { readonly drift: number; readonly knowsUtc: boolean }) {
    this.#real = real;
    this.#drift = options.drift;
    this.#offsetMs = options.knowsUtc ? 0 : undefined;
  }

  /** 0 while unknown. */
  wallMs(): number {
    return this.#offsetMs === undefined ? 0 : Math.max(1, Math.floor(this.#real.wallMs() + this.#offsetMs));
  }

  monotonicMs(): number {
    return this.#real.monotonicMs() * (1 + this.#drift);
  }

  setWall(utcMs: number): void {
    this.#offsetMs = utcMs - this.#real.wallMs();
  }

  step(byMs: number): void {
    if (this.#offsetMs !== undefined) this.#offsetMs += byMs;
  }
}

/** The gateway's clocks: the wall clock may step, and may never have been set; the monotonic one goes on. */
export class SteppedClock implements Clock {
  readonly #real: Clock;
  #offsetMs = 0;

  constructor(real: Clock) {
    this.#real = real;
  }

  wallMs(): number {
    return Math.max(0, this.#real.wallMs() + this.#offsetMs);
  }

  monotonicMs(): number {
    return this.#real.monotonicMs();
  }

  /** @param offsetMs wall minus true time from now on. */
  setOffset(offsetMs: number): void {
    this.#offsetMs = Math.round(offsetMs);
  }
}
