import type { SpoolRecord } from "./spool-record.ts";

export interface ReadBounds {
  readonly entriesMax: number;
  /** Of payloads; an entry that is larger comes alone. */
  readonly bytesMax: number;
}

/** One who reads the spool, with a position of its own. */
export interface SpoolReader {
  /** Everything up to here is taken. */
  readonly position: number;
  /** The last durable entry's position. */
  readonly durable: number;
  /** Entries that are durable and not taken. */
  readonly waitingEntries: number;
  /** Called after each commit. */
  onDurable: () => void;
  /** Entries behind a position, in order; positions may be missing where something was lost. Empty: there are none. */
  read(after: number, bounds: ReadBounds): Promise<readonly SpoolRecord[]>;
  /** Entries that were removed before they were read, since this was last asked; no loss record tells of them. */
  takeEvictedCount(): number;
  /** Everything up to here is taken. */
  confirm(position: number): Promise<void>;
}
