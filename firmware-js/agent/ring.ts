/**
 * The ring: what is kept until it is acked, in chunks of lines, oldest first, and how far of it was sent. A chunk goes as a
 * frame. Its lines stay as they came, so that one call of the engine's makes a frame of them all.
 */
import { settings } from "board";
import { CHUNK_BYTES, commonBytesMax, ringBytesMax } from "./limits.ts";

export interface Chunk {
  /** Time of the first line. */
  a: number;
  /** How many seqs it stands for. */
  n: number;
  /** What it takes of the ring. */
  b: number;
  /**
   * For each line a number (docs/protocol.md 12.5) and its text, or a list that holds its JSON; with `plain`, its command.
   * None: a drop notice.
   */
  s: unknown[] | 0;
  /** Holds warnings or errors; with the option `reserve` only. */
  e?: boolean;
  /** Holds lines that are JSON. */
  m?: 1;
}

export let bytes = 0;
export const chunks: Chunk[] = [];
/** Index of the first chunk never sent. What is before it can no longer be dropped, nor a notice there extended. */
export let fresh = 0;
/** Highest seq ever sent: no true ack is above it. */
export let sentSeq = 0;
/** Seqs before the first chunk. */
export let gone = 0;
/** Index of the chunk to be sent next, which is how many are in flight, and its first seq. */
export let next = 0;
export let nextSeq = 1;
type LevelNumber = 0 | 1 | 2 | 3 | 4;
/** By level. */
export const droppedOldest: [number, number, number, number, number] = [0, 0, 0, 0, 0];
export const droppedNewest: [number, number, number, number, number] = [0, 0, 0, 0, 0];

export function grow(by: number): void {
  bytes += by;
}

/** Counts the lines of a chunk that goes. */
function countDropped(chunk: Chunk): void {
  if (WITH_PLAIN) {
    droppedOldest[0] += chunk.n;
  } else {
    for (let index = 0; index < 2 * chunk.n; index += 2) {
      droppedOldest[(((chunk.s as unknown[])[index] as number) % 5) as LevelNumber]++;
    }
  }
}

/** Turns the oldest unsent lines into notices until `more` bytes fit; with the reserve, chatter first. */
function dropOldest(more: number): void {
  for (let index = fresh; bytes + more > ringBytesMax && index < chunks.length; index++) {
    const chunk = chunks[index] as Chunk;
    const before = chunks[index - 1] as Chunk;
    if (chunk.s && !(WITH_RESERVE && chunk.e)) {
      countDropped(chunk);
      bytes += CHUNK_BYTES - chunk.b;
      chunk.b = CHUNK_BYTES;
      chunk.s = 0;
      if (index > fresh && !before.s) {
        before.n += chunk.n;
        bytes -= CHUNK_BYTES;
        chunks.splice(index--, 1);
      }
    }
  }
}

/** @returns what is free beside `more` bytes, for which old lines are dropped where that helps; below 0: nothing. */
export function roomBeside(more: number, level: number): number {
  const limit = WITH_RESERVE && level < 3 ? commonBytesMax : ringBytesMax;
  if (
    bytes + more > limit &&
    settings.drop !== "newest" &&
    chunks.slice(0, fresh).reduce((sum, one) => sum + one.b, CHUNK_BYTES + more) <= limit
  ) {
    dropOldest(more + ringBytesMax - limit);
  }
  return limit - bytes - more;
}

/** A notice stands for a line that is dropped by the rule. */
export function dropNewest(level: number, time: number): void {
  const tail = chunks[chunks.length - 1];
  droppedNewest[level as LevelNumber]++;
  if (chunks.length > fresh && !(tail as Chunk).s) {
    (tail as Chunk).n++;
  } else {
    bytes += CHUNK_BYTES;
    chunks.push({ a: time, n: 1, b: CHUNK_BYTES, s: 0 });
  }
}

/** Go-back-N: what is not acked is sent again from its start (docs/protocol.md 5.3, 5.6). */
export function rewind(): void {
  next = 0;
  nextSeq = gone + 1;
}

/** The next chunk is on its way, up to a seq. */
export function markSent(upTo: number): void {
  if (next === fresh) {
    fresh++;
    sentSeq = upTo;
  }
  next++;
  nextSeq = upTo + 1;
}

/** Forgets the chunks up to a seq; all of them were sent. */
export function forget(upTo: number): void {
  while (fresh && gone + (chunks[0] as Chunk).n <= upTo) {
    const chunk = chunks.shift() as Chunk;
    gone += chunk.n;
    bytes -= chunk.b;
    fresh--;
    next--;
  }
  if (next < 0) {
    next = 0;
    nextSeq = gone + 1;
  }
}

/** Takes the first line out of a chunk that was not sent yet, into one of its own. @returns how many there were. */
export function split(chunk: Chunk): number {
  const lines = chunk.s as [number, ...unknown[]];
  const first =
    WITH_RESERVE || WITH_DIRECT || WITH_LEVELS
      ? Object.assign({}, chunk, { n: 1, b: 0, s: lines.splice(0, 2) })
      : { a: chunk.a, n: 1, b: 0, s: lines.splice(0, 2) };
  chunks.splice(next, 0, first);
  chunk.a += Math.floor(lines[0] / 5);
  lines[0] %= 5;
  return chunk.n--;
}
