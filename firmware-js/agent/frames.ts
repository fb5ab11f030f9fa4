/** From the ring to the text of frames (docs/protocol.md 3 and 12). */
import { boot, frameBytesMax, now, setClock, settings } from "board";
import { jsonOf, shorten } from "./format.ts";
import { closeChunk } from "./hook.ts";
import { framedBytesMax, src, start, UTC_MS_MIN } from "./limits.ts";
import { parse, stringify } from "./natives.ts";
import { plainCommand, plainHead } from "./plain.ts";
import { type Chunk, chunks, fresh, gone, markSent, next, nextSeq, rewind, split } from "./ring.ts";

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

/** When a frame is sent, on the clock that its lines are on. */
export function sentAt(time: number): number {
  const at = now();
  return time < UTC_MS_MIN && at > UTC_MS_MIN ? at - skew : at;
}

/** A frame of lines, or of what stands for them as text; with `plain`, of commands. */
function frameOf(time: number, skipped: number, body: unknown[] | string | number): string {
  let at = now();
  if (WITH_CLOCK && time < UTC_MS_MIN && at > UTC_MS_MIN) {
    at -= skew;
  }
  if (WITH_PLAIN) {
    return `${plainHead(src, boot, !(WITH_UNACKED && settings.ack === false), gone + 1, at)}${body}]}`;
  }
  const head = start.concat(gone + 1, skipped, time, at - time);
  return (WITH_DIRECT || WITH_LEVELS || WITH_PARTS) && typeof body === "string"
    ? `${stringify(head).slice(0, -1)},${body}]`
    : stringify(head.concat(body));
}

/** An empty frame is a question (docs/protocol.md 5.5). */
export function question(): string {
  return frameOf(now(), 0, []);
}

/** Of the line that goes in parts: its seq, how many were sent, and where the one at hand begins and ends. */
let partSeq = 0;
let partCount = 0;
let partFrom = 0;
let partEnd = 0;
/** The part at hand is not the last. */
let goesOn: boolean | 0 = 0;

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

/** What a frame's numbers may grow by until it is sent again. */
const GROWTH_BYTES = 40;

/** What stands in a frame for lines of which some are JSON. */
function mixed(lines: unknown[]): string {
  return lines.map(jsonOf).join(",");
}

function frameOfChunk(chunk: Chunk): string {
  return WITH_PLAIN
    ? frameOf(chunk.a, 0, chunk.s ? `${chunk.s}` : notice(chunk, nextSeq + chunk.n - 1))
    : WITH_DIRECT || WITH_LEVELS || WITH_PARTS || WITH_SHARED
      ? frameOf(
          chunk.a,
          nextSeq - 1 - gone,
          chunk.s ? ((WITH_DIRECT || WITH_LEVELS) && chunk.m ? mixed(chunk.s) : chunk.s) : -chunk.n,
        )
      : stringify(
          start.concat(
            gone + 1,
            nextSeq - 1 - gone,
            chunk.a,
            (WITH_CLOCK ? sentAt(chunk.a) : now()) - chunk.a,
            chunk.s || -chunk.n,
          ),
        );
}

/** Cuts the only line of a chunk where it grew too long as JSON. @returns whether it did. */
function cutLine(chunk: Chunk): boolean {
  const lines = chunk.s as unknown[];
  const line = lines[1];
  if (WITH_DIRECT || WITH_LEVELS ? typeof line === "string" : true) {
    lines[1] = shorten(line as string);
  }
  return lines[1] !== line;
}

/** Last seq of the frame at hand. */
export let frameEnd = 0;

/** The next chunk as a frame. */
export function nextFrame(): string {
  let chunk: Chunk;
  let frame: string;
  closeChunk();
  do {
    chunk = chunks[next] as Chunk;
    frame = frameOfChunk(chunk);
    // Where lines grew as JSON.
  } while (
    !WITH_PLAIN &&
    frame.length > frameBytesMax - GROWTH_BYTES &&
    (chunk.n > 1 ? next === fresh && split(chunk) : !WITH_PARTS && cutLine(chunk))
  );
  frameEnd = nextSeq + chunk.n - 1;
  if (WITH_PARTS) {
    goesOn = 0;
    if (frame.length > frameBytesMax - GROWTH_BYTES && chunk.n < 2) {
      frame = frameOf(chunk.a, nextSeq - 1 - gone, nextPart(mixed(chunk.s as unknown[]), nextSeq));
      if (goesOn) {
        frameEnd--;
      }
    }
  }
  return frame;
}

/** That frame is on its way. */
export function markTaken(): void {
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
    markSent(frameEnd);
  }
}
