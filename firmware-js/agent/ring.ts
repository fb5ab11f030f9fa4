/**
 * The ring: what is kept until it is acked, in chunks of lines, oldest first, and how far of it was sent. A chunk is the
 * text that frames will carry, so that fewer words run on a board; one without text is a drop notice.
 */
import { settings } from "board";
import { CHUNK_BYTES, commonBytesMax, ringBytesMax } from "./limits.ts";
import { parse } from "./natives.ts";

export interface Chunk {
  /** Time of the first and of the last line. */
  readonly a: number;
  z: number;
  /** How many seqs it stands for. */
  n: number;
  s: string;
  /** Holds warnings or errors; with the option `reserve` only. */
  readonly e?: boolean;
}

export let bytes = 0;
export const chunks: Chunk[] = [];
/** Index of the first chunk never sent. What is before it can no longer be dropped, nor a notice there extended. */
export let fresh = 0;
let sentBytes = 0;
/** Highest seq ever sent: no true ack is above it. */
export let sentSeq = 0;
/** Seqs before the first chunk. */
export let gone = 0;
/** Index of the chunk to be sent next, and its first seq. */
export let next = 0;
export let nextSeq = 1;
/** Last seqs of the frames in flight. */
export let flying: number[] = [];
type LevelNumber = 0 | 1 | 2 | 3 | 4;
/** By level. */
export const droppedOldest: [number, number, number, number, number] = [0, 0, 0, 0, 0];
export const droppedNewest: [number, number, number, number, number] = [0, 0, 0, 0, 0];

export function push(from: number, to: number, count: number, text: string, isUrgent: boolean): void {
  bytes += text.length + CHUNK_BYTES;
  chunks.push(
    WITH_RESERVE ? { a: from, z: to, n: count, s: text, e: isUrgent } : { a: from, z: to, n: count, s: text },
  );
}

/** Counts the lines of a chunk that goes. */
function countDropped(chunk: Chunk): void {
  let level: LevelNumber = 0;
  if (WITH_PLAIN) {
    droppedOldest[0] += chunk.n;
  } else {
    for (const one of parse(`[${chunk.s}]`) as unknown[]) {
      if (typeof one === "number") {
        level = (one % 5) as LevelNumber;
      } else if (WITH_LEVELS && one === null) {
        // A module is no line: it takes one off in advance.
        droppedOldest[level]--;
      } else if (!(WITH_PARTS && one === true)) {
        droppedOldest[level]++;
      }
    }
  }
}

/** Turns the oldest unsent lines into notices until `more` bytes fit; with the reserve, chatter first. */
function dropOldest(more: number): void {
  let index = fresh;
  while (bytes + more > ringBytesMax && index < chunks.length) {
    const chunk = chunks[index] as Chunk;
    const before = index > fresh ? (chunks[index - 1] as Chunk) : chunk;
    if (!chunk.s || (WITH_RESERVE && chunk.e)) {
      index++;
    } else {
      countDropped(chunk);
      bytes -= chunk.s.length;
      if (before.s || before === chunk) {
        chunk.s = "";
        chunk.z = chunk.a;
        index++;
      } else {
        before.n += chunk.n;
        chunks.splice(index, 1);
        bytes -= CHUNK_BYTES;
      }
    }
  }
}

/** @returns what is free beside `more` bytes; below 0: the line is dropped by the rule, and a notice stands for it. */
export function makeRoom(more: number, level: number, time: number): number {
  const limit = WITH_RESERVE && level < 3 ? commonBytesMax : ringBytesMax;
  if (bytes + more > limit && settings.drop !== "newest" && sentBytes + CHUNK_BYTES + more <= limit) {
    dropOldest(more + ringBytesMax - limit);
  }
  const room = limit - bytes - more;
  if (room < 0) {
    droppedNewest[level as LevelNumber]++;
    const tail = chunks[chunks.length - 1];
    if (tail && chunks.length > fresh && !tail.s) {
      tail.n++;
    } else {
      push(time, time, 1, "", false);
    }
  }
  return room;
}

/** Go-back-N: what is not acked is sent again from its start (docs/protocol.md 5.3, 5.6). */
export function rewind(): void {
  flying = [];
  next = 0;
  nextSeq = gone + 1;
}

/** The chunks before an index, up to a seq, are on their way. */
export function markSent(index: number, upTo: number): void {
  while (fresh < index) {
    sentBytes += (chunks[fresh++] as Chunk).s.length + CHUNK_BYTES;
  }
  next = index;
  nextSeq = upTo + 1;
  if (upTo > sentSeq) {
    sentSeq = upTo;
  }
  flying.push(upTo);
}

/** Forgets the chunks up to a seq; all of them were sent. */
export function forget(upTo: number): void {
  while (fresh && gone + (chunks[0] as Chunk).n <= upTo) {
    const chunk = chunks.shift() as Chunk;
    const size = chunk.s.length + CHUNK_BYTES;
    gone += chunk.n;
    bytes -= size;
    sentBytes -= size;
    fresh--;
    next--;
  }
  if (next < 0) {
    next = 0;
    nextSeq = gone + 1;
  }
  while ((flying[0] as number) <= upTo) {
    flying.shift();
  }
}
