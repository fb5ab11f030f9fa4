/** What is sent when, and again when no ack comes (docs/protocol.md 5). */
import { ackTimeoutMsMin, now, settings } from "board";
import { markTaken, nextFrame, question, sentAt, startOver } from "./frames.ts";
import { blocked, busy, closeChunk, deliver, unblock } from "./hook.ts";
import { ringBytesMax } from "./limits.ts";
import { after, cancel } from "./natives.ts";
import { bytes, type Chunk, chunks, forget, next, nextSeq } from "./ring.ts";
import { nextOld, old } from "./tail.ts";
import { talk, talking } from "./talk.ts";

/** Frames sent and not yet acked, at most, once somebody answered. */
const WINDOW_FRAMES = 4;
const ACK_TIMEOUT_MS_MAX = (WITH_LAB && settings.ackTimeoutMsMax) || 30000;
const SILENCE_MS = 15000;
/** The link queues: acks come late where many boards share it, and what is sent again only makes them later. */
const mayBeLate = WITH_LATE && !(WITH_SHARED && settings.shared);

/** Highest ack, which may be inside the first chunk. */
export let acked = 0;
/** 1 until an ack came and after a timeout: nobody may be listening. */
let framesAllowed = 1;
let ackTimeoutMs = ackTimeoutMsMin;
let ackTimer: unknown = 0;
/** The mark of the last `resend` that was obeyed: the frames behind a lost one each bring the same. */
let resentMark = -1;
let questions = 3;
let stopped = false;

export function disarm(): void {
  if (ackTimer) {
    cancel(ackTimer);
    ackTimer = 0;
  }
}

export function goBack(): void {
  resentMark = -1;
  disarm();
  startOver();
}

function sendFrame(): void {
  const isTaken = deliver(nextFrame());
  if (isTaken) {
    markTaken();
    if (WITH_UNACKED && settings.ack === false) {
      acked = nextSeq - 1;
      forget(acked);
    } else {
      if (WITH_PARTS && !next) {
        disarm();
      }
      ackTimer = ackTimer || after(onTimeout, ackTimeoutMs);
    }
  }
}

/** What the boot before left, a frame at a time (docs/protocol.md 5.6); at once where no answers come. */
function sendOld(): void {
  closeChunk();
  while (old && !blocked && !ackTimer && deliver(old[2] as string)) {
    if (WITH_UNACKED && settings.ack === false) {
      nextOld();
    } else {
      ackTimer = after(onTimeout, ackTimeoutMs);
    }
  }
}

export function transmit(): void {
  if (!busy && (WITH_SHARED || WITH_STOP ? talking : true)) {
    try {
      if (WITH_WORDS) {
        sendOld();
      }
      while (
        !(WITH_WORDS && old) &&
        !blocked &&
        next < framesAllowed &&
        chunks[next] &&
        // While acks are late, lines that would go alone wait for each other (in the manner of RFC 896).
        (!WITH_LATE || !mayBeLate || !next || next < chunks.length - 1 || ackTimeoutMs <= ackTimeoutMsMin) &&
        // The notice that stands in the ring's reserve counts on until an ack makes room.
        (bytes <= ringBytesMax || next < chunks.length - 1 || (chunks[next] as Chunk).s)
      ) {
        sendFrame();
      }
    } catch (_) {}
  }
}

export function askOnce(): void {
  closeChunk();
  deliver(question());
  unblock();
}

/**
 * A gateway already there answers a question with an ack. While lines wait that were sent and not acked, the agent goes
 * on asking, for nobody else knows of them (docs/protocol.md 7.7).
 */
export function ask(): void {
  ackTimer = 0;
  if (!stopped && (questions-- > 0 || chunks.length || (WITH_WORDS && old))) {
    askOnce();
    ackTimer = after(ask, ackTimeoutMs);
  }
}

/** No ack in time (docs/protocol.md 5.6): from the oldest again, one frame at a time, ever more slowly. */
function onTimeout(): void {
  goBack();
  framesAllowed = 1;
  if (
    WITH_SHARED &&
    settings.shared &&
    2 * ackTimeoutMs - ackTimeoutMsMin >= ((WITH_LAB && settings.silenceMs) || SILENCE_MS)
  ) {
    closeChunk();
    talk(false);
  }
  ackTimeoutMs = Math.min(ackTimeoutMs * 2, ACK_TIMEOUT_MS_MAX);
  if (WITH_SHARED && !talking) {
    ackTimer = after(ask, ackTimeoutMs);
  }
  transmit();
}

/** Somebody is there: full window, shortest timeout, and on a shared wire frames from now on (docs/protocol.md 7.7). */
export function hear(): void {
  ackTimeoutMs = ackTimeoutMsMin;
  framesAllowed = (WITH_LAB && settings.windowFrames) || WINDOW_FRAMES;
  if ((WITH_SHARED || WITH_STOP) && !talking) {
    disarm();
    talk(!stopped);
  }
}

/** The link can take a frame again. */
export function ready(): void {
  unblock();
  transmit();
}

export function restart(): void {
  hear();
  goBack();
  ready();
}

export function onAck(mark: number, resend: unknown): void {
  if ((WITH_SHARED || WITH_STOP) && !talking) {
    hear();
  }
  // An ack that says nothing new answers what was sent twice: somebody is there, and busy enough.
  if (mark > acked) {
    if (framesAllowed < WINDOW_FRAMES || (WITH_LATE && mayBeLate && ackTimeoutMs > ackTimeoutMsMin)) {
      hear();
      if (WITH_LATE && mayBeLate) {
        // In the manner of RFC 6298; the age of a line stands for the round trip, for it costs nothing while all is well.
        const at = (chunks[0] as Chunk).a;
        ackTimeoutMs = Math.min(
          ACK_TIMEOUT_MS_MAX,
          Math.max(ackTimeoutMsMin, 2 * ((WITH_CLOCK ? sentAt(at) : now()) - at)),
        );
      }
    }
    acked = mark;
    forget(mark);
    resentMark = -1;
    if (ackTimer) {
      cancel(ackTimer);
    }
    ackTimer = next && after(onTimeout, ackTimeoutMs);
  }
  if (resend && mark === acked && mark !== resentMark) {
    goBack();
    resentMark = mark;
  }
  // What is skipped is read too.
  if (WITH_WORDS || chunks[next]) {
    transmit();
  }
}

/** What was not acked is given up. */
export function stopDelivery(): void {
  stopped = true;
  closeChunk();
  talk(false);
  goBack();
}
