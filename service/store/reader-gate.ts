/** Knows who reads segments over several turns, so that none is closed under them. */
export class ReaderGate {
  readonly #inside = new Set<Promise<void>>();

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

  /** Resolves when all who are inside now have left. */
  async drained(): Promise<void> {
    await Promise.all(this.#inside);
  }
}
