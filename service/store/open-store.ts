import type { Clock, Timers } from "../../host/clock.ts";
import type { Counters } from "../../host/counters.ts";
import type { ProcessLog } from "../../host/log.ts";
import { pause } from "../../host/pause.ts";
import type { Random } from "../../host/random.ts";
import { ChunkedStore } from "./chunked-store.ts";
import { brotliCompressor, compactBrotliCompressor } from "./compressor.ts";
import { LmdbSpace } from "./lmdb-kv.ts";
import type { StoreUnavailable } from "./log-store.ts";
import type { ChunkedStoreOptions } from "./store-core.ts";

export interface OpenStoreDeps {
  /** Folder of the store's files, made where there is none. One process at a time may have it open. */
  readonly dir: string;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  readonly counters: Counters;
  readonly log: ProcessLog;
  /** Called once when the store fails for good: stop acking, exit non-zero, be started again. */
  readonly onFailure?: (error: StoreUnavailable) => void;
}

/** Rest of background work after a turn of 4 ms: it takes a quarter of a core at most. */
const REST_MS = 12;

/**
 * Opens the embedded store on lmdb.
 * @throws StoreUnavailable while another process has it open, or where its head is damaged.
 */
export async function openStore(
  deps: OpenStoreDeps,
  options: Partial<ChunkedStoreOptions> = {},
): Promise<ChunkedStore> {
  const { dir, random, ...rest } = deps;
  const space = await LmdbSpace.open(dir, rest.clock);
  try {
    return await ChunkedStore.open(
      {
        ...rest,
        space,
        compressor: brotliCompressor,
        compactCompressor: compactBrotliCompressor,
        newSecret: (size) => random.bytes(size),
        yieldTurn: () => new Promise((resolve) => setImmediate(resolve)),
        rest: () => pause(rest.timers, REST_MS),
      },
      options,
    );
  } catch (error) {
    await space.close();
    throw error;
  }
}
