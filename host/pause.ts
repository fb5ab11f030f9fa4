import type { Timers } from "./clock.ts";

/** Resolves after so long. */
export function pause(timers: Timers, ms: number): Promise<void> {
  return new Promise((resolve) => void timers.after(ms, resolve));
}
