/** When one may speak on a wire that others speak on too. */
export interface WireManners {
  /** Resolves when the wire is free, or has not been for too long. */
  untilFree(): Promise<void>;
  /** A line goes down now. */
  sent(line: string): void;
}
