import type { ClockQuality, MsgJson, NewEntry } from "../protocol/entry.ts";
import { TextRun } from "../protocol/entry-run.ts";
import type { Receipt } from "./wall-clock.ts";

/** What a gateway dated whose clock nobody had set says so (docs/protocol.md 1.7); a board's own time stays the board's. */
export function asReceived(entries: readonly NewEntry[], { isWallSet }: Receipt): readonly NewEntry[] {
  return isWallSet ? entries : entries.map(asUnset);
}

/** Texts of one source that came together without a time of their own: the gateway dates them. */
export function textsReceived(
  src: string,
  stream: string,
  texts: readonly MsgJson[],
  { wallMs, isWallSet }: Receipt,
): TextRun {
  const clock: ClockQuality = isWallSet ? "server" : "unset";
  return new TextRun(texts, { src, stream, received: wallMs, clock });
}

function asUnset(entry: NewEntry): NewEntry {
  return entry.clock === "device" ? entry : { ...entry, clock: "unset" };
}
