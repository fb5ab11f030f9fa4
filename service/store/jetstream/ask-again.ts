import type { Clock, Timers } from "../../../host/clock.ts";

export interface AskingAgain {
  readonly clock: Clock;
  readonly timers: Timers;
  /** After this nothing is asked again, ms. */
  readonly forMs: number;
  readonly pauseMs: number;
  /** Whether another time may go better. */
  readonly isWorthIt: (error: unknown) => boolean;
  /** Before each pause. */
  readonly onRefusal?: (error: unknown) => void;
}

/** Does `ask`, and again where it was refused, for a while. Only for what may be done twice. @throws what `ask` threw last */
export async function askAgain<T>(
  { clock, timers, forMs, pauseMs, isWorthIt, onRefusal }: AskingAgain,
  ask: () => Promise<T>,
): Promise<T> {
  const untilMs = clock.monotonicMs() + forMs;
  for (;;) {
    try {
      return await ask();
    } catch (error) {
      if (clock.monotonicMs() >= untilMs || !isWorthIt(error)) throw error;
      onRefusal?.(error);
      await new Promise<void>((resolve) => void timers.after(pauseMs, resolve));
    }
  }
}
