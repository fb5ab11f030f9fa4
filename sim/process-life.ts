import type { Timer, Timers } from "../host/clock.ts";

/** One life of a simulated process or board: killed, none of its timers fires any more and nobody hears it. */
export class ProcessLife implements Timers {
  readonly #timers: Timers;
  #alive = true;

  constructor(timers: Timers) {
    this.#timers = timers;
  }

  get isAlive(): boolean {
    return this.#alive;
  }

  kill(): void {
    this.#alive = false;
  }

  after(delayMs: number, action: () => void): Timer {
    return this.#timers.after(delayMs, () => {
      if (this.#alive) action();
    });
  }

  every(periodMs: number, action: () => void): Timer {
    const timer = this.#timers.every(periodMs, () => {
      if (this.#alive) action();
      else timer.cancel();
    });
    return timer;
  }

  /** What the outside answers; never settles for one who is dead by then. */
  hear<Value>(promise: Promise<Value>): Promise<Value> {
    return new Promise((resolve, reject) => {
      promise.then(
        (value) => this.#alive && resolve(value),
        (error: unknown) => this.#alive && reject(error),
      );
    });
  }
}

/** Never settles: what a dead process waits for. */
export function never<Value>(): Promise<Value> {
  return new Promise(() => {});
}
