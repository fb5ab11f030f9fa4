import type { SourceMessage } from "./cluster-value.ts";

/*
 * The cluster's own check of the message that one follows on looks at what is applied alone: of publishes that are under way together
 * several may pass it, and while leaders change one may be stored twice. So the order of the stream decides: of the messages of a
 * source that name the same one before them the first counts, and the others are void. They stay where they are: nats-server 2.9.10
 * has no last message of a subject any more once its last one was removed.
 */

/** Sources that a watch remembers: a second successor comes soon behind the first. */
const SOURCES_MAX = 20_000;

/** Tells the messages that count from those that are void, among messages in the order of their seqs. */
export class SuccessionWatch {
  /** What the last one that counts follows on, by source. */
  readonly #beforeSeqs = new Map<string, number>();

  knows(src: string): boolean {
    return this.#beforeSeqs.has(src);
  }

  /** The first one of a source is taken to count. */
  isVoid({ src, beforeSeq }: SourceMessage): boolean {
    const last = this.#beforeSeqs.get(src);
    // Nothing that counts follows on a void one: where this one names one in between, the last one was void.
    if (last !== undefined && beforeSeq <= last) return true;
    this.#beforeSeqs.delete(src);
    this.#beforeSeqs.set(src, beforeSeq);
    if (this.#beforeSeqs.size > SOURCES_MAX) {
      for (const oldest of this.#beforeSeqs.keys()) {
        this.#beforeSeqs.delete(oldest);
        break;
      }
    }
    return false;
  }
}
