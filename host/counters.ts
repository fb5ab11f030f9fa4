/**
 * Named counters, one for every reason something was lost, repeated or thrown away. Names are snake_case nouns that end in
 * `_total`, as Prometheus has them; `service/http/metrics.ts` exposes them at `/metrics`.
 */
export interface Counters {
  add(name: string, amount?: number): void;
  /** Current values, by name. */
  values(): Readonly<Record<string, number>>;
}

export class CounterTable implements Counters {
  readonly #values = new Map<string, number>();

  add(name: string, amount = 1): void {
    this.#values.set(name, (this.#values.get(name) ?? 0) + amount);
  }

  values(): Readonly<Record<string, number>> {
    return Object.fromEntries(this.#values);
  }
}
