import { Counter, Gauge, Registry } from "prom-client";
import type { Counters } from "../../host/counters.ts";
import type { HttpAnswer } from "./exchange.ts";

/** All our names start with this, so that they stand together in a list of many programs'. */
const PREFIX = "boardlog_";

/** `GET /metrics`: the counters, and the gauges as they stand, in Prometheus' text form. Only names and numbers: no source, no key. */
export class Metrics {
  readonly #counters: Counters;
  readonly #registry = new Registry();
  readonly #exposed = new Map<string, Counter>();
  /** Numbers that rise and fall, by name. */
  readonly #gaugeValues: () => Promise<Readonly<Record<string, number>>>;
  readonly #gauges = new Map<string, Gauge>();

  constructor(counters: Counters, gaugeValues: () => Promise<Readonly<Record<string, number>>>) {
    this.#counters = counters;
    this.#gaugeValues = gaugeValues;
  }

  async answer(): Promise<HttpAnswer> {
    for (const [name, value] of Object.entries(this.#counters.values())) {
      const counter = this.#exposed.get(name) ?? this.#expose(name);
      counter.reset();
      counter.inc(value);
    }
    const values = await this.#gaugeValues();
    for (const name of this.#gauges.keys()) {
      if (values[name] !== undefined) continue;
      // What is not known any more must not go on as it was.
      this.#registry.removeSingleMetric(PREFIX + name);
      this.#gauges.delete(name);
    }
    for (const [name, value] of Object.entries(values)) {
      const help = name.replaceAll("_", " ");
      const gauge =
        this.#gauges.get(name) ?? new Gauge({ name: PREFIX + name, help, registers: [this.#registry] });
      this.#gauges.set(name, gauge);
      gauge.set(value);
    }
    return { httpStatus: 200, type: this.#registry.contentType, body: await this.#registry.metrics() };
  }

  #expose(name: string): Counter {
    const help = name.replace(/_total$/, "").replaceAll("_", " ");
    const counter = new Counter({ name: PREFIX + name, help, registers: [this.#registry] });
    this.#exposed.set(name, counter);
    return counter;
  }
}
