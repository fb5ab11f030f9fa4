/** What comes down the link: acks, hellos, leases (docs/protocol.md 5.1, 7.7, 14.1). */
import { boot, now, settings } from "board";
import { askOnce, disarm, hear, onAck, restart, transmit } from "./delivery.ts";
import { takeClock } from "./frames.ts";
import { busy } from "./hook.ts";
import { lease } from "./leases.ts";
import { UTC_MS_MIN } from "./limits.ts";
import { parse } from "./natives.ts";
import { chunks, sentSeq } from "./ring.ts";
import { nextOld, old } from "./tail.ts";

interface Downlink {
  readonly level?: number;
  readonly forMs?: number;
  readonly module?: string;
  readonly hello?: unknown;
  readonly boot?: unknown;
  readonly ack?: unknown;
  readonly now?: number;
  readonly resend?: unknown;
}

export let badDownlinks = 0;

export function receive(json: string): void {
  try {
    const down = parse(json) as Downlink;
    const mark = down.ack;
    const isMine = +(mark as number) === mark && mark <= sentSeq && down.boot === boot;
    if (WITH_LEVELS && !busy && typeof down.level === "number") {
      const isGood = lease(down.level, down.forMs as number, down.module);
      if (!isGood) {
        badDownlinks++;
      }
    } else if (WITH_WORDS && !busy && old && down.boot === old[0]) {
      hear();
      if (+(old[1] as string) <= (mark as number)) {
        nextOld();
      }
      disarm();
      transmit();
    } else if (busy || !(isMine || down.hello)) {
      badDownlinks++;
    } else {
      // A serial line may have cut digits out of it.
      if (
        WITH_CLOCK &&
        (down.now as number) > UTC_MS_MIN &&
        settings.setClock !== false &&
        now() < UTC_MS_MIN
      ) {
        takeClock(down.now as number);
      }
      if (isMine) {
        onAck(mark, down.resend);
      } else {
        restart();
        if (WITH_CONSOLE && !chunks.length) {
          // So that the gateway knows who is there, and how to speak to it (docs/protocol.md 7.7).
          askOnce();
        }
      }
    }
  } catch (_) {
    badDownlinks++;
  }
}
