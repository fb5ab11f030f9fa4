import type { Clock } from "../../host/clock.ts";

/** Work of one turn, ms: what another request waits for us at most, about. */
const TURN_MS_MAX = 4;
/** Others that take so long of a turn have work to do, ms. */
const BUSY_MS_MIN = 1;
/** Turns that others have in a row at most, so that long work comes to an end beside any load. */
const TURNS_MAX = 5;

/** Cuts long work into turns of the event loop. */
export class TurnKeeper {
  readonly #clock: Clock;
  readonly #yieldTurn: () => Promise<void>;
  #turnStart: number;

  constructor(clock: Clock, yieldTurn: () => Promise<void>) {
    this.#clock = clock;
    this.#yieldTurn = yieldTurn;
    this.#turnStart = clock.monotonicMs();
  }

  /** True when other work should have its turn. */
  get due(): boolean {
    return this.#clock.monotonicMs() - this.#turnStart >= TURN_MS_MAX;
  }

  /**
   * Gives other work its turn where this has taken long.
   * @param hasTime whether this may wait on: then others have some turns in a row, as long as they make use of them.
   */
  async keep(hasTime: () => boolean = () => false): Promise<void> {
    if (!this.due) return;
    for (let turns = 1; ; turns++) {
      const yielded = this.#clock.monotonicMs();
      await this.#yieldTurn();
      this.#turnStart = this.#clock.monotonicMs();
      if (turns === TURNS_MAX || this.#turnStart - yielded < BUSY_MS_MIN || !hasTime()) return;
    }
  }
}
