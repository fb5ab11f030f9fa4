/** From the ring to the text of frames (docs/protocol.md 3 and 12). */
import { boot, frameBytesMax, now, setClock, settings } from "board";
import { closeChunk } from "./hook.ts";
import { framedBytesMax, PLAIN_HEAD_BYTES, ringBytesMax, src, UTC_MS_MIN } from "./limits.ts";
import { parse, stringify } from "./natives.ts";
import { plainCommand, plainHead } from "./plain.ts";
import { bytes, chunks, fresh, gone, markSent, next, nextSeq, rewind } from "./ring.ts";

/** A step of the time this large is the clock being set: a frame is on one clock, so that it tells how old its lines are. */
const CLOCK_SET_MS = 1e11;

/** UTC less uptime, once the agent itself set the clock. */
let skew = 0;
export let frames = 0;
/** Of these, those that were sent before. */
export let resentFrames = 0;

/** Takes the gateway's time over. */
export function takeClock(utcMs: number): void {
  closeChunk();
  skew = -now();
  setClock(utcMs);
  skew += now();
}

function frameHead(time: number, skipped: number): string {
  let sentAt = now();
  if (WITH_CLOCK && time < UTC_MS_MIN && sentAt > UTC_MS_MIN) {
    sentAt -= skew;
  }
  if (WITH_PLAIN) {
    return plainHead(src, boot, !(WITH_UNACKED && settings.ack === false), gone + 1, sentAt);
  }
  return `["${WITH_UNACKED && settings.ack === false ? "~" : "@"}${boot}",${src}${gone + 1},${skipped},${time},${sentAt - time}`;
}

/** An empty frame is a question (docs/protocol.md 5.5). */
export function question(): string {
  return frameHead(now(), 0) + (WITH_PLAIN ? "]}" : "]");
}

/** Of the line that goes in parts: its seq, how many were sent, and where the one at hand begins and ends. */
let partSeq = 0;
let partCount = 0;
let partFrom = 0;
let partEnd = 0;
/** The part at hand is not the last. */
let goesOn = false;

/** What was sent is sent again from its start. */
export function startOver(): void {
  rewind();
  if (WITH_PARTS) {
    partSeq = 0;
  }
}

/** The next part of a line that no frame takes whole (docs/protocol.md 12.13), as it stands in a frame of its own. */
function nextPart(line: string, seq: number): string {
  const before = parse(`[${line}]`) as unknown[];
  const text = before.pop() as string;
  let size = framedBytesMax;
  let part = "";
  if (partSeq !== seq) {
    partSeq = seq;
    partCount = 0;
    partFrom = 0;
  }
  do {
    partEnd = partFrom + size;
    goesOn = partEnd < text.length;
    part = stringify(before.concat(false, goesOn ? partCount + 1 : ~partCount, text.substr(partFrom, size)));
    size = (size * 0.9) | 0;
  } while (part.length > framedBytesMax);
  return part.substr(1, part.length - 2);
}

function notice(chunk: { readonly a: number; readonly n: number }, last: number): string {
  return plainCommand(
    last,
    `{"where":"agent","first":${last - chunk.n + 1},"last":${last},"count":${chunk.n},"why":"ring full"}`,
    chunk.a,
    ',"stream":"loss"',
  );
}

/**
 * Gives one frame of what waits, and its last seq, to `take`; what that took is sent. `isAll`: the notice in the ring's reserve too.
 * @returns false when nothing waits, or it was not taken.
 */
export function passFrame(take: (frame: string, last: number) => unknown, isAll: boolean): boolean {
  closeChunk();
  let index = next;
  let chunk = chunks[index];
  if (!chunk) {
    return false;
  }
  let at = chunk.a;
  let end = nextSeq - 1;
  if (WITH_PARTS) {
    goesOn = false;
  }
  let frame = frameHead(at, end - gone);
  // The notice that stands in the ring's reserve stays until an ack makes room: until then it counts on.
  while (
    chunk &&
    !(WITH_PARTS && goesOn) &&
    (chunk.s || index < chunks.length - 1 || bytes <= ringBytesMax || (WITH_WORDS && isAll)) &&
    (index === next ||
      (chunk.a >= at &&
        (WITH_CLOCK ? chunk.a - at < CLOCK_SET_MS : true) &&
        frame.length + chunk.s.length + (WITH_PLAIN ? PLAIN_HEAD_BYTES : 40) <
          ((WITH_SHARED && settings.batchBytesMax) || frameBytesMax)))
  ) {
    let lines = chunk.s;
    if (WITH_PARTS && lines.length > framedBytesMax) {
      lines = nextPart(lines, end + 1);
    }
    if (!(WITH_PARTS && goesOn)) {
      end += chunk.n;
    }
    if (WITH_PLAIN) {
      frame += (index > next ? "," : "") + (lines || notice(chunk, end));
    } else {
      frame += `${chunk.a > at ? `,${5 * (chunk.a - at)}` : ""},${lines || -chunk.n}`;
    }
    at = chunk.z;
    chunk = chunks[++index];
  }
  // Added to, it is not copied.
  frame += WITH_PLAIN ? "]}" : "]";
  if (index === next || !take(frame, end)) {
    return false;
  }
  if (WITH_LAB) {
    frames++;
    if (next < fresh) {
      resentFrames++;
    }
  }
  if (WITH_PARTS && goesOn) {
    partCount++;
    partFrom = partEnd;
  } else {
    markSent(index, end);
  }
  return true;
}
