/** The build option `fold`: a line that comes again is counted instead of sent. */
import { settings } from "board";
import { UTC_MS_MIN } from "./limits.ts";
import { after, cancel } from "./natives.ts";

/** Longest line that is compared with the one before it: that one is kept beside the ring. */
const FOLD_BYTES_MAX = 200;
const FOLD_MS = 5000;

/** The line before, as JSON, its level and module, and how often it came again, when first and when last. */
let json = "";
export let foldKind = 0;
let repeats = 0;
let repeatedFrom = 0;
let repeatedTo = 0;
let timer: unknown = 0;

/** True: it is the line before once more, and counted; `tell` is then called before long. */
export function isRepeat(line: string, kind: number, time: number, tell: () => void): boolean {
  const isSame = line === json && kind === foldKind;
  if (isSame) {
    if (!repeats++) {
      repeatedFrom = time;
      timer = after(tell, settings.foldMs ?? FOLD_MS);
    }
    repeatedTo = time;
  }
  return isSame;
}

export function remember(line: string, kind: number): void {
  json = line.length > FOLD_BYTES_MAX ? "" : line;
  foldKind = kind;
}

function showTime(time: number): string {
  return time < UTC_MS_MIN ? `${time} ms` : new Date(time).toISOString();
}

/** What is to be told of repeats so far, once; empty where there were none. */
export function takeRepeats(): string {
  let told = "";
  if (repeats) {
    told = `last line repeated ${repeats > 1 ? `${repeats} times` : "once"}, ${showTime(repeatedFrom)}${repeats > 1 ? ` to ${showTime(repeatedTo)}` : ""}`;
    repeats = 0;
    cancel(timer);
  }
  json = "";
  return told;
}
