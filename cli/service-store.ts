import type { Counters } from "../host/counters.ts";
import type { Disk } from "../host/disk.ts";
import type { ProcessLog } from "../host/log.ts";
import { systemClock, systemTimers } from "../host/system-clock.ts";
import { SystemDisk } from "../host/system-disk.ts";
import { systemRandom } from "../host/system-random.ts";
import { API_KEY_FILE, KEYS_FILE, KeyStore } from "../service/auth/key-store.ts";
import type { LevelPeers } from "../service/level-control.ts";
import { ClusterLevels } from "../service/store/jetstream/cluster-levels.ts";
import { promiseOf } from "../service/store/jetstream/cluster-promise.ts";
import { NatsEngine } from "../service/store/jetstream/nats-engine.ts";
import { openJetStreamStore } from "../service/store/jetstream/open-jetstream-store.ts";
import { SharedFileChanged, SharedFileDisk } from "../service/store/jetstream/shared-file-disk.ts";
import { type LogStore, StoreUnavailable } from "../service/store/log-store.ts";
import { openStore } from "../service/store/open-store.ts";
import type { ClusterSetting } from "./cluster-settings.ts";
import { readKeys } from "./read-keys.ts";
import type { ServiceSettings } from "./service-settings.ts";
import { UserError } from "./user-error.ts";

const world = { clock: systemClock, timers: systemTimers, random: systemRandom };

/** What a service keeps: its log, and the keys of who may use it. */
export interface ServiceStore {
  readonly store: LogStore;
  readonly keys: KeyStore;
  /** The other services over it. */
  readonly levelPeers?: LevelPeers;
  /** Calls `listener` where the store may have less than it acked. */
  onDoubt(listener: () => void): void;
  close(): Promise<void>;
}

interface StoreWorld {
  readonly disk: Disk;
  readonly counters: Counters;
  readonly log: ProcessLog;
  /** The store has failed for good: the process should stop and be started again. */
  readonly onFailure: (error: StoreUnavailable) => void;
}

/** Opens both where the settings say, and makes the first keys. @throws UserError, StoreUnavailable, KeysUnreadable */
export async function openServiceStore(
  settings: ServiceSettings,
  outside: StoreWorld,
): Promise<ServiceStore> {
  const { cluster } = settings;
  if (cluster !== undefined) return await openOnCluster(cluster, settings, outside);
  const { disk, ...rest } = outside;
  const store = await openStore({ ...world, ...rest, dir: `${settings.data}/store` }, settings.keep);
  const keys = new KeyStore({ disk, ...world });
  try {
    await keys.start();
  } catch (error) {
    await store.close();
    throw error;
  }
  return { store, keys, onDoubt: () => {}, close: () => store.close() };
}

async function openOnCluster(
  { engine: options, prefix, shown }: ClusterSetting,
  { keep }: ServiceSettings,
  { disk, counters, log }: StoreWorld,
): Promise<ServiceStore> {
  const opened = await openJetStreamStore({ ...world, counters, log }, options, {
    prefix,
    keepMs: keep.keepMs,
    keepBytes: keep.keepBytes,
  }).catch((error: unknown) => {
    if (error instanceof StoreUnavailable) throw new UserError(`store: ${shown}: ${error.message}`, 1);
    throw error;
  });
  const { store, engine } = opened;
  try {
    const shared = new SharedFileDisk(disk, store.engine, prefix, KEYS_FILE);
    await shared.start();
    const keys = new KeyStore({ disk: shared, ...world });
    await startKeys(keys, disk);
    const watch = shared.watch(() => {
      keys.reload().catch((error: unknown) => log.warn({ err: error }, "the keys cannot be read again"));
    });
    await watch.ready;
    log.info({ store: shown, prefix }, promiseOf(engine.serverVersion).text);
    const close = async (): Promise<void> => {
      watch.close();
      await store.close();
    };
    const levelPeers = new ClusterLevels({ ...world, line: engine, prefix });
    return { store, keys, levelPeers, onDoubt: (listener) => store.onDoubt(listener), close };
  } catch (error) {
    await store.close();
    throw error;
  }
}

/** The keys of the service that the settings describe, to be changed beside it. @throws UserError */
export async function openKeysOf({
  data,
  cluster,
}: ServiceSettings): Promise<Pick<ServiceStore, "keys" | "close">> {
  if (cluster === undefined) return { keys: await readKeys(data), close: async () => {} };
  let engine: NatsEngine | undefined;
  try {
    engine = await NatsEngine.connect(cluster.engine, world);
    const disk = new SharedFileDisk(new SystemDisk(data), engine, cluster.prefix, KEYS_FILE);
    const keys = new KeyStore({ disk, ...world });
    await keys.reload();
    const { close } = engine;
    return { keys, close: close.bind(engine) };
  } catch (error) {
    await engine?.close();
    throw new UserError(`store: ${cluster.shown}: ${(error as Error).message}`, 1);
  }
}

/** Several services may start for the first time at once: the first one makes the keys. */
async function startKeys(keys: KeyStore, disk: Disk): Promise<void> {
  try {
    await keys.start();
  } catch (error) {
    if (!(error instanceof SharedFileChanged)) throw error;
    await disk.remove(API_KEY_FILE);
    await keys.start();
  }
}
