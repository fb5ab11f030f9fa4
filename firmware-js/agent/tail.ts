/** The build option `words`: what an earlier boot left unacked goes first, as it was (docs/protocol.md 5.6). */
import { save, saved } from "board";

/** Frames that an earlier boot left: boot, last seq (none where a line goes on in the next) and text, one after the other. */
export let old: string[] = [];

/** That boot has its answer up to a seq. Parts of a line go one for each answer. */
export function forgetOld(upTo: number): void {
  const oldBoot = old[0];
  let isFirst = true;
  while (old[0] === oldBoot && +(old[1] as string) <= upTo && (WITH_PARTS ? isFirst || old[1] : true)) {
    old.splice(0, 3);
    isFirst = false;
  }
  if (!old[0]) {
    save("");
  }
}

export function giveUpOld(): void {
  old = [];
}

if (WITH_WORDS) {
  try {
    const left = saved();
    if (left) {
      old = left.split("\n");
    }
  } catch (_) {}
}
