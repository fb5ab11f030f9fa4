import type { SourceMessage } from "./cluster-value.ts";
import type { RegisterForm } from "./register.ts";

/*
 * The cluster's own check of the message that one follows on looks at what is applied alone: of publishes that are under way together
 * several may pass it, and while leaders change one may be stored twice. So the order of the stream decides: of the messages of a
 * source that name the same one before them the first counts, and the others are void. They stay where they are: nats-server 2.9.10
 * has no last message of a subject any more once its last one was removed. Who meets one notes it for those who read the project from
 * anywhere; who reads one source from its beginning, or hears all of it, needs no note.
 */

/**
 * Two that name the same one both passed the cluster's check, so the second was sent to the replicas before the first was applied: this
 * many messages lie between them at most, which is what eight processes have under way. A look further back for what comes before a
 * message would cost the cluster more the more there is.
 */
export const UNDERWAY_MAX = 2_048;
/** As much, of the messages of this process alone that a leader had not applied when it became one. */
export const UNAPPLIED_MAX = 128;
/** Noted ones: the newest. */
const VOIDS_MAX = 1_000;

/** Seqs of void messages of a project, ascending. */
export const VOIDS_FORM: RegisterForm<readonly number[]> = {
  empty: [],
  encode(seqs, to) {
    to.varint(seqs.length);
    let below = 0;
    for (const seq of seqs) {
      to.varint(seq - below);
      below = seq;
    }
  },
  decode(from) {
    const seqs: number[] = [];
    for (let left = from.varint(); left > 0; left--) seqs.push((seqs.at(-1) ?? 0) + from.varint());
    return seqs;
  },
};

/** With more of them noted; undefined where all are. */
export function withVoids(known: readonly number[], seqs: readonly number[]): number[] | undefined {
  if (seqs.every((seq) => known.includes(seq))) return undefined;
  return [...new Set([...known, ...seqs])].sort((left, right) => left - right).slice(-VOIDS_MAX);
}

/** Sources that a watch remembers: a second successor comes soon behind the first. */
const SOURCES_MAX = 20_000;

/** Tells the messages that count from those that are void, among messages in the order of their seqs. */
export class SuccessionWatch {
  /** What the last one that counts follows on, by source. */
  readonly #beforeSeqs = new Map<string, number>();

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
