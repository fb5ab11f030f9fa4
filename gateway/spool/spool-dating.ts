import type { SpoolRecord } from "./spool-record.ts";

/** Sees to entries that were dated by a clock that nobody had set. */
export interface SpoolDating {
  /** Entries from this position on wait for the clock; undefined: none does. */
  readonly hiddenFrom: number | undefined;
  /** Called when what was hidden is no more. */
  onShown: () => void;
  /** Resolves when nothing is hidden. */
  untilShown(): Promise<void>;
  /** The entry with the time that it should have had, where that is known now. */
  dated(record: SpoolRecord): SpoolRecord;
}
