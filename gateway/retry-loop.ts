import type { Timer, Timers } from "../host/clock.ts";
import type { Random } from "../host/random.ts";
import { Backoff } from "./backoff.ts";
import { Pauses } from "./pauses.ts";

export interface RetryLoopOptions {
  /** Does what there is to do; called again as soon as it has resolved, and after a while when it has rejected. */
  readonly turn: () => Promise<void>;
  /**
   * Told why a turn failed.
   * @param isNews other words than the time before, or the first since all was well: to be said once, however long it lasts.
   * @returns the least to wait before the next turn, ms; the back-off may be longer.
   */
  readonly onFailed: (error: unknown, reason: string, isNews: boolean) => number;
}

const RETRY = { firstMs: 500, maxMs: 15_000 };

/** Turns until a stop, one after the other; after one that failed a pause, longer each time. */
export class RetryLoop {
  readonly #timers: Timers;
  readonly #backoff: Backoff;
  readonly #pauses: Pauses;
  readonly #options: RetryLoopOptions;
  #wake: () => void = () => {};
  #isStopping = false;
  #problem: string | undefined;
  #running: Promise<void> | undefined;

  constructor(world: { readonly timers: Timers; readonly random: Random }, options: RetryLoopOptions) {
    this.#timers = world.timers;
    this.#backoff = new Backoff(world.random, RETRY);
    this.#pauses = new Pauses(world.timers);
    this.#options = options;
  }

  get isStopping(): boolean {
    return this.#isStopping;
  }

  /** Why the last turn failed; undefined while all is well. */
  get problem(): string | undefined {
    return this.#problem;
  }

  start(): void {
    this.#running = this.#run();
  }

  /** Ends after the turn that is under way, then `close`; at the deadline without waiting for either. */
  async stop(deadlineMs: number, close: () => Promise<void> | void = () => {}): Promise<void> {
    this.#isStopping = true;
    this.#pauses.end();
    this.#wake();
    let timer: Timer | undefined;
    const late = new Promise<void>((resolve) => {
      timer = this.#timers.after(deadlineMs, resolve);
    });
    await Promise.race([this.#running, late]);
    await Promise.race([close(), late]);
    timer?.cancel();
  }

  /** For a turn that waits: what it waits for may be there. */
  wake(): void {
    this.#wake();
  }

  /** Resolves when this is so, as far as `wake` tells, or at a stop. */
  async until(isReady: () => boolean): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
      if (this.#isStopping || isReady()) resolve();
    });
  }

  /** Resolves after so long, or at a stop. */
  pause(delayMs: number): Promise<void> {
    return this.#pauses.pause(delayMs);
  }

  /** Something went through: the next failure is tried again soon. */
  resetBackoff(): void {
    this.#backoff.reset();
  }

  /** All is well. @returns whether it was not. */
  endProblem(): boolean {
    const hadProblem = this.#problem !== undefined;
    this.#problem = undefined;
    return hadProblem;
  }

  async #run(): Promise<void> {
    while (!this.#isStopping) {
      try {
        await this.#options.turn();
      } catch (error) {
        if (this.#isStopping) return;
        const reason = error instanceof Error ? error.message : String(error);
        const isNews = reason !== this.#problem;
        this.#problem = reason;
        const leastMs = this.#options.onFailed(error, reason, isNews);
        await this.#pauses.pause(Math.max(this.#backoff.takeMs(), leastMs));
      }
    }
  }
}
