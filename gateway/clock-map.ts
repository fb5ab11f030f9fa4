/** Differences are kept by the minute, and ten minutes count: a crystal drifts less than a frame's latency in that time. */
const BUCKET_MS = 60_000;
const BUCKETS_MAX = 10;

interface Bucket {
  readonly index: number;
  /** Least difference seen in that minute, ms. */
  offsetMs: number;
}

/**
 * Maps one boot's uptime to the gateway's time. A frame says what the board's clock was when it was sent; the difference to the
 * time of receipt is the offset and the way's latency, so the least difference of the last minutes is the nearest to the
 * offset. It counts on the gateway's monotonic clock, which no clock step moves (docs/protocol.md 3.6, 4.1).
 */
export class ClockMap {
  readonly #buckets: Bucket[] = [];
  #lastMs = Number.NEGATIVE_INFINITY;

  /** A frame with `now` = `uptimeMs` on the board's clock came at `monotonicMs` on the gateway's. */
  observe(uptimeMs: number, monotonicMs: number): void {
    const index = Math.floor(monotonicMs / BUCKET_MS);
    const offsetMs = monotonicMs - uptimeMs;
    const newest = this.#buckets.at(-1);
    if (newest !== undefined && newest.index >= index) newest.offsetMs = Math.min(newest.offsetMs, offsetMs);
    else this.#buckets.push({ index, offsetMs });
    while ((this.#buckets[0]?.index ?? index) <= index - BUCKETS_MAX) this.#buckets.shift();
  }

  /**
   * UTC ms of a moment on the board's clock, or undefined before any frame. Never falls from call to call, so that a later seq
   * never gets an earlier timestamp.
   * @param wallMinusMonotonicMs what the gateway's two clocks differ by now.
   */
  utcMs(uptimeMs: number, wallMinusMonotonicMs: number): number | undefined {
    if (this.#buckets.length === 0) return undefined;
    const offsetMs = Math.min(...this.#buckets.map((bucket) => bucket.offsetMs));
    const utcMs = Math.max(0, Math.round(uptimeMs + offsetMs + wallMinusMonotonicMs));
    this.#lastMs = Math.max(this.#lastMs, utcMs);
    return this.#lastMs;
  }
}
