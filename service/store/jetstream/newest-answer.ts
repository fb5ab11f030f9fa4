/** Asks about things so that each caller gets an answer to a question put after the call, and no more than two are open for each thing. */
export class NewestAnswer<Answer> {
  readonly #ask: (about: string) => Promise<Answer>;
  readonly #running = new Map<string, Promise<Answer>>();
  readonly #next = new Map<string, Promise<Answer>>();

  constructor(ask: (about: string) => Promise<Answer>) {
    this.#ask = ask;
  }

  of(about: string): Promise<Answer> {
    const running = this.#running.get(about);
    if (running === undefined) return this.#start(about);
    let next = this.#next.get(about);
    if (next === undefined) {
      next = running
        .catch(() => {})
        .then(() => {
          this.#next.delete(about);
          return this.#start(about);
        });
      this.#next.set(about, next);
    }
    return next;
  }

  #start(about: string): Promise<Answer> {
    const answer = this.#ask(about).finally(() => this.#running.delete(about));
    this.#running.set(about, answer);
    return answer;
  }
}
