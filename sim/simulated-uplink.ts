import { type Uplink, type UplinkBatch, UplinkUnavailable } from "../gateway/uplink.ts";
import type { NewEntry } from "../protocol/entry.ts";
import { type LogStore, StoreUnavailable } from "../service/store/log-store.ts";
import type { FaultPlan } from "./fault-plan.ts";
import type { ProcessLife } from "./process-life.ts";
import type { SeededRandom } from "./seeded-random.ts";

export interface UplinkState {
  isAway: boolean;
  isQuiet: boolean;
}

/**
 * A gateway's way to the log service: within one process, or between two with all that a network adds. For one life of the
 * gateway; what a dead one asked for is never answered.
 */
export class SimulatedUplink implements Uplink {
  readonly #life: ProcessLife;
  readonly #store: () => LogStore | undefined;
  readonly #random: SeededRandom;
  readonly #plan: FaultPlan;
  readonly #state: UplinkState;
  readonly #isRemote: boolean;
  readonly #onDurable: (entry: NewEntry, project: string) => void;
  readonly #onMark: (project: string, src: string, boot: string, mark: number) => void;

  constructor(
    world: {
      readonly life: ProcessLife;
      readonly store: () => LogStore | undefined;
      readonly random: SeededRandom;
      readonly plan: FaultPlan;
      readonly state: UplinkState;
      readonly onDurable: (entry: NewEntry, project: string) => void;
      readonly onMark: (project: string, src: string, boot: string, mark: number) => void;
    },
    options: { readonly isRemote: boolean },
  ) {
    this.#life = world.life;
    this.#store = world.store;
    this.#random = world.random;
    this.#plan = world.plan;
    this.#state = world.state;
    this.#isRemote = options.isRemote;
    this.#onDurable = world.onDurable;
    this.#onMark = world.onMark;
  }

  commit(batches: readonly UplinkBatch[]): Promise<void> {
    return this.#life.hear(this.#commit(batches));
  }

  mark(project: string, src: string, boot: string): Promise<number> {
    return this.#life.hear(this.#mark(project, src, boot));
  }

  async #commit(batches: readonly UplinkBatch[]): Promise<void> {
    await this.#way();
    await orUnavailable(this.#reached().append(batches));
    for (const { project, entries } of batches) for (const entry of entries) this.#onDurable(entry, project);
    await this.#wayBack();
  }

  async #mark(project: string, src: string, boot: string): Promise<number> {
    await this.#way();
    const mark = await orUnavailable(this.#reached().mark(project, src, boot));
    this.#onMark(project, src, boot, mark);
    await this.#wayBack();
    return mark;
  }

  #reached(): LogStore {
    const store = this.#store();
    if (store === undefined) throw new UplinkUnavailable("it is down");
    if (this.#state.isAway) throw new UplinkUnavailable("the network is down");
    return store;
  }

  #way(): Promise<void> {
    if (!this.#isRemote) return Promise.resolve();
    return new Promise((resolve) => this.#life.after(this.#random.between(0.2, 8), resolve));
  }

  async #wayBack(): Promise<void> {
    await this.#way();
    if (!this.#isRemote || this.#state.isQuiet) return;
    if (this.#random.chance(this.#plan.amount("uplinkAnswerLost"))) {
      throw new UplinkUnavailable("the answer was lost");
    }
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
