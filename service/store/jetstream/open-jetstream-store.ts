import type { Clock, Timers } from "../../../host/clock.ts";
import type { Counters } from "../../../host/counters.ts";
import type { ProcessLog } from "../../../host/log.ts";
import type { Random } from "../../../host/random.ts";
import { brotliCompressor } from "../compressor.ts";
import { JetStreamStore, type JetStreamStoreOptions } from "./jetstream-store.ts";
import { NatsEngine, type NatsEngineOptions } from "./nats-engine.ts";

export interface OpenJetStreamDeps {
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  readonly counters: Counters;
  readonly log: ProcessLog;
}

/** Opens the store on a cluster. @throws StoreUnavailable where it does not answer. */
export async function openJetStreamStore(
  deps: OpenJetStreamDeps,
  cluster: NatsEngineOptions,
  options: JetStreamStoreOptions,
): Promise<{ readonly store: JetStreamStore; readonly engine: NatsEngine }> {
  const engine = await NatsEngine.connect(cluster, deps);
  try {
    const store = await JetStreamStore.open({ ...deps, engine, compressor: brotliCompressor }, options);
    return { store, engine };
  } catch (error) {
    await engine.close();
    throw error;
  }
}
