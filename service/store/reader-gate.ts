/** Knows who reads segments and tables over several turns, so that none is closed or written over under them. */
export class ReaderGate {
  readonly #inside = new Set<Promise<void>>();
  #listingCount = 0;

  /** Runs a reading; segments that are open when it begins stay so until it ends. */
  async read<T>(reading: () => Promise<T>): Promise<T> {
    let leave = (): void => {};
    const inside = new Promise<void>((resolve) => {
      leave = resolve;
    });
    this.#inside.add(inside);
    try {
      return await reading();
    } finally {
      this.#inside.delete(inside);
      leave();
    }
  }

  /** The same for a page, which keeps no segment open: nobody waits for it. */
  async list<T>(listing: () => Promise<T>): Promise<T> {
    this.#listingCount++;
    try {
      return await listing();
    } finally {
      this.#listingCount--;
    }
  }

  /** True while nobody reads. */
  get isEmpty(): boolean {
    return this.#inside.size + this.#listingCount === 0;
  }

  /** Resolves when all who are inside now have left. */
  async drained(): Promise<void> {
    await Promise.all(this.#inside);
  }
}
