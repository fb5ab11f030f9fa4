import type { Clock, Timers } from "../../../host/clock.ts";
import type { Counters } from "../../../host/counters.ts";
import type { ProcessLog } from "../../../host/log.ts";
import type { Random } from "../../../host/random.ts";
import { brotliCompressor } from "../compressor.ts";
import type { DoStep } from "./ask-again.ts";
import { JetStreamStore, type JetStreamStoreOptions } from "./jetstream-store.ts";
import { NatsEngine, type NatsEngineOptions } from "./nats-engine.ts";

export interface OpenJetStreamDeps {
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  readonly counters: Counters;
  readonly log: ProcessLog;
  /** Where it matters more that it opens than when: what a cluster that is joined, but not ready, is asked. */
  readonly inStep?: DoStep;
}

/** Opens the store on a cluster. @throws StoreUnavailable where it does not answer. */
export async function openJetStreamStore(
  deps: OpenJetStreamDeps,
  cluster: NatsEngineOptions,
  options: JetStreamStoreOptions,
): Promise<{ readonly store: JetStreamStore; readonly engine: NatsEngine }> {
  const engine = await NatsEngine.connect(cluster, deps);
  try {
    const open = (): Promise<JetStreamStore> =>
      JetStreamStore.open({ ...deps, engine, compressor: brotliCompressor }, options);
    const store = await (deps.inStep?.(open) ?? open());
    return { store, engine };
  } catch (error) {
    await engine.close();
    throw error;
  }
}
