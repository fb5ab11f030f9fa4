import type { Counters } from "../../host/counters.ts";
import { ByteReader } from "./byte-reader.ts";
import { ByteWriter } from "./byte-writer.ts";
import { CHECKED_HEAD_BYTES, openValue, sealValue, ValueKind } from "./checked-value.ts";
import type { SpoolPosition } from "./log-store.ts";
import type { KvChange, OrderedKv } from "./ordered-kv.ts";
import { nameOfKey, spoolKey, spoolKeys } from "./store-keys.ts";

/**
 * How far the spools of gateways have come. A position is written to the log in the transaction of its entries, and to the head
 * before that log goes; the highest of all rows counts. All of them are in memory: there are few gateways, and a spool begins
 * another epoch only when its disk was put back.
 */
export class SpoolPositions {
  readonly #counters: Counters;
  readonly #durable = new Map<string, number>();

  constructor(counters: Counters) {
    this.#counters = counters;
  }

  get(project: string, gateway: string, epoch: string): number {
    return this.#durable.get(nameOf({ project, gateway, epoch })) ?? 0;
  }

  /** What the transaction of entries up to a position must hold beside them. */
  changeOf(position: SpoolPosition): KvChange {
    return put(nameOf(position), position.position);
  }

  /** The transaction is durable. */
  written(position: SpoolPosition): void {
    this.#raise(nameOf(position), position.position);
  }

  /** Takes the rows of an engine. */
  read(kv: OrderedKv): void {
    for (const { key, value } of kv.range(spoolKeys())) {
      const bytes = openValue(ValueKind.SpoolPosition, value);
      if (bytes === undefined) this.#counters.add("store_corrupt_spool_positions_total");
      else this.#raise(nameOfKey(key), new ByteReader(bytes, CHECKED_HEAD_BYTES).varint());
    }
  }

  /** What the head must hold before a log goes. */
  changes(): KvChange[] {
    return Array.from(this.#durable, ([name, position]) => put(name, position));
  }

  #raise(name: string, position: number): void {
    this.#durable.set(name, Math.max(position, this.#durable.get(name) ?? 0));
  }
}

/** None of the three has a space in it. */
function nameOf({ project, gateway, epoch }: Omit<SpoolPosition, "position">): string {
  return `${project} ${gateway} ${epoch}`;
}

function put(name: string, position: number): KvChange {
  const writer = new ByteWriter(16);
  writer.varint(position);
  return { type: "put", key: spoolKey(name), value: sealValue(ValueKind.SpoolPosition, writer.view()) };
}
