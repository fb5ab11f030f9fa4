import type { Random } from "../host/random.ts";

export interface BackoffOptions {
  readonly firstMs: number;
  readonly maxMs: number;
}

/** Waiting times that double, each with jitter so that many who failed together do not come back together. */
export class Backoff {
  readonly #random: Random;
  readonly #options: BackoffOptions;
  #nextMs: number;

  constructor(random: Random, options: BackoffOptions) {
    this.#random = random;
    this.#options = options;
    this.#nextMs = options.firstMs;
  }

  /** From half to the whole of the present step, ms. */
  takeMs(): number {
    const stepMs = this.#nextMs;
    this.#nextMs = Math.min(stepMs * 2, this.#options.maxMs);
    return stepMs * (0.5 + this.#random.fraction() / 2);
  }

  reset(): void {
    this.#nextMs = this.#options.firstMs;
  }
}
