import { type Uplink, type UplinkBatch, UplinkUnavailable } from "../gateway/uplink.ts";
import type { LogService } from "../service/service.ts";
import { type LogStore, StoreUnavailable } from "../service/store/log-store.ts";

/** Joins a gateway to the log service in the same process: what the store has committed needs no spool. */
export class EmbeddedUplink implements Uplink {
  readonly #service: LogService;
  readonly #store: LogStore;

  constructor(service: LogService, store: LogStore) {
    this.#service = service;
    this.#store = store;
  }

  async commit(batches: readonly UplinkBatch[]): Promise<void> {
    await orUnavailable(this.#service.append(batches));
  }

  mark(project: string, src: string, boot: string): Promise<number> {
    return orUnavailable(this.#store.mark(project, src, boot));
  }
}

async function orUnavailable<T>(promise: Promise<T>): Promise<T> {
  try {
    return await promise;
  } catch (error) {
    if (error instanceof StoreUnavailable) throw new UplinkUnavailable(error.message, { cause: error });
    throw error;
  }
}
