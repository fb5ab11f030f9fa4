/** The build option `words`: what is not acked is kept over the reset that follows, as frames. */
import { boot, save } from "board";
import { goBack } from "./delivery.ts";
import { passFrame } from "./frames.ts";
import { busy, tell, unfold } from "./hook.ts";
import { ringBytesMax } from "./limits.ts";
import { nextSeq } from "./ring.ts";
import { giveUpOld, old } from "./tail.ts";

/** Level warn, without module. */
const WARN_KIND = 8;

export function keep(): void {
  if (WITH_FOLD) {
    unfold();
  }
  if (old.join().length > ringBytesMax) {
    tell(WARN_KIND, `the rest of boot ${old[0]} given up`);
    giveUpOld();
  }
  const kept: unknown[] = [];
  goBack();
  const collect = (frame: string, last: number): unknown =>
    kept.push(boot, WITH_PARTS && last < nextSeq ? "" : last, frame);
  if (!busy) {
    while (passFrame(collect, true)) {}
  }
  goBack();
  if (kept.length) {
    try {
      save((old as unknown[]).concat(kept).join("\n"));
    } catch (_) {}
  }
}
