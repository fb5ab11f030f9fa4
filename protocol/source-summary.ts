import type { ClockQuality, LossPlace } from "./entry.ts";

/** What `Log.Sources` says of a source (docs/protocol.md 4.7). */
export interface SourceSummary {
  readonly src: string;
  /** Received time of its last entry, UTC ms. */
  readonly lastReceived: number;
  /** Entries that are kept: taken neither by retention nor by `delete`. */
  readonly entryCount: number;
  /** Boots of which a seq, or the loss of one, was ever stored. */
  readonly bootCount: number;
  /** Boot of the last entry that had one. */
  readonly lastBoot?: string;
  /** Where the timestamp of its last entry came from, and the bound of its error where one is known. */
  readonly clock: ClockQuality;
  readonly clockError?: number;
  /** Lines that loss records say are missing, by the place they were lost; of all that were ever stored. */
  readonly lossCounts: Readonly<Record<LossPlace, number>>;
}
