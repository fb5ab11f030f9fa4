import { type Uplink, type UplinkBatch, UplinkUnavailable } from "../gateway/uplink.ts";
import type { NewEntry } from "../protocol/entry.ts";
import { type LogStore, StoreUnavailable } from "../service/store/log-store.ts";
import type { ProcessLife } from "./process-life.ts";

export interface UplinkWitness {
  /** An uplink says that this is durable. */
  readonly durable: (project: string, entry: NewEntry) => void;
  readonly mark: (project: string, src: string, boot: string, mark: number) => void;
}

/** Tells what an uplink promised, and answers nobody who is dead. */
export class WatchedUplink implements Uplink {
  readonly #uplink: Uplink;
  readonly #life: ProcessLife;
  readonly #witness: UplinkWitness;

  constructor(uplink: Uplink, life: ProcessLife, witness: UplinkWitness) {
    this.#uplink = uplink;
    this.#life = life;
    this.#witness = witness;
  }

  async commit(batches: readonly UplinkBatch[]): Promise<void> {
    await this.#life.hear(this.#uplink.commit(batches));
    for (const { project, entries } of batches) {
      for (const entry of entries) this.#witness.durable(project, entry);
    }
  }

  async mark(project: string, src: string, boot: string, first?: number): Promise<number> {
    const mark = await this.#life.hear(this.#uplink.mark(project, src, boot, first));
    this.#witness.mark(project, src, boot, mark);
    return mark;
  }
}

/** Gateway and service in one process: what the store has committed needs no spool. */
export class StoreUplink implements Uplink {
  readonly #store: () => LogStore | undefined;

  constructor(store: () => LogStore | undefined) {
    this.#store = store;
  }

  async commit(batches: readonly UplinkBatch[]): Promise<void> {
    await orUnavailable(this.#reached().append(batches));
  }

  async mark(project: string, src: string, boot: string): Promise<number> {
    return await orUnavailable(this.#reached().mark(project, src, boot));
  }

  #reached(): LogStore {
    const store = this.#store();
    if (store === undefined) throw new UplinkUnavailable("it is down");
    return store;
  }
}

async function orUnavailable<Value>(promise: Promise<Value>): Promise<Value> {
  try {
    return await promise;
  } catch (error) {
    if (error instanceof StoreUnavailable) throw new UplinkUnavailable(error.message, { cause: error });
    throw error;
  }
}
