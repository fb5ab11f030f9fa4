import type { LeaseLevel } from "../protocol/level-lease.ts";

/** What `boardlog level` takes; `default` ends a lease. */
export const LEASE_LEVELS: readonly (LeaseLevel | "default")[] = [
  "debug",
  "info",
  "warn",
  "error",
  "all",
  "none",
  "default",
];
