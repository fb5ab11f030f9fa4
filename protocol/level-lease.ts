import Type, { type Static } from "typebox";
import { asciiJson } from "./ack.ts";
import type { Decoded } from "./decoded.ts";
import { LEVEL_RANK, type Level } from "./level.ts";
import { NO_OTHERS } from "./methods.ts";
import { checkStream } from "./names.ts";
import { schemaDecoder } from "./schema-check.ts";

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

const LEASE = {
  level: Type.Enum(["debug", "info", "warn", "error", "all", "none"]),
  module: Type.Optional(Type.String()),
  forMs: Type.Integer({ minimum: 0, maximum: LEASE_MS_MAX }),
};
/** A lease as it is asked for over HTTP (docs/protocol.md 14.5). */
export const LeaseSchema = Type.Object(LEASE, NO_OTHERS);
const decodeAsked = schemaDecoder(LeaseSchema);
/** Between a service and a gateway of another version (docs/protocol.md 13.9) there may be more. */
const decodeSent = schemaDecoder(Type.Object(LEASE));

/** Reads what was asked for over HTTP. */
export function decodeLeaseAsked(value: unknown): Decoded<LevelLease> {
  return leaseOf(decodeAsked(value));
}

/** Reads what a service sends to its gateways. */
export function decodeLevelLease(value: unknown): Decoded<LevelLease> {
  return leaseOf(decodeSent(value));
}

function leaseOf(decoded: Decoded<Static<typeof LeaseSchema>>): Decoded<LevelLease> {
  if (!decoded.ok) return decoded;
  const { level, module, forMs } = decoded.value;
  const checked = module === undefined ? undefined : checkStream(module, "module");
  if (checked?.ok === false) return checked;
  return { ok: true, value: { level, forMs, ...(module !== undefined && { module }) } };
}

/** What goes down to the board. */
export function encodeLevelLease({ level, module, forMs }: LevelLease): string {
  const rank = level === "all" ? 0 : level === "none" ? RANK_NOTHING : LEVEL_RANK[level];
  const only = module === undefined ? "" : `,"module":${asciiJson(JSON.stringify(module))}`;
  return `{"v":1,"level":${rank}${only},"forMs":${Math.floor(forMs)}}`;
}
