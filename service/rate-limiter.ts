import type { Clock } from "../host/clock.ts";
import { type Caller, mayDo } from "./auth/caller.ts";

/** A key may be this long ahead of its rate: pages and boards come in bursts. */
const BURST_SECONDS = 2;

interface Bucket {
  /** Commands that may be sent at once. Below 0 after a frame larger than what was left: such a frame passes, and is paid for after. */
  left: number;
  atMs: number;
}

/** What a key may send in a time. Tokens count as the key they are signed with. */
export class RateLimiter {
  readonly #clock: Clock;
  readonly #ratePerSecond: number | undefined;
  /** Of limited keys that were used; bounded by the number of keys. */
  readonly #buckets = new Map<string, Bucket>();

  /** @param ratePerSecond commands a second of keys without a rate of their own; admin keys and an absent rate are not limited. */
  constructor(clock: Clock, ratePerSecond?: number) {
    this.#clock = clock;
    this.#ratePerSecond = ratePerSecond;
  }

  /** Takes the cost of a request, or says how long to wait for another try, in ms; 0 where it was taken. */
  take(caller: Caller, commandCount: number): number {
    const rate = caller.ratePerSecond ?? (mayDo(caller, "admin") ? undefined : this.#ratePerSecond);
    if (rate === undefined) return 0;
    const nowMs = this.#clock.monotonicMs();
    const full = Math.max(1, rate * BURST_SECONDS);
    const bucket = this.#buckets.get(caller.keyId) ?? { left: full, atMs: nowMs };
    this.#buckets.set(caller.keyId, bucket);
    bucket.left = Math.min(full, bucket.left + ((nowMs - bucket.atMs) / 1000) * rate);
    bucket.atMs = nowMs;
    if (bucket.left <= 0) return Math.ceil(((1 - bucket.left) / rate) * 1000);
    bucket.left -= Math.max(1, commandCount);
    return 0;
  }
}
