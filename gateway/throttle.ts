import type { Clock, Timers } from "../host/clock.ts";
import type { TokenRate } from "../host/token-bucket.ts";
import type { Origin } from "./intake.ts";
import { RecentTable } from "./recent-table.ts";
import { sourceKey } from "./source-key.ts";
import { type OverRate, ThrottleLane } from "./throttle-lane.ts";

/** How much one source may bring. */
export interface SourceRate {
  /** Over time. */
  readonly entriesPerSecond: number;
  /** At once, after a quiet time. */
  readonly burstEntries: number;
}

/** Several times what a board says on a wire of 115,200 baud; a few dozen boards at their rate are what a Pi takes. */
export const SOURCE_RATE_DEFAULT: SourceRate = { entriesPerSecond: 1_000, burstEntries: 10_000 };

/** Held for their time, over all sources. */
const HELD_BYTES_MAX = 32 * 1024 * 1024;

export interface LostOverRate extends OverRate {
  readonly project: string;
  readonly src: string;
}

/** One source that floods does not move the others: each has a rate of its own. */
export class Throttle {
  readonly #clock: Clock;
  readonly #timers: Timers;
  readonly #rate: TokenRate;
  readonly #lanes: RecentTable<ThrottleLane>;
  /** Told of what was lost. */
  onLost: (lost: LostOverRate) => void = () => {};
  #heldBytes = 0;

  constructor(
    world: { readonly clock: Clock; readonly timers: Timers },
    { entriesPerSecond, burstEntries }: SourceRate,
    /** Whose use is remembered, some 300 bytes each. */
    sourcesMax: number,
  ) {
    this.#lanes = new RecentTable(sourcesMax);
    this.#clock = world.clock;
    this.#timers = world.timers;
    this.#rate = { perSecond: entriesPerSecond, burst: burstEntries };
  }

  lane({ project, src, key = sourceKey(project, src) }: Origin): ThrottleLane {
    return this.#lanes.get(key) ?? this.#newLane(project, src, key);
  }

  /** Apart from `lane`, whose every call would make what the closures share. */
  #newLane(project: string, src: string, key: string): ThrottleLane {
    const lane = new ThrottleLane(
      {
        clock: this.#clock,
        timers: this.#timers,
        rate: this.#rate,
        reserve: (sizeBytes) => this.#reserve(sizeBytes),
        release: (sizeBytes) => {
          this.#heldBytes -= sizeBytes;
        },
      },
      (lost) => this.onLost({ project, src, ...lost }),
    );
    // Where none may go, this one is as good as new at each call.
    if (!this.#lanes.isFull || this.#lanes.evict((other) => other.isIdle)) this.#lanes.set(key, lane);
    return lane;
  }

  /** Why something was lost, in words. */
  get why(): string {
    return `over the rate of a source without acks: ${this.#rate.perSecond} entries a second`;
  }

  stop(): void {
    for (const lane of this.#lanes.values()) lane.stop();
  }

  #reserve(sizeBytes: number): boolean {
    if (this.#heldBytes + sizeBytes > HELD_BYTES_MAX) return false;
    this.#heldBytes += sizeBytes;
    return true;
  }
}
