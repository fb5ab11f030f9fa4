import type { Timers } from "../host/clock.ts";
import { Fifo } from "./fifo.ts";
import type { Demand } from "./link.ts";

/** An input that keeps what it read, as it came, until more is wanted. */
export interface TurnTaker {
  takeTurn(): void;
}

/** Calls inputs with something to bring, in the order in which they came to wait, whenever the demand opens. */
export class DemandTurns {
  readonly #demand: Demand;
  readonly #timers: Timers;
  readonly #line = new Fifo<TurnTaker>();
  #turnOf: TurnTaker | undefined;
  #isCalled = false;

  constructor(demand: Demand, timers: Timers) {
    this.#demand = demand;
    this.#timers = timers;
    demand.onOpen(() => this.#call());
  }

  /** Who has just read something does not go before those in line. */
  isTurnOf(taker: TurnTaker): boolean {
    return this.#demand.isOpen && (this.#line.count === 0 || this.#turnOf === taker);
  }

  /** Once until its turn comes. */
  wait(taker: TurnTaker): void {
    this.#line.push(taker);
    if (this.#demand.isOpen) this.#call();
  }

  #call(): void {
    if (this.#isCalled || this.#line.count === 0) return;
    this.#isCalled = true;
    // Later: the commit that made room begins first.
    this.#timers.after(0, () => {
      this.#isCalled = false;
      this.#giveTurns();
    });
  }

  #giveTurns(): void {
    while (this.#demand.isOpen) {
      const taker = this.#line.shift();
      if (taker === undefined) return;
      this.#turnOf = taker;
      taker.takeTurn();
      this.#turnOf = undefined;
    }
  }
}
