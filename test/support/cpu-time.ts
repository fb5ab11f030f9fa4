import type { Clock } from "../../host/clock.ts";
import { systemClock } from "../../host/system-clock.ts";

/** CPU that this process has used, ms: what a busy machine does to the wall clock it does not do to this. */
export function cpuMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

/** On a machine that is busy a page of a walk, which may take half a second, comes back shorter than it needs to: not by this clock. */
export const cpuClock: Clock = { ...systemClock, monotonicMs: cpuMs };
