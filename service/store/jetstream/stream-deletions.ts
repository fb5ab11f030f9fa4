import type { RegisterForm } from "./register.ts";

/** One stream of a source was deleted up to a place. */
export interface StreamDeletion {
  readonly src: string;
  readonly stream: string;
  /** Up to this position (cluster-value.ts). */
  readonly through: number;
  /** Entries that it hides. */
  readonly count: number;
}

/** All of a project. */
export type StreamDeletions = readonly StreamDeletion[];

/** A value of at most 1 MiB holds more than these; they go as what they hide goes. */
export const STREAM_DELETIONS_MAX = 2000;

export const STREAM_DELETIONS_FORM: RegisterForm<StreamDeletions> = {
  empty: [],
  encode(deletions, to) {
    to.varint(deletions.length);
    for (const { src, stream, through, count } of deletions) {
      to.text(src);
      to.text(stream);
      to.varint(through);
      to.varint(count);
    }
  },
  decode(from) {
    const deletions: StreamDeletion[] = [];
    for (let left = from.varint(); left > 0; left--) {
      deletions.push({
        src: from.text(),
        stream: from.text(),
        through: from.varint(),
        count: from.varint(),
      });
    }
    return deletions;
  },
};

/** Tells what of a project's entries is hidden: by a deletion, or because its message is void. */
export class HiddenEntries {
  readonly #through = new Map<string, Map<string, number>>();
  readonly #counts = new Map<string, number>();

  readonly #voids: ReadonlySet<number>;

  /** @param voids seqs of messages. */
  constructor(deletions: StreamDeletions, voids: readonly number[] = []) {
    this.#voids = new Set(voids);
    for (const { src, stream, through, count } of deletions) {
      const streams = this.#through.get(src) ?? new Map<string, number>();
      this.#through.set(src, streams.set(stream, Math.max(through, streams.get(stream) ?? 0)));
      this.#counts.set(src, (this.#counts.get(src) ?? 0) + count);
    }
  }

  isVoid(seq: number): boolean {
    return this.#voids.has(seq);
  }

  hides(src: string, stream: string, position: number): boolean {
    return position <= (this.#through.get(src)?.get(stream) ?? 0);
  }

  countOf(src: string): number {
    return this.#counts.get(src) ?? 0;
  }
}
