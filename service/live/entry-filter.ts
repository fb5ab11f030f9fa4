import type { NewEntry } from "../../protocol/entry.ts";
import { LEVEL_RANK, type Level } from "../../protocol/level.ts";
import type { Term } from "../term.ts";

/** Which entries a reader wants; what is absent, everything passes. */
export interface EntryFilter {
  readonly src?: string;
  readonly stream?: string;
  readonly module?: string;
  /** This level and above. An entry without one passes no level filter. */
  readonly level?: Level;
  /** What its text must hold. */
  readonly term?: Term;
}

export function passes(entry: NewEntry, { src, stream, module, level, term }: EntryFilter): boolean {
  if (src !== undefined && entry.src !== src) return false;
  if (stream !== undefined && entry.stream !== stream) return false;
  if (module !== undefined && entry.module !== module) return false;
  if (level !== undefined) {
    if (entry.level === undefined || LEVEL_RANK[entry.level] < LEVEL_RANK[level]) return false;
  }
  return term === undefined || term.matches(entry);
}

/** The same for filters that let the same pass. */
export function keyOfFilter({ src, stream, module, level, term }: EntryFilter): string {
  return JSON.stringify([src, stream, module, level, term?.text]);
}
