import { STREAM_DEFAULT } from "../protocol/entry.ts";
import { LEVEL_RANK } from "../protocol/level.ts";
import type { LogArgs } from "../protocol/methods.ts";

/** Lines that are remembered; a board's ring holds fewer, so what it sends again is among them. 512 bytes a boot. */
const LINES_MAX = 128;
const NOT_KNOWN = 0;

const HASH_START = 0x811c9dc5;
/** A long line is hashed in pieces of so many UTF-16 units. */
const PIECE_UNITS = 1_024;
/** A unit takes three bytes of UTF-8 at most; the last word of a piece is filled up. */
const words = new Int32Array((PIECE_UNITS * 3) / 4 + 1);
const bytes = new Uint8Array(words.buffer);
const encoder = new TextEncoder();

/** Hashes of the lines that a boot sent last, to tell a line that came twice from another one under its seq (docs/protocol.md 6.10). */
export class RecentLines {
  /** By seq modulo its length. Seqs are taken one after the other, so a slot is that of the newest. */
  #hashes: Uint32Array | undefined;

  take(seq: number, args: LogArgs): void {
    this.#hashes ??= new Uint32Array(LINES_MAX);
    this.#hashes[seq % LINES_MAX] = hashOf(args);
  }

  /** Seqs that no line was stored under. */
  skip(first: number, last: number): void {
    if (this.#hashes === undefined) return;
    for (let seq = Math.max(first, last - LINES_MAX + 1); seq <= last; seq++)
      this.#hashes[seq % LINES_MAX] = NOT_KNOWN;
  }

  /** Whether another line is known under the seq. @param mark the highest seq taken or skipped. */
  isOther(seq: number, args: LogArgs, mark: number): boolean {
    if (this.#hashes === undefined || seq <= mark - LINES_MAX) return false;
    const known = this.#hashes[seq % LINES_MAX];
    return known !== NOT_KNOWN && known !== hashOf(args);
  }
}

/** Over what an app said. Times are left out: a board may tell them better when it sends again. */
function hashOf({ msg, stream, level, module }: LogArgs): number {
  let hash = mix(HASH_START, msg);
  if (stream !== undefined && stream !== STREAM_DEFAULT) hash = mix(hash, stream);
  if (module !== undefined) hash = mix(hash ^ 1, module);
  if (level !== undefined) hash = mixWord(hash, LEVEL_RANK[level]);
  return hash >>> 0 || 1;
}

/** By words of its UTF-8: a line is a part of its frame's text, of which to ask one character costs as much as to mix a word. */
function mix(start: number, text: string): number {
  let hash = mixWord(start, text.length);
  for (let from = 0; from < text.length; from += PIECE_UNITS) {
    const piece = text.length <= PIECE_UNITS ? text : text.slice(from, from + PIECE_UNITS);
    const { written } = encoder.encodeInto(piece, bytes);
    bytes[written] = 0;
    bytes[written + 1] = 0;
    bytes[written + 2] = 0;
    for (let index = 0; index * 4 < written; index++) hash = mixWord(hash, words[index] ?? 0);
  }
  return hash;
}

/** As FNV-1a does, of words: the shift brings down what the product only carries up. */
function mixWord(hash: number, word: number): number {
  const product = Math.imul(hash ^ word, 0x01000193);
  return product ^ (product >>> 15);
}
