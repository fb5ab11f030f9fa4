/** What time it is. The simulator gives a virtual one; only `host/system-clock.ts` reads the machine's. */
export interface Clock {
  /** UTC in integer ms; may jump. */
  wallMs(): number;
  /** Ms from an arbitrary start; never falls, may have a fraction. */
  monotonicMs(): number;
}

export interface Timer {
  /** Forgets the timer; harmless after it fired. */
  cancel(): void;
}

/** Deferred calls, on the same time as the `Clock` they come with. */
export interface Timers {
  after(delayMs: number, action: () => void): Timer;
  /** First after one whole period. */
  every(periodMs: number, action: () => void): Timer;
}
