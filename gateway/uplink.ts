import type { NewEntry } from "../protocol/entry.ts";

/** Entries of one project, in the order they must be listed. */
export interface UplinkBatch {
  readonly project: string;
  readonly entries: readonly NewEntry[];
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
   * @throws UplinkUnavailable
   */
  mark(project: string, src: string, boot: string): Promise<number>;
}

/** The service is away or refuses everything for now; the caller keeps what it has and tries again. */
export class UplinkUnavailable extends Error {
  readonly code = "UPLINK_UNAVAILABLE";
  constructor(reason: string, options?: ErrorOptions) {
    super(`the log service cannot be reached: ${reason}`, options);
    this.name = "UplinkUnavailable";
  }
}
