import { UserError } from "./user-error.ts";

const UNIT_MS = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000 } as const;

/**
 * Reads `10m`, `1h30m`, `2d` (that long ago), `14:05`, `2025-11-22`, `2025-11-22 14:05[:06]` (local time), RFC 3339, `now`,
 * `today`, `yesterday` and ms since the epoch. @returns UTC ms
 */
export function parseTime(flag: string, text: string, nowMs: number): number {
  const midnight = new Date(nowMs).setHours(0, 0, 0, 0);
  if (text === "now") return nowMs;
  if (text === "today") return midnight;
  if (text === "yesterday") return new Date(midnight - UNIT_MS.d / 2).setHours(0, 0, 0, 0);
  const agoMs = parseDuration(text);
  if (agoMs !== undefined) return nowMs - agoMs;
  if (/^\d{12,16}$/.test(text)) return Number(text);
  const clock = /^(\d{1,2}):(\d\d)(?::(\d\d))?$/.exec(text);
  if (clock !== null) {
    const [hours, minutes, seconds] = clock.slice(1).map((part) => Number(part ?? 0)) as [
      number,
      number,
      number,
    ];
    if (hours < 24 && minutes < 60 && seconds < 60)
      return new Date(midnight).setHours(hours, minutes, seconds);
  }
  const isDate = /^\d{4}-\d\d-\d\d$/.test(text);
  // Without a zone a date and time is local; JavaScript takes a bare date for UTC.
  const ms = /^\d{4}-\d\d-\d\d([T ]\d\d:\d\d|$)/.test(text)
    ? Date.parse(isDate ? `${text}T00:00` : text.replace(" ", "T"))
    : Number.NaN;
  if (!Number.isNaN(ms)) return ms;
  throw new UserError(
    `${flag}: ${text} is no time; say 10m, 2h, 3d (ago), 14:05, yesterday, 2025-11-22 or "2025-11-22 14:05"`,
  );
}

/** `90s`, `10m`, `1h30m` in ms, or undefined. */
export function parseDuration(text: string): number | undefined {
  const parts = [...text.matchAll(/(\d{1,9}(?:\.\d+)?)\s*([smhdw])/gy)];
  if (parts.length === 0 || parts.map(([part]) => part).join("") !== text) return undefined;
  return parts.reduce(
    (sum, [, count, unit]) => sum + Number(count) * UNIT_MS[unit as keyof typeof UNIT_MS],
    0,
  );
}
