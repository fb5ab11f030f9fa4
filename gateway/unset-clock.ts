import type { NewEntry } from "../protocol/entry.ts";
import type { Receipt } from "./wall-clock.ts";

/** What a gateway dated whose clock nobody had set says so (docs/protocol.md 1.7); a board's own time stays the board's. */
export function asReceived(entries: readonly NewEntry[], { isWallSet }: Receipt): readonly NewEntry[] {
  return isWallSet ? entries : entries.map(asUnset);
}

function asUnset(entry: NewEntry): NewEntry {
  return entry.clock === "device" ? entry : { ...entry, clock: "unset" };
}
