import type { Clock } from "../host/clock.ts";
import { TokenBucket } from "../host/token-bucket.ts";
import { type Caller, mayDo } from "./auth/caller.ts";

/** A key may be this long ahead of its rate: pages and boards come in bursts. */
const BURST_SECONDS = 2;

export function slowDownText(afterMs: number): string {
  return `slow down: this key has sent too much; try again in ${afterMs} ms`;
}

/** What a key may send in a time. Tokens count as the key they are signed with. */
export class RateLimiter {
  readonly #clock: Clock;
  readonly #ratePerSecond: number | undefined;
  /** Of limited keys that were used; bounded by the number of keys. */
  readonly #buckets = new Map<string, TokenBucket>();

  /** @param ratePerSecond commands a second of keys without a rate of their own; admin keys and an absent rate are not limited. */
  constructor(clock: Clock, ratePerSecond?: number) {
    this.#clock = clock;
    this.#ratePerSecond = ratePerSecond;
  }

  /** Takes the cost of a request, or says how long to wait for another try, in ms; 0 where it was taken. */
  take(caller: Caller, commandCount: number): number {
    const perSecond = caller.ratePerSecond ?? (mayDo(caller, "admin") ? undefined : this.#ratePerSecond);
    if (perSecond === undefined) return 0;
    const nowMs = this.#clock.monotonicMs();
    const rate = { perSecond, burst: Math.max(1, perSecond * BURST_SECONDS) };
    const bucket = this.#buckets.get(caller.keyId) ?? new TokenBucket(rate, nowMs);
    this.#buckets.set(caller.keyId, bucket);
    return bucket.take(rate, Math.max(1, commandCount), nowMs) ? 0 : bucket.waitMs(rate, 1, nowMs);
  }
}
