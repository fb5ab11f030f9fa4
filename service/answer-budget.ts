import type { StoredEntry } from "../protocol/entry.ts";

/** What the entries of one frame's answers may hold together, in characters; an entry is at most an eighth of it. */
export const ANSWER_CHARACTERS_MAX = 8 * 1024 * 1024;
/** Members of an entry beside its `msg`, about. */
const ENTRY_CHARACTERS = 200;

/** Keeps the answer to a frame of many `Log.List` from growing without bound. */
export class AnswerBudget {
  #left: number;

  constructor(characters = ANSWER_CHARACTERS_MAX) {
    this.#left = characters;
  }

  /** Nothing more fits. */
  get isSpent(): boolean {
    return this.#left <= 0;
  }

  /** Takes what was written, if all of it fits. */
  takeWhole(bytes: number): boolean {
    if (bytes > this.#left) return false;
    this.#left -= bytes;
    return true;
  }

  /**
   * The entries that fit, at least one, in the same order: a page may be shorter than its limit.
   * @param keepsNewest cuts off the oldest instead of the newest.
   */
  cut(entries: readonly StoredEntry[], keepsNewest: boolean): readonly StoredEntry[] {
    let count = 0;
    while (count < entries.length && !this.isSpent) {
      const entry = entries[keepsNewest ? entries.length - 1 - count : count];
      this.#left -= (entry?.msg.length ?? 0) + ENTRY_CHARACTERS;
      count += 1;
    }
    if (count === entries.length) return entries;
    return keepsNewest ? entries.slice(entries.length - count) : entries.slice(0, count);
  }
}
