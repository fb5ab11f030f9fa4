import type { StoredEntry } from "../../protocol/entry.ts";
import type { StoredBatch } from "./log-store.ts";

/** Entries that have their ids. */
export function storedBatchOf(stored: readonly StoredEntry[]): StoredBatch {
  return { entries: stored, stored, idAt: (index) => stored[index]?.id ?? "" };
}
