/** The build option `words`: what is not acked is kept over the reset that follows, as frames. */
import { boot, save, saved } from "board";
import { goBack } from "./delivery.ts";
import { frameEnd, markTaken, nextFrame } from "./frames.ts";
import { busy, tell, unfold } from "./hook.ts";
import { chunks, next, nextSeq } from "./ring.ts";
import { giveUpOld, leaveOld, left } from "./tail.ts";

/** Level warn, without module. */
const WARN_KIND = 8;
/** Frames of earlier boots that are kept beside those of this one. */
const OLD_FRAMES_MAX = 16;

export function keep(): void {
  if (WITH_FOLD) {
    unfold();
  }
  if (left > OLD_FRAMES_MAX) {
    tell(WARN_KIND, "earlier boots given up");
    giveUpOld();
  }
  goBack();
  let end = left;
  try {
    while (!busy && chunks[next]) {
      const frame = nextFrame();
      leaveOld();
      save(end++, `${boot}\n${WITH_PARTS && frameEnd < nextSeq ? "" : frameEnd}\n${frame}`);
      markTaken();
    }
    // Behind them may be what an earlier call kept, and was acked since.
    while (!busy && saved(end)) {
      save(end++, "");
    }
  } catch (_) {}
  goBack();
}
