import { STREAM_DEFAULT } from "./entry.ts";
import { LEVEL_RANK } from "./level.ts";
import type { LogArgs } from "./methods.ts";

const HASH_START = 0x811c9dc5;
/** A long text is hashed in pieces of so many UTF-16 units. */
const PIECE_UNITS = 1_024;
/** A unit takes three bytes of UTF-8 at most; the last word of a piece is read as a whole. */
const bytes = new Uint8Array(PIECE_UNITS * 3 + 4);
const words = new DataView(bytes.buffer);
const encoder = new TextEncoder();

/** Over what an app said, to tell a line that came twice from another one under its seq (docs/protocol.md 6.10). Times are left out: a board may tell them better when it sends again. */
export function hashOfLine({ msg, stream, level, module }: LogArgs): number {
  const hash = mixText(HASH_START, msg);
  return withNames(hash, stream, level === undefined ? 0 : LEVEL_RANK[level], module);
}

/**
 * The same of a line of the default stream whose `msg` is ASCII and lies from `start` to below `end`.
 * @param text may be read for three bytes beyond `end`.
 */
export function hashOfLineBytes(
  text: DataView,
  start: number,
  end: number,
  levelRank: number,
  module: string | undefined,
): number {
  const hash = mixBytes(mixWord(HASH_START, end - start), text, start, end);
  return withNames(hash, undefined, levelRank, module);
}

/** @param levelRank 0 for none. */
function withNames(
  ofMsg: number,
  stream: string | undefined,
  levelRank: number,
  module: string | undefined,
): number {
  let hash = ofMsg;
  if (stream !== undefined && stream !== STREAM_DEFAULT) hash = mixText(hash, stream);
  if (module !== undefined) hash = mixText(hash ^ 1, module);
  if (levelRank > 0) hash = mixWord(hash, levelRank);
  return hash >>> 0 || 1;
}

/** By words of its UTF-8: a line is a part of its frame's text, of which to ask one character costs as much as to mix a word. */
function mixText(start: number, text: string): number {
  let hash = mixWord(start, text.length);
  for (let from = 0; from < text.length; from += PIECE_UNITS) {
    const piece = text.length <= PIECE_UNITS ? text : text.slice(from, from + PIECE_UNITS);
    hash = mixBytes(hash, words, 0, encoder.encodeInto(piece, bytes).written);
  }
  return hash;
}

function mixBytes(start: number, text: DataView, from: number, end: number): number {
  let hash = start;
  let at = from;
  for (; at + 4 <= end; at += 4) hash = mixWord(hash, text.getInt32(at, true));
  const restBits = 8 * (end - at);
  return restBits === 0 ? hash : mixWord(hash, text.getInt32(at, true) & ((1 << restBits) - 1));
}

/** As FNV-1a does, of words: the shift brings down what the product only carries up. */
function mixWord(hash: number, word: number): number {
  const product = Math.imul(hash ^ word, 0x01000193);
  return product ^ (product >>> 15);
}
