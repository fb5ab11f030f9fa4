/** Who hears what: exact topics in one step, filters with wildcards one by one (they are few: those of whole projects). */
export class TopicSubscriptions<Subscriber> {
  readonly #exact = new Map<string, Set<Subscriber>>();
  readonly #wild = new Map<
    string,
    { readonly levels: readonly string[]; readonly subscribers: Set<Subscriber> }
  >();

  add(filter: string, subscriber: Subscriber): void {
    const levels = filter.split("/");
    if (!levels.some((level) => level === "+" || level === "#")) {
      const subscribers = this.#exact.get(filter);
      if (subscribers === undefined) this.#exact.set(filter, new Set([subscriber]));
      else subscribers.add(subscriber);
      return;
    }
    const known = this.#wild.get(filter);
    if (known === undefined) this.#wild.set(filter, { levels, subscribers: new Set([subscriber]) });
    else known.subscribers.add(subscriber);
  }

  remove(filter: string, subscriber: Subscriber): void {
    const exact = this.#exact.get(filter);
    if (exact?.delete(subscriber) && exact.size === 0) this.#exact.delete(filter);
    const wild = this.#wild.get(filter);
    if (wild?.subscribers.delete(subscriber) && wild.subscribers.size === 0) this.#wild.delete(filter);
  }

  /** Each subscriber once, however many of its filters match (MQTT 3.1.1, 3.3.5). */
  of(topic: string): Iterable<Subscriber> {
    const exact = this.#exact.get(topic) ?? [];
    if (this.#wild.size === 0) return exact;
    const subscribers = new Set(exact);
    const levels = topic.split("/");
    for (const { levels: filter, subscribers: some } of this.#wild.values()) {
      if (matches(filter, levels)) for (const subscriber of some) subscribers.add(subscriber);
    }
    return subscribers;
  }
}

/** Clause 4.7 of MQTT 3.1.1; wildcards at the start do not match topics with a `$`. */
function matches(filter: readonly string[], topic: readonly string[]): boolean {
  if (topic[0]?.startsWith("$") && (filter[0] === "+" || filter[0] === "#")) return false;
  for (let index = 0; index < filter.length; index++) {
    const level = filter[index];
    if (level === "#") return true;
    if (index >= topic.length || (level !== "+" && level !== topic[index])) return false;
  }
  return filter.length === topic.length;
}
