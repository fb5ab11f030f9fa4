/** Tries before an entry is given up, however often it is refused for now. */
const TRIES_MAX = 5;
/** Of an error inside the other side, which may pass. */
const TRIES_OF_FAILURE_MAX = 20;
/** Sources remembered whose entries were given up. */
const SOURCES_MAX = 1_000;

/** Refusals that are about us or the moment, and never about an entry. */
const PASSING: readonly number[] = [401, 407, 408, 425, 429, 502, 503, 504];
/** Refusals of what an entry is. */
const OF_CONTENT: readonly number[] = [400, 413, 415, 422];
const FAILURE = 500;

/**
 * Tells an entry that will never be taken from a place that takes nothing for now. An entry is given up only by a place that takes
 * others: a wrong address or key must not throw away a whole spool, and one bad entry must not hold up all that follow.
 */
export class Refusals {
  /** By position: tries so far, and what was taken of others before the first. */
  readonly #tries = new Map<number, { count: number; readonly acceptedBefore: number }>();
  /** Sources whose last entry was given up, with the status: the next is not tried as long. */
  readonly #givenUp = new Map<string, number>();
  #acceptedCount = 0;

  accepted(position: number, src: string): void {
    this.#acceptedCount += 1;
    this.#tries.delete(position);
    this.#givenUp.delete(src);
  }

  /** @returns whether to give the entry up, now that it was refused once more with this status. */
  refused(position: number, src: string, status: number): boolean {
    if (PASSING.includes(status)) return false;
    const tries = this.#tries.get(position) ?? { count: 0, acceptedBefore: this.#acceptedCount };
    tries.count += 1;
    this.#tries.set(position, tries);
    const isKnown = this.#givenUp.get(src) === status;
    const triesMax = isKnown ? 1 : status === FAILURE ? TRIES_OF_FAILURE_MAX : TRIES_MAX;
    const takesOthers = OF_CONTENT.includes(status)
      ? this.#acceptedCount > 0
      : this.#acceptedCount > tries.acceptedBefore || isKnown;
    if (tries.count < triesMax || !takesOthers) return false;
    this.#tries.delete(position);
    this.#givenUp.set(src, status);
    if (this.#givenUp.size > SOURCES_MAX) {
      const oldest = this.#givenUp.keys().next();
      if (!oldest.done) this.#givenUp.delete(oldest.value);
    }
    return true;
  }
}
