import type { Clock, Timer, Timers } from "../host/clock.ts";
import type { Counters } from "../host/counters.ts";
import type { ProcessLog } from "../host/log.ts";

/** Before this a wall clock was never set, whatever the machine says. 2020-01-01T00:00Z. */
const WALL_MS_MIN = 1_577_836_800_000;
/** A clock that is only slewed gains less between two looks than this. */
const STEP_MS_MIN = 500;
/** A step seems larger by what the clock was slewed since the last look: 500 parts in a million. */
const SLEW = 5e-4;
const LOOK_MS = 1_000;

/** What the machine knows of its clock; undefined: it cannot tell. */
export type AskSynchronised = () => Promise<boolean | undefined>;

/** When something came. */
export interface Receipt {
  /** The gateway's wall clock, UTC ms. */
  readonly wallMs: number;
  /** Its monotonic clock, ms. */
  readonly monotonicMs: number;
  /** Somebody had set the wall clock. */
  readonly isWallSet: boolean;
}

/** The gateway's own clock, which nobody may have set yet, and which may step (docs/protocol.md 5.9). */
export class WallClock {
  readonly #clock: Clock;
  readonly #timers: Timers;
  readonly #counters: Counters;
  readonly #log: ProcessLog;
  readonly #ask: AskSynchronised | undefined;
  /** Once it was, it stays so: it runs on well enough without anybody to follow. */
  #isSynchronised: boolean;
  #offsetMs: number | undefined;
  #lookedMs = 0;
  #timer: Timer | undefined;
  #isStopped = false;
  #listeners: (() => void)[] = [];

  /** @param askSynchronised where it is missing, a clock that shows a plausible time was set. */
  constructor(
    world: {
      readonly clock: Clock;
      readonly timers: Timers;
      readonly counters: Counters;
      readonly log: ProcessLog;
    },
    askSynchronised?: AskSynchronised,
  ) {
    this.#clock = world.clock;
    this.#timers = world.timers;
    this.#counters = world.counters;
    this.#log = world.log;
    this.#ask = askSynchronised;
    this.#isSynchronised = askSynchronised === undefined;
  }

  /** Asks the machine, and goes on asking until the clock is set. */
  async start(): Promise<void> {
    await this.#look();
    if (!this.isSet)
      this.#log.warn(
        { wallMs: this.#clock.wallMs() },
        "the clock of this machine was not set yet; lines are dated once it is",
      );
  }

  stop(): void {
    this.#isStopped = true;
    this.#timer?.cancel();
  }

  get isSet(): boolean {
    return this.#isSynchronised && this.#clock.wallMs() >= WALL_MS_MIN;
  }

  /** UTC ms for boards; undefined while nobody has set the clock. */
  utcMs(): number | undefined {
    return this.isSet ? this.#clock.wallMs() : undefined;
  }

  /** Wall less monotonic clock now, ms. */
  get offsetMs(): number {
    return this.#clock.wallMs() - this.#clock.monotonicMs();
  }

  monotonicMs(): number {
    return this.#clock.monotonicMs();
  }

  receipt(): Receipt {
    const wallMs = this.#clock.wallMs();
    const monotonicMs = this.#clock.monotonicMs();
    this.#watchStep(wallMs - monotonicMs, monotonicMs);
    return { wallMs, monotonicMs, isWallSet: this.#isSynchronised && wallMs >= WALL_MS_MIN };
  }

  /** Calls back once, when the clock is set; at once where it is. */
  onSet(listener: () => void): void {
    if (this.isSet) listener();
    else this.#listeners.push(listener);
  }

  async #look(): Promise<void> {
    if (!this.#isSynchronised) this.#isSynchronised = (await this.#ask?.()) ?? true;
    this.receipt();
    if (this.isSet) {
      for (const listener of this.#listeners.splice(0)) listener();
    } else if (!this.#isStopped) {
      this.#timer = this.#timers.after(LOOK_MS, () => void this.#look());
    }
  }

  #watchStep(offsetMs: number, nowMs: number): void {
    const before = this.#offsetMs;
    const slewedMs = (nowMs - this.#lookedMs) * SLEW;
    this.#offsetMs = offsetMs;
    this.#lookedMs = nowMs;
    if (before === undefined) return;
    const byMs = offsetMs - before;
    if (Math.abs(byMs) < STEP_MS_MIN + slewedMs) return;
    this.#counters.add("gateway_clock_steps_total");
    this.#log.warn({ byMs: Math.round(byMs) }, "the clock of this machine was stepped");
    // By somebody who knew better, if only a person.
    this.#isSynchronised = true;
  }
}
