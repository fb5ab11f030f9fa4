import type { Clock, Timer, Timers } from "./clock.ts";

/** From the start of the machine to that of the clock which costs least to read. */
const START_MS = Number(process.hrtime.bigint()) / 1e6 - performance.now();

/** The machine's own clocks. The monotonic one counts from the machine's start: it goes on over restarts of the process. */
export const systemClock: Clock = {
  wallMs: () => Date.now(),
  monotonicMs: () => START_MS + performance.now(),
};

/** Node's timers. None keeps the process alive: what listens does. */
export const systemTimers: Timers = {
  after: (delayMs, action) => {
    const timeout = setTimeout(action, delayMs);
    return cancelable(timeout, clearTimeout);
  },
  every: (periodMs, action) => {
    const interval = setInterval(action, periodMs);
    return cancelable(interval, clearInterval);
  },
};

function cancelable(timeout: NodeJS.Timeout, clear: (timeout: NodeJS.Timeout) => void): Timer {
  timeout.unref();
  return { cancel: () => clear(timeout) };
}
