import type { Clock } from "../../host/clock.ts";

/** Work of one turn, ms: what another request waits for us at most, about. */
const TURN_MS_MAX = 4;

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

  /** Gives other work its turn where this has taken long. */
  async keep(): Promise<void> {
    if (!this.due) return;
    await this.#yieldTurn();
    this.#turnStart = this.#clock.monotonicMs();
  }
}
