import { CounterTable } from "../../host/counters.ts";
import { systemClock, systemTimers } from "../../host/system-clock.ts";
import { systemRandom } from "../../host/system-random.ts";
import type { ChunkedStore } from "../../service/store/chunked-store.ts";
import { openStore } from "../../service/store/open-store.ts";
import type { ChunkedStoreOptions } from "../../service/store/store-core.ts";
import type { EntryPool } from "./corpus.ts";

const log = { debug() {}, info() {}, warn: console.warn, error: console.error };

/** The store as the service opens it, in this process. */
export function openBenchStore(
  dir: string,
  options: Partial<ChunkedStoreOptions> = {},
  counters = new CounterTable(),
): Promise<ChunkedStore> {
  return openStore(
    { dir, clock: systemClock, timers: systemTimers, random: systemRandom, counters, log },
    options,
  );
}

/**
 * Compacts all that a closed and sealed store of `dir` holds: its newest segment is old at once, so one more entry begins another.
 * @returns the store, open.
 */
export async function openCompacting(dir: string, pool: EntryPool): Promise<ChunkedStore> {
  const store = await openBenchStore(dir, { maintenanceMs: 0, segmentMsMax: 0 });
  await store.append([{ project: "default", entries: pool.batch().slice(0, 1) }]);
  await store.seal();
  return store;
}

/** Compacts; the system's timers do not hold the process, and compaction rests on them. */
export async function compact(store: ChunkedStore): Promise<void> {
  const hold = setInterval(() => {}, 1000);
  await store.maintain();
  clearInterval(hold);
}
