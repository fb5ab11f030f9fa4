/**
 * The build option `words`: what an earlier boot left unacked goes first, as it was (docs/protocol.md 5.6). It stays in
 * flash until then, a frame a place; one of them at a time is in memory.
 */
import { save, saved } from "board";

/** The next of these frames: boot, last seq (none where a line goes on in the next), and text. */
export let old: string[] | undefined;
let at = 0;
/** Places that were taken at the start. */
export let left = 0;

function load(): void {
  try {
    old = (saved(at) as string).split("\n");
  } catch (_) {
    old = undefined;
  }
}

/** That one had its answer. A part of a line has one of its own. */
export function nextOld(): void {
  at++;
  load();
  // The first goes last: a power cut in between leaves what can be found.
  while (!old && left) {
    save(--left, "");
  }
}

export function giveUpOld(): void {
  at = left;
  nextOld();
}

/** The rest waits for the next start, behind which this one's lines are kept. */
export function leaveOld(): void {
  old = undefined;
}

if (WITH_WORDS) {
  load();
  while (old && saved(left)) {
    left++;
  }
}
