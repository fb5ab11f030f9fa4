import type { Counters } from "../host/counters.ts";

/** Counters that rise whenever the commit loop comes round: with a commit, or with a refusal that it has to wait out. */
const ROUNDS = ["gateway_commits_total", "gateway_uplink_unavailable_total"] as const;

/** Whether the commit loop moves: what waits is committed, or tried again. A full spool is no stall; a hung disk is one. */
export class CommitProgress {
  readonly #counters: Counters;
  readonly #queuedEntries: () => number;
  #lastRounds = -1;

  constructor(counters: Counters, queuedEntries: () => number) {
    this.#counters = counters;
    this.#queuedEntries = queuedEntries;
  }

  /** Since the last time it was asked. */
  hasMoved(): boolean {
    const values = this.#counters.values();
    const rounds = ROUNDS.reduce((sum, name) => sum + (values[name] ?? 0), 0);
    const hasMoved = rounds !== this.#lastRounds || this.#queuedEntries() === 0;
    this.#lastRounds = rounds;
    return hasMoved;
  }
}
