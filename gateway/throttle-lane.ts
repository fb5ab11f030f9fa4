import type { Clock, Timer, Timers } from "../host/clock.ts";
import { TokenBucket, type TokenRate } from "../host/token-bucket.ts";
import type { Boot } from "../protocol/frame.ts";
import { Fifo } from "./fifo.ts";

/**
 * What of one source waits for its time, where nothing else bounds it: a second's worth, so that the acks come before the board sends
 * all of it again, which would use up its rate.
 */
const HELD_MS_MAX = 1_000;
const HELD_BYTES_MAX = 256 * 1024;
/** A loss is told of this late, ms, where the source says nothing more. */
const TELL_MS = 10_000;

/** Something that waits for its time. */
export interface Held {
  readonly count: number;
  readonly sizeBytes: number;
  /** Goes on with a line that came in part before. */
  readonly isContinued: boolean;
  /** Its time has come. */
  readonly run: () => void;
  /** The gateway stops. */
  readonly drop: () => void;
}

/** What a source without acks brought too much of. */
export interface OverRate {
  /** Entries without a seq. */
  readonly count: number;
  /** Up to this seq of this boot, and how many they are. */
  readonly upTo?: { readonly boot: Boot; readonly seq: number; readonly count: number };
}

/** What a lane needs of all lanes together. */
export interface LaneHost {
  readonly clock: Clock;
  readonly timers: Timers;
  readonly rate: TokenRate;
  /** False: too much is held by all together. */
  reserve(sizeBytes: number): boolean;
  release(sizeBytes: number): void;
}

/**
 * How much one source may bring. What comes over its rate waits where its sender can be made to wait, by acks that do not come; else it
 * is lost and told of. Then the source is heard again once a second's worth may come, so that its log has pieces that are whole.
 */
export class ThrottleLane {
  readonly #host: LaneHost;
  readonly #onLost: (lost: OverRate) => void;
  readonly #bucket: TokenBucket;
  readonly #held = new Fifo<Held>();
  #heldBytes = 0;
  #heldCount = 0;
  #runTimer: Timer | undefined;
  #isDry = false;
  #lostCount = 0;
  #lostUpTo: OverRate["upTo"];
  #tellTimer: Timer | undefined;

  constructor(host: LaneHost, onLost: (lost: OverRate) => void) {
    this.#host = host;
    this.#onLost = onLost;
    this.#bucket = new TokenBucket(host.rate, host.clock.monotonicMs());
  }

  /** Nothing waits here: the lane can be forgotten, and with it what the source has used up. */
  get isIdle(): boolean {
    return this.#held.count === 0 && this.#tellTimer === undefined;
  }

  /** Whether so many entries may come now; they stand behind what is held. */
  take(count: number): boolean {
    return (
      this.#held.count === 0 && this.#bucket.take(this.#host.rate, count, this.#host.clock.monotonicMs())
    );
  }

  /**
   * Keeps it until its time comes. False: there is no room.
   * @param isBounded its sender is not held back by waiting for it.
   */
  hold(held: Held, isBounded: boolean): boolean {
    const { sizeBytes, count, isContinued } = held;
    const countMax = (this.#host.rate.perSecond * HELD_MS_MAX) / 1000;
    // A line of more parts than come in a second is never whole where those behind them have to come again with it.
    const isLong = !isContinued && this.#heldCount > countMax;
    const isFull = isLong || this.#heldBytes + sizeBytes > HELD_BYTES_MAX;
    if ((isBounded && isFull) || !this.#host.reserve(sizeBytes)) return false;
    this.#held.push(held);
    this.#heldBytes += sizeBytes;
    this.#heldCount += count;
    this.#runLater();
    return true;
  }

  /** Whether so many entries may come now that cannot wait. Else they are lost, and `lose` says which. */
  takeOrLose(count: number): boolean {
    const { rate, clock } = this.#host;
    const nowMs = clock.monotonicMs();
    const pieceSize = Math.min(rate.burst, rate.perSecond);
    if (this.#isDry && this.#bucket.waitMs(rate, pieceSize, nowMs) > 0) return false;
    this.#isDry = !this.#bucket.take(rate, count, nowMs);
    if (!this.#isDry) this.#tell();
    return !this.#isDry;
  }

  /** @param upTo the last seq among what is lost; without one it is `count` entries without seqs. */
  lose(count: number, upTo?: { readonly boot: Boot; readonly seq: number }): void {
    if (upTo === undefined) this.#lostCount += count;
    else {
      if (this.#lostUpTo !== undefined && this.#lostUpTo.boot.text !== upTo.boot.text) this.#tell();
      this.#lostUpTo = { ...upTo, count: count + (this.#lostUpTo?.count ?? 0) };
    }
    this.#tellTimer ??= this.#host.timers.after(TELL_MS, () => this.#tell());
  }

  /** What is held is dropped, what was lost is told. */
  stop(): void {
    this.#runTimer?.cancel();
    this.#runTimer = undefined;
    for (let held = this.#shift(); held !== undefined; held = this.#shift()) held.drop();
    this.#tell();
  }

  #tell(): void {
    this.#tellTimer?.cancel();
    this.#tellTimer = undefined;
    const count = this.#lostCount;
    const upTo = this.#lostUpTo;
    this.#lostCount = 0;
    this.#lostUpTo = undefined;
    if (count > 0 || upTo !== undefined) this.#onLost({ count, ...(upTo !== undefined && { upTo }) });
  }

  #runLater(): void {
    const { rate, clock, timers } = this.#host;
    this.#runTimer ??= timers.after(this.#bucket.waitMs(rate, 1, clock.monotonicMs()), () => {
      this.#runTimer = undefined;
      this.#runHeld();
    });
  }

  #runHeld(): void {
    const { rate, clock } = this.#host;
    for (let next = this.#held.peek(); next !== undefined; next = this.#held.peek()) {
      if (!this.#bucket.take(rate, next.count, clock.monotonicMs())) {
        this.#runLater();
        return;
      }
      this.#shift()?.run();
    }
  }

  #shift(): Held | undefined {
    const held = this.#held.shift();
    if (held === undefined) return undefined;
    this.#heldBytes -= held.sizeBytes;
    this.#heldCount -= held.count;
    this.#host.release(held.sizeBytes);
    return held;
  }
}
