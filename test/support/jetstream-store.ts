import { CounterTable } from "../../host/counters.ts";
import { silentLog } from "../../host/process-log.ts";
import { systemClock, systemTimers } from "../../host/system-clock.ts";
import { systemRandom } from "../../host/system-random.ts";
import { brotliCompressor } from "../../service/store/compressor.ts";
import { JetStreamStore } from "../../service/store/jetstream/jetstream-store.ts";
import { openJetStreamStore } from "../../service/store/jetstream/open-jetstream-store.ts";
import { StoreUnavailable } from "../../service/store/log-store.ts";
import { SeededRandom } from "../store/store-drivers.ts";
import { type MemoryCluster, MemoryEngine } from "./memory-engine.ts";
import type { NatsCluster } from "./nats-cluster.ts";

/** Opens a store on a cluster in memory; its pauses take no time. */
export async function openMemoryClusterStore(
  cluster: MemoryCluster,
  options: {
    readonly seed?: number;
    readonly payloadBytesMax?: number;
    readonly keepMs?: number;
    readonly keepBytes?: number;
  } = {},
): Promise<OpenedStore> {
  const counters = new CounterTable();
  const engine = new MemoryEngine(cluster, options.payloadBytesMax);
  let lookMs = 0;
  const store = await JetStreamStore.open(
    {
      engine,
      // A writer's patience ends after so many looks.
      clock: { wallMs: () => cluster.nowMs(), monotonicMs: () => (lookMs += 20) },
      timers: { after: (_ms, action) => systemTimers.after(0, action), every: () => ({ cancel() {} }) },
      random: options.seed === undefined ? systemRandom : new SeededRandom(options.seed),
      counters,
      log: silentLog,
      compressor: brotliCompressor,
    },
    { prefix: "m", keepMs: options.keepMs, keepBytes: options.keepBytes },
  );
  return { store, counters };
}

let prefixCount = 0;

/** A prefix that no store before had. */
export function newPrefix(): string {
  return `t${process.pid}x${++prefixCount}`;
}

export interface OpenedStore {
  readonly store: JetStreamStore;
  readonly counters: CounterTable;
}

/** Opens a store of its own process's kind on the cluster; waits until the cluster can take it. */
export async function openClusterStore(
  cluster: Pick<NatsCluster, "urls">,
  prefix: string,
  options: { readonly keepMs?: number; readonly keepBytes?: number } = {},
): Promise<OpenedStore> {
  const counters = new CounterTable();
  const deps = { clock: systemClock, timers: systemTimers, random: systemRandom, counters, log: silentLog };
  for (let attempt = 1; ; attempt++) {
    try {
      const { store } = await openJetStreamStore(
        deps,
        { servers: cluster.urls, replicas: 3 },
        { prefix, keepMs: options.keepMs, keepBytes: options.keepBytes },
      );
      return { store, counters };
    } catch (error) {
      if (!(error instanceof StoreUnavailable) || attempt >= 100) throw error;
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
  }
}
