import type { Clock, Timer, Timers } from "./clock.ts";

/** The machine's own clocks. */
export const systemClock: Clock = {
  wallMs: () => Date.now(),
  monotonicMs: () => performance.now(),
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
