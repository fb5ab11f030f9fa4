import { asciiJson } from "./ack.ts";
import { LEVEL_RANK, type Level } from "./level.ts";

/** Longest lease (docs/protocol.md 14.1): a day. */
export const LEASE_MS_MAX = 86_400_000;
/** Nothing is sent at all (docs/protocol.md 14.1). */
const RANK_NOTHING = 5;

/** The least level that a board sends: one of 1.4, `all` or `none` (docs/protocol.md 14.5). */
export type LeaseLevel = Level | "all" | "none";

/** How much a board is to log, for a time (docs/protocol.md 14.1). */
export interface LevelLease {
  readonly level: LeaseLevel;
  /** The one module it is for; all where absent. */
  readonly module?: string;
  /** 0 ends the lease that stands. */
  readonly forMs: number;
}

/** What goes down to the board. */
export function encodeLevelLease({ level, module, forMs }: LevelLease): string {
  const rank = level === "all" ? 0 : level === "none" ? RANK_NOTHING : LEVEL_RANK[level];
  const only = module === undefined ? "" : `,"module":${asciiJson(JSON.stringify(module))}`;
  return `{"v":1,"level":${rank}${only},"forMs":${Math.floor(forMs)}}`;
}
