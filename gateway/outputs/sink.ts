import type { NewEntry } from "../../protocol/entry.ts";

/** An entry with its position in the spool. */
export interface SpooledEntry {
  readonly position: number;
  readonly entry: NewEntry;
}

/** A place that entries go to which knows nothing of the spool's positions: what is sent again is there twice. */
export interface Sink {
  /** For people and logs; without credentials. */
  readonly name: string;
  /**
   * Sends entries in their order, and resolves when more may come.
   * @param taken told, as often as it is known, up to which position everything is taken; where the sink learns that later, also
   * after this has resolved. The last of the entries is told at some time, unless `send` fails or `onDown` is called.
   * @throws SinkUnavailable when some were not taken; they are given again, from the first that was not.
   */
  send(entries: readonly SpooledEntry[], taken: (position: number) => void): Promise<void>;
  /** Called when what was sent and not told as taken will not be, while nothing is sent. */
  onDown?: (reason: SinkUnavailable) => void;
  /** Ends every connection; where it is asked to be orderly, what was sent is taken when it resolves, if ever. */
  close(): Promise<void> | void;
}

/** Told of entries that the other side will never take, and its words for it; they count as taken once it has resolved. */
export type GiveUp = (entries: readonly NewEntry[], reason: string) => Promise<void>;

/** The other side takes nothing for now. */
export class SinkUnavailable extends Error {
  readonly code = "SINK_UNAVAILABLE";
  /** What it asked to wait before the next try. */
  readonly retryAfterMs: number | undefined;
  constructor(reason: string, options: ErrorOptions & { readonly retryAfterMs?: number | undefined } = {}) {
    super(reason, options);
    this.name = "SinkUnavailable";
    this.retryAfterMs = options.retryAfterMs;
  }
}
