import type { Level } from "../protocol/level.ts";
import { TopicKind } from "./topic-route.ts";

/** A log line of firmware without the agent: `id seq time field|text` (docs/protocol.md 8.10). */
export interface LogLine {
  /** What the device calls itself. */
  readonly id: string;
  /** Its own number, from 0 at each boot. */
  readonly number: number;
  /** UTC ms where the device knows it, else ms since boot. */
  readonly timeMs: number;
  readonly clock: "utc" | "uptime";
  readonly level?: Level;
  readonly text: string;
}

const LINE = /^(\S{1,256}) (\d{1,16}) (\d{1,12})(?:\.(\d{1,6}))? (\d{1,3})(?: (\d{1,3}))?\|(.*)$/s;
/** Seconds from here on are UTC, as on the wire of clause 12.4: 2001-09-09. */
const UTC_S_MIN = 1_000_000_000;
/** Levels of mongoose-os: LL_ERROR 0 to LL_VERBOSE_DEBUG 4. */
const LEVELS: readonly (Level | undefined)[] = ["error", "warn", "info", "debug", "debug"];

/** Undefined for any other text. A line feed at the end belongs to the line. */
export function parseLogLine(text: string, kind: TopicKind): LogLine | undefined {
  const [, id, number, seconds, fraction = "", first, second, rest] = LINE.exec(text) ?? [];
  if (id === undefined || rest === undefined || !Number.isSafeInteger(Number(number))) return undefined;
  const wholeS = Number(seconds);
  const timeMs = wholeS * 1000 + Number(fraction.padEnd(3, "0").slice(0, 3));
  if (!Number.isSafeInteger(timeMs)) return undefined;
  // Two fields are a file descriptor and a level; a single one is either, as the firmware has it.
  const field = second ?? (kind === TopicKind.Shelly ? first : undefined);
  const level = field === undefined ? undefined : LEVELS[Number(field)];
  return {
    id,
    number: Number(number),
    timeMs,
    clock: wholeS >= UTC_S_MIN ? "utc" : "uptime",
    ...(level !== undefined && { level }),
    text: rest.replace(/\r?\n$/, ""),
  };
}
