import { STREAM_DEFAULT } from "../protocol/entry.ts";
import { LEVEL_RANK } from "../protocol/level.ts";
import type { LogArgs } from "../protocol/methods.ts";

/** Lines that are remembered; a board's ring holds fewer, so what it sends again is among them. 512 bytes a boot. */
const LINES_MAX = 128;
const NOT_KNOWN = 0;

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

/** FNV-1a over what an app said. Times are left out: a board may tell them better when it sends again. */
function hashOf({ msg, stream, level, module }: LogArgs): number {
  let hash = mix(0x811c9dc5, msg);
  if (stream !== undefined && stream !== STREAM_DEFAULT) hash = mix(hash, stream);
  if (module !== undefined) hash = mix(hash ^ 1, module);
  if (level !== undefined) hash = Math.imul(hash ^ LEVEL_RANK[level], 0x01000193);
  return hash >>> 0 || 1;
}

function mix(start: number, text: string): number {
  let hash = start;
  for (let index = 0; index < text.length; index++)
    hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193);
  return hash;
}
