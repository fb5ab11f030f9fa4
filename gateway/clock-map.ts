/** Differences are kept by the minute, and ten minutes count: a crystal drifts less than a frame's latency in that time. */
const BUCKET_MS = 60_000;
const BUCKETS_MAX = 10;
/** The worst clock that a board is believed to have: an RC oscillator, minutes a day. */
const DRIFT_MAX = 1e-3;
/** Acks that the board may still tell of. */
const ACKS_MAX = 16;
/** A board's clock counts whole ms: what it says may be this much older. */
const GRAIN_MS = 1;
/** Clocks of many boards count ms in 32 bits, and begin again after 49.7 days. */
const WRAP_MS = 2 ** 32;

interface Bucket {
  readonly index: number;
  /** Least difference seen in that minute, ms. */
  offsetMs: number;
}

/** A bound of the offset, as seen at a moment on the board's clock; further away it is wider by what a clock may drift. */
interface Bound {
  readonly offsetMs: number;
  readonly uptimeMs: number;
}

/** What the gateway's wall clock says. */
export interface WallReading {
  /** What the gateway's two clocks differ by now. */
  readonly wallMinusMonotonicMs: number;
  /** Somebody set it. */
  readonly isSet: boolean;
}

export interface MappedTime {
  /** UTC ms. */
  readonly timestamp: number;
  /** Bound of its error in ms, the gateway's own clock taken as right; absent before the first round trip. */
  readonly clockError?: number;
}

/**
 * Maps one boot's uptime to the gateway's time. A frame says what the board's clock was when it was sent; the difference to the
 * time of receipt is the offset and the way's latency, so the least difference of the last minutes is the nearest to the
 * offset. A frame whose `first` has moved says that an ack had come, so that it was sent after that ack: the offset is not less than
 * that difference. Between the two lies the truth (docs/protocol.md 5.8). It counts on the gateway's monotonic clock, which no clock step
 * moves.
 */
export class ClockMap {
  readonly #buckets: Bucket[] = [];
  /** Of all buckets. */
  #leastMs = 0;
  #upper: Bound | undefined;
  #lower: Bound | undefined;
  /** What was acked when, ascending. */
  readonly #acks: { seq: number; readonly sentMs: number }[] = [];
  /** What a gateway before this one may have acked, which then is no news of an ack of ours. */
  #earlierMark = 0;
  #first = 0;
  #lastMs = Number.NEGATIVE_INFINITY;
  #wasSet = false;
  #lastWallMs = 0;
  /** What the board's clock said last, and what it has lost by beginning again. */
  #newestUptimeMs: number | undefined;
  #wrappedMs = 0;

