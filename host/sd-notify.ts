import { execFile } from "node:child_process";
import type { Timer, Timers } from "./clock.ts";

/** Says to the service manager how the process is (sd_notify(3)). Harmless where nobody asked (`NOTIFY_SOCKET`). */
export interface ServiceManager {
  /** `READY=1`, `STOPPING=1`, `STATUS=...`, `WATCHDOG=1`. Never rejects: a manager that does not listen changes nothing. */
  notify(...assignments: readonly string[]): Promise<void>;
  /** How often the manager wants `WATCHDOG=1`, ms; undefined where it does not. */
  readonly watchdogMs: number | undefined;
}

/** Longest time for the helper to pass a message on. */
const NOTIFY_MS_MAX = 5_000;

/** Node has no datagram sockets of files: systemd's own helper speaks for us, so the unit needs `NotifyAccess=all`. */
export function systemdManager(env: NodeJS.ProcessEnv): ServiceManager {
  const isHeard = env.NOTIFY_SOCKET !== undefined;
  const watchdogUs = Number(env.WATCHDOG_USEC);
  return {
    watchdogMs: isHeard && watchdogUs > 0 ? watchdogUs / 1_000 : undefined,
    notify: (...assignments) =>
      isHeard
        ? new Promise((resolve) => {
            execFile(
              "systemd-notify",
              [`--pid=${process.pid}`, ...assignments],
              { env, timeout: NOTIFY_MS_MAX },
              () => resolve(),
            );
          })
        : Promise.resolve(),
  };
}

/** Feeds the manager's watchdog at half its time, but only while `isWell` says so: else the process is started anew. */
export function feedWatchdog(manager: ServiceManager, timers: Timers, isWell: () => boolean): Timer {
  const { watchdogMs } = manager;
  if (watchdogMs === undefined) return { cancel: () => {} };
  return timers.every(watchdogMs / 2, () => {
    if (isWell()) void manager.notify("WATCHDOG=1");
  });
}
