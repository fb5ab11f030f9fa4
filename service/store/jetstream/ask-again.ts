import type { Clock, Timers } from "../../../host/clock.ts";
import { pause } from "../../../host/pause.ts";

/** Does what may be done twice. */
export type DoStep = <T>(step: () => Promise<T>) => Promise<T>;

export interface AskingAgain {
  readonly clock: Clock;
  readonly timers: Timers;
  /** After this nothing is asked again, on the monotonic clock. */
  readonly untilMs: number;
  readonly pauseMs: number;
  /** Whether another time may go better. */
  readonly isWorthIt: (error: unknown) => boolean;
  /** Before each pause. */
  readonly onRefusal?: (error: unknown) => void;
}

/** Does `ask`, and again where it was refused, for a while. Only for what may be done twice. @throws what `ask` threw last */
export async function askAgain<T>(
  { clock, timers, untilMs, pauseMs, isWorthIt, onRefusal }: AskingAgain,
  ask: () => Promise<T>,
): Promise<T> {
  for (;;) {
    try {
      return await ask();
    } catch (error) {
      if (clock.monotonicMs() >= untilMs || !isWorthIt(error)) throw error;
      onRefusal?.(error);
      await pause(timers, pauseMs);
    }
  }
}