  /** A frame with `now` = `uptimeMs` on the board's clock, holding lines from `first` on, came at `monotonicMs` on the gateway's. */
  observe(saidUptimeMs: number, monotonicMs: number, first?: number): void {
    const uptimeMs = this.#unwrapFrame(saidUptimeMs);
    const index = Math.floor(monotonicMs / BUCKET_MS);
    const offsetMs = monotonicMs - uptimeMs;
    const newest = this.#buckets.at(-1);
    if (newest !== undefined && newest.index >= index) newest.offsetMs = Math.min(newest.offsetMs, offsetMs);
    else this.#buckets.push({ index, offsetMs });
    while ((this.#buckets[0]?.index ?? index) <= index - BUCKETS_MAX) this.#buckets.shift();
    this.#leastMs = Math.min(...this.#buckets.map((bucket) => bucket.offsetMs));
    if (this.#upper === undefined || offsetMs <= widest(this.#upper, uptimeMs, 1))
      this.#upper = { offsetMs, uptimeMs };
    if (first !== undefined) this.#hearFirst(first, uptimeMs);
    this.#dropContradiction(uptimeMs);
  }

  /** All up to `seq` was stored before this map heard of the boot: an ack of it may have reached the board at any time. */
  beganAt(seq: number): void {
    this.#earlierMark = Math.max(this.#earlierMark, seq);
  }

  /** All up to `seq` is acked by what is sent at `monotonicMs`. */
  acked(seq: number, monotonicMs: number): void {
    const last = this.#acks.at(-1);
    if (last !== undefined && seq <= last.seq) return;
    // The earlier time holds for the later ack too; it says less.
    if (last !== undefined && this.#acks.length >= ACKS_MAX) last.seq = seq;
    else this.#acks.push({ seq, sentMs: monotonicMs });
  }

  /**
   * A moment on the board's clock, or undefined before any frame. Never falls from call to call, so that a later seq never gets an
   * earlier timestamp. Where the gateway's clock is set for the first time, what waited for that moves by as much (5.9).
   */
  map(saidUptimeMs: number, { wallMinusMonotonicMs, isSet }: WallReading): MappedTime | undefined {
    if (this.#upper === undefined) return undefined;
    const uptimeMs = this.#unwrapLine(saidUptimeMs);
    const upper = widest(this.#upper, uptimeMs, 1);
    const lower = this.#lower === undefined ? undefined : widest(this.#lower, uptimeMs, -1);
    const offsetMs = Math.min(Math.max(this.#leastMs, lower ?? this.#leastMs), upper);
    const utcMs = Math.max(0, Math.round(uptimeMs + offsetMs + wallMinusMonotonicMs));
    // What waited is moved by as much.
    if (isSet && !this.#wasSet) this.#lastMs += Math.round(wallMinusMonotonicMs - this.#lastWallMs);
    this.#wasSet = isSet;
    this.#lastWallMs = wallMinusMonotonicMs;
    const timestamp = Math.max(this.#lastMs, utcMs);
    this.#lastMs = timestamp;
    if (lower === undefined) return { timestamp };
    const spread = Math.max(upper - offsetMs, offsetMs - lower) + GRAIN_MS;
    return { timestamp, clockError: Math.ceil(spread + timestamp - utcMs) };
  }

  /** Frames come nearly in order: one whose clock is half a round behind the one before it was sent after the clock began again. */
  #unwrapFrame(uptimeMs: number): number {
    const ahead = uptimeMs - (this.#newestUptimeMs ?? uptimeMs);
    // One that was overtaken by another from after it.
    if (ahead > WRAP_MS / 2 && this.#wrappedMs > 0) return uptimeMs + this.#wrappedMs - WRAP_MS;
    if (ahead < -WRAP_MS / 2) this.#wrappedMs += WRAP_MS;
    this.#newestUptimeMs = uptimeMs;
    return uptimeMs + this.#wrappedMs;
  }

  /** A line was logged before its frame was sent: where its clock is far ahead, the board's has begun again in between. */
  #unwrapLine(uptimeMs: number): number {
    const ahead = uptimeMs - (this.#newestUptimeMs ?? uptimeMs);
    return uptimeMs + this.#wrappedMs - (ahead > WRAP_MS / 2 ? WRAP_MS : 0);
  }

  /** The first ack that the board must have had before it sent this. */
  #hearFirst(first: number, uptimeMs: number): void {
    if (first <= this.#first) return;
    this.#first = first;
    if (first - 1 <= this.#earlierMark) return;
    while ((this.#acks[0]?.seq ?? Number.POSITIVE_INFINITY) < first - 1) this.#acks.shift();
    const ack = this.#acks[0];
    if (ack === undefined) return;
    const offsetMs = ack.sentMs - uptimeMs - GRAIN_MS;
    if (this.#lower === undefined || offsetMs >= widest(this.#lower, uptimeMs, -1))
      this.#lower = { offsetMs, uptimeMs };
  }

  /** A clock that drifts by more than any, or lines that went without an ack: then the way back says nothing. */
  #dropContradiction(uptimeMs: number): void {
    if (this.#upper === undefined || this.#lower === undefined) return;
    if (widest(this.#lower, uptimeMs, -1) > widest(this.#upper, uptimeMs, 1)) this.#lower = undefined;
  }
}

function widest({ offsetMs, uptimeMs }: Bound, atUptimeMs: number, sign: 1 | -1): number {
  return offsetMs + sign * DRIFT_MAX * Math.abs(atUptimeMs - uptimeMs);
}
