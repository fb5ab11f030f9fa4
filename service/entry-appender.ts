import type { Counters } from "../host/counters.ts";
import type { AppendResult, LogStore, SpoolPosition, StoreBatch } from "./store/log-store.ts";

/** The service's one way of appending: counts what became of the entries, and knows what waits. */
export class EntryAppender {
  readonly #store: LogStore;
  readonly #counters: Counters;
  #waitingCount = 0;
  #settledCount = 0;

  constructor({ store, counters }: { store: LogStore; counters: Counters }) {
    this.#store = store;
    this.#counters = counters;
  }

  /** Calls that wait for the disk. */
  get waitingCount(): number {
    return this.#waitingCount;
  }

  /** Calls that were answered, also by a refusal. */
  get settledCount(): number {
    return this.#settledCount;
  }

  /**
   * Begun before this returns: calls keep their order.
   * @throws StoreUnavailable
   */
  async append(batches: readonly StoreBatch[], position?: SpoolPosition): Promise<readonly AppendResult[]> {
    this.#waitingCount += 1;
    try {
      const results = await this.#store.append(batches, position);
      for (const { storedCount, duplicateCount } of results) {
        this.#counters.add("service_stored_entries_total", storedCount);
        this.#counters.add("service_duplicate_entries_total", duplicateCount);
      }
      return results;
    } finally {
      this.#waitingCount -= 1;
      this.#settledCount += 1;
    }
  }
}
