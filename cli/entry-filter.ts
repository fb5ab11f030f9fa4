import { LEVEL_RANK, type Level, parseLevel } from "../protocol/level.ts";
import type { ShownEntry } from "./entry-line.ts";
import { UserError } from "./user-error.ts";

/** Filters of `tail` and `list`. */
export interface EntryFilter {
  /** This level and above; an entry without a level does not pass. */
  readonly level?: string;
  /** A regular expression over the text. */
  readonly grep?: string;
  readonly stream?: string;
}

export function makeFilter(filter: EntryFilter): (entry: ShownEntry) => boolean {
  const least = filter.level === undefined ? undefined : levelOf(filter.level);
  const pattern = filter.grep === undefined ? undefined : patternOf(filter.grep);
  return (entry) => {
    if (filter.stream !== undefined && entry.stream !== filter.stream) return false;
    if (least !== undefined && (entry.level === undefined || LEVEL_RANK[entry.level] < LEVEL_RANK[least]))
      return false;
    return pattern?.test(entry.msg.startsWith('"') ? (JSON.parse(entry.msg) as string) : entry.msg) ?? true;
  };
}

function levelOf(text: string): Level {
  const level = parseLevel(text);
  if (level === undefined) throw new UserError(`--level: ${text} is not one of debug, info, warn, error`);
  return level;
}

function patternOf(text: string): RegExp {
  try {
    return new RegExp(text, "u");
  } catch (error) {
    throw new UserError(`--grep: ${error instanceof Error ? error.message : text}`);
  }
}
