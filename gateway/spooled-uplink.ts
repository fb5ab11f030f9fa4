import type { Timers } from "../host/clock.ts";
import type { Counters } from "../host/counters.ts";
import type { ServiceClient } from "./service-client.ts";
import type { Spool } from "./spool/spool.ts";
import type { UnaskedBoots } from "./unasked-boots.ts";
import { type Uplink, type UplinkBatch, UplinkUnavailable } from "./uplink.ts";

/** Longest wait for the service to say a mark: a board must not hold up the others of its link for longer. */
const MARK_MS_MAX = 2_000;

/** What is in the spool is committed: boards are acked while the service is away. */
export class SpooledUplink implements Uplink {
  readonly #spool: Pick<Spool, "commit" | "markOf">;
  readonly #client: Pick<ServiceClient, "mark"> | undefined;
  readonly #unasked: Pick<UnaskedBoots, "begin"> | undefined;
  readonly #timers: Timers;
  readonly #counters: Counters;
  readonly #project: string;
  readonly #isConnected: () => boolean;
  #problem: string | undefined;

  constructor(
    world: {
      readonly spool: Pick<Spool, "commit" | "markOf">;
      /** Absent where the service knows no marks: a boot that the spool does not know then begins at what the board holds. */
      readonly client?: Pick<ServiceClient, "mark">;
      /** Where boots that were begun without asking are kept. */
      readonly unasked?: Pick<UnaskedBoots, "begin">;
      readonly timers: Timers;
      readonly counters: Counters;
      readonly isConnected: () => boolean;
    },
    options: { readonly project: string },
  ) {
    this.#spool = world.spool;
    this.#client = world.client;
    this.#unasked = world.unasked;
    this.#timers = world.timers;
    this.#counters = world.counters;
    this.#isConnected = world.isConnected;
    this.#project = options.project;
  }

  /** Why nothing is taken for now; undefined while all is well. */
  get problem(): string | undefined {
    return this.#problem;
  }

  async commit(batches: readonly UplinkBatch[]): Promise<void> {
    for (const { project } of batches) {
      if (project !== this.#project) throw new TypeError(`the spool is of project ${this.#project}`);
    }
    try {
      await this.#spool.commit(batches.flatMap(({ entries }) => entries));
      this.#problem = undefined;
    } catch (error) {
      if (error instanceof UplinkUnavailable)
        this.#problem = `${error.message}; boards get no acks, and keep their lines`;
      throw error;
    }
  }

  async mark(_project: string, src: string, boot: string, first?: number): Promise<number> {
    const known = this.#spool.markOf(src, boot);
    if (known !== undefined) return known;
    if (this.#client === undefined) return (first ?? 1) - 1;
    try {
      if (!this.#isConnected()) throw new UplinkUnavailable("it does not answer for now");
      return await this.#inTime(this.#client.mark(src, boot));
    } catch (error) {
      if (first === undefined || !(error instanceof UplinkUnavailable)) throw error;
      // What is below was acked by somebody, or is an open gap that the store knows of; it is not called lost before that is known.
      this.#counters.add("gateway_unasked_marks_total");
      await this.#unasked?.begin(src, boot, first);
      return first - 1;
    }
  }

  #inTime(answer: Promise<number>): Promise<number> {
    return new Promise((resolve, reject) => {
      const timer = this.#timers.after(MARK_MS_MAX, () => reject(new UplinkUnavailable("no answer in time")));
      answer.then(resolve, reject).finally(() => timer.cancel());
    });
  }
}
