import type { NewEntry } from "../protocol/entry.ts";
import type { EntryPart } from "../protocol/entry-run.ts";

/** Entries of one project, in the order they must be listed. */
export interface UplinkBatch {
  readonly project: string;
  readonly entries: readonly NewEntry[];
  /** All that `entries` says, where some of it came in columns: then those are made where they are asked for. */
  readonly parts?: readonly EntryPart[];
}

/**
 * The gateway's way to a log service: the only thing the gateway knows of it. `cli/` joins the two in one process;
 * a remote service is reached by an implementation of its own.
 */
export interface Uplink {
  /**
   * Stores the batches in one transaction. Resolves when they are durable: only then may a board be acked.
   * Entries with `boot` and `seq` that the service already holds are not stored twice.
   * @throws UplinkUnavailable when the service cannot take them now; nothing of the call was stored.
   */
  commit(batches: readonly UplinkBatch[]): Promise<void>;

  /**
   * The highest seq of `(src, boot)` that is stored or accounted for by a loss record; 0 for a boot never seen.
   * @param first the oldest seq that the board still holds, where it said so. What is below it was acked, or is lost: an uplink
   * that cannot ask the service for now may begin there, and leave what is below to the gaps that the store keeps (6.9).
   * @throws UplinkUnavailable
   */
  mark(project: string, src: string, boot: string, first?: number): Promise<number>;
}

/** The service is away or refuses everything for now; the caller keeps what it has and tries again. */
export class UplinkUnavailable extends Error {
  readonly code: string = "UPLINK_UNAVAILABLE";
  constructor(reason: string, options?: ErrorOptions) {
    super(`the log service cannot be reached: ${reason}`, options);
    this.name = "UplinkUnavailable";
  }
}
