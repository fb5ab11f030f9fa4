/** The build option `words`: what an earlier boot left unacked goes first, as it was (docs/protocol.md 5.6). */
import { save, saved } from "board";

/** Frames that an earlier boot left: boot, last seq and text of each, one after the other. */
export let old: string[] = [];

/** That boot has its answer up to a seq. */
export function forgetOld(upTo: number): void {
  const oldBoot = old[0];
  while (old[0] === oldBoot && Number(old[1]) <= upTo) {
    old.splice(0, 3);
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
