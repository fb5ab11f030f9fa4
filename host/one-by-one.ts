/** Runs tasks one after the other, in the order given: each begins when the one before it has ended, however it did. */
export class OneByOne {
  #end: Promise<unknown> = Promise.resolve();

  run<T>(task: () => Promise<T>): Promise<T> {
    const result = this.#end.then(task);
    this.#end = result.catch(() => {});
    return result;
  }
}
