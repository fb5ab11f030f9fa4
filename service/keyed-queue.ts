/** Runs tasks of one key one after the other, in the order given; tasks of different keys side by side. */
export class KeyedQueue {
  /** Of each key with tasks under way, the end of the last one. Bounded by the frames under way. */
  readonly #ends = new Map<string, Promise<unknown>>();

  async run<T>(key: string, task: () => Promise<T>): Promise<T> {
    const before = this.#ends.get(key);
    const result = before === undefined ? task() : before.then(task);
    const end = result.catch(() => {});
    this.#ends.set(key, end);
    try {
      return await result;
    } finally {
      if (this.#ends.get(key) === end) this.#ends.delete(key);
    }
  }
}
