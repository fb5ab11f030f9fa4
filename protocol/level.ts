/** Severity of an entry (docs/protocol.md 1.4). The numbers are Golioth's, so that "this and above" is a comparison. */
export const LEVEL_RANK = { debug: 1, info: 2, warn: 3, error: 4 } as const;

export type Level = keyof typeof LEVEL_RANK;

export const LEVELS: readonly Level[] = ["debug", "info", "warn", "error"];

/** The level named by `text` in any case of letters, or undefined. */
export function parseLevel(text: string): Level | undefined {
  const lower = text.toLowerCase();
  return Object.hasOwn(LEVEL_RANK, lower) ? (lower as Level) : undefined;
}
