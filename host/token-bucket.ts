export interface TokenRate {
  /** Tokens that come in a second. */
  readonly perSecond: number;
  /** Tokens that may gather. */
  readonly burst: number;
}

/** How much of something may be done in a time. The rate is given with each call, since it may change. */
export class TokenBucket {
  /** Below 0 after something larger than what was left: such a thing passes, and is paid for after. */
  #left: number;
  #atMs: number;

  constructor(rate: TokenRate, nowMs: number) {
    this.#left = rate.burst;
    this.#atMs = nowMs;
  }

  /** Takes the cost, as long as anything is left. */
  take(rate: TokenRate, count: number, nowMs: number): boolean {
    this.#fill(rate, nowMs);
    if (this.#left <= 0) return false;
    this.#left -= count;
    return true;
  }

  /** Ms until `tokens` are there; 0 where they are. */
  waitMs(rate: TokenRate, tokens: number, nowMs: number): number {
    this.#fill(rate, nowMs);
    return Math.max(0, Math.ceil(((tokens - this.#left) / rate.perSecond) * 1000));
  }

  #fill({ perSecond, burst }: TokenRate, nowMs: number): void {
    this.#left = Math.min(burst, this.#left + ((nowMs - this.#atMs) / 1000) * perSecond);
    this.#atMs = nowMs;
  }
}
