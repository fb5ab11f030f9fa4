import type { Timer } from "../../host/clock.ts";
import type { Committer } from "./committer.ts";
import { CompactionAborted, CompactionFailed, Compactor } from "./compactor.ts";
import { enforceRetention } from "./retention.ts";
import type { StoreCore } from "./store-core.ts";
import { TurnKeeper } from "./turn-keeper.ts";

export interface MaintenanceHooks {
  /** Seals the table under way where its entries have waited long for it. */
  readonly sealOld: () => Promise<void>;
}

/** What the store does for itself in the background: retention, then compaction, one segment after the other. */
export class Maintenance {
  readonly #core: StoreCore;
  readonly #committer: Committer;
  readonly #hooks: MaintenanceHooks;
  readonly #compactor: Compactor;
  #running: Promise<void> | undefined;
  #wanted = false;
  #stopped = false;
  #timer: Timer | undefined;

  constructor(core: StoreCore, committer: Committer, hooks: MaintenanceHooks) {
    this.#core = core;
    this.#committer = committer;
    this.#hooks = hooks;
    const turns = new TurnKeeper(core.deps.clock, core.deps.rest);
    this.#compactor = new Compactor(core, committer, () => turns.keep());
  }

  start(): void {
    const { maintenanceMs } = this.#core.options;
    if (maintenanceMs > 0) this.#timer = this.#core.deps.timers.every(maintenanceMs, () => this.poke());
  }

  /** Begins a round in the background; one that is under way is followed by another. */
  poke(): void {
    if (this.#stopped || this.#core.options.maintenanceMs === 0) return;
    void this.run();
  }

  /** Resolves when a whole round has been made. What fails fails the store or waits for the next round; it is not thrown. */
  async run(): Promise<void> {
    this.#wanted = true;
    this.#running ??= this.#rounds();
    await this.#running;
  }

  /** Resolves when nothing is under way any more. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#timer?.cancel();
    this.#compactor.abort();
    await this.#running;
  }

  async #rounds(): Promise<void> {
    try {
      while (this.#wanted && !this.#stopped) {
        this.#wanted = false;
        await this.#round();
      }
    } finally {
      this.#running = undefined;
    }
  }

  /** Of what is written to: a copy that was killed would hold its pages until the next start. */
  #releaseDeadViews(): void {
    const { head, segments, active } = this.#core;
    const logs = active.logs.map(({ kv }) => kv);
    for (const kv of [head, segments.at(-1)?.kv, ...logs]) kv?.releaseDeadViews();
  }

  async #round(): Promise<void> {
    const core = this.#core;
    try {
      core.health.assertUsable();
      this.#releaseDeadViews();
      await this.#hooks.sealOld();
      await core.changes.run("", () => enforceRetention(core, this.#committer));
      while (!this.#stopped) {
        const segment = this.#compactor.next();
        if (segment === undefined) break;
        await this.#compactor.compact(segment);
      }
    } catch (error) {
      if (error instanceof CompactionAborted) return;
      if (error instanceof CompactionFailed) {
        core.deps.counters.add("store_compaction_failures_total");
        core.deps.log.warn({ err: error.cause }, "a compaction failed; it is tried again later");
        return;
      }
      if (core.health.usable) core.health.failed(error);
    } finally {
      core.sources.forgetNumbers();
    }
  }
}
