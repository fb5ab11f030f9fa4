import type { BrokerAuth, BrokerClient } from "../gateway/broker-rules.ts";
import { type Caller, mayDo } from "../service/auth/caller.ts";
import type { KeyStore } from "../service/auth/key-store.ts";

/** Lets boards into the embedded broker by the keys of one or more stores, hashed at rest (docs/protocol.md 8.4). */
export class KeyAuth implements BrokerAuth {
  readonly #stores: readonly KeyStore[];
  readonly #admitted = new WeakMap<BrokerClient, { readonly store: KeyStore; readonly caller: Caller }>();

  constructor(stores: readonly KeyStore[]) {
    this.#stores = stores;
  }

  async authenticate(userName: string, password: string): Promise<BrokerClient | undefined> {
    for (const store of this.#stores) {
      const caller = await store.verify(password);
      const client = caller === undefined ? undefined : clientOf(caller, userName);
      if (caller === undefined || client === undefined) continue;
      this.#admitted.set(client, { store, caller });
      return client;
    }
    return undefined;
  }

  isStillGood(client: BrokerClient): boolean {
    const admitted = this.#admitted.get(client);
    return admitted?.store.isStillGood(admitted.caller) ?? false;
  }
}

/** A board shows its own name; whoever speaks for many shows the project. */
function clientOf(caller: Caller, userName: string): BrokerClient | undefined {
  const { project, src } = caller;
  if (!mayDo(caller, "write")) return undefined;
  if (src !== undefined) return src === userName ? { project, device: src } : undefined;
  return userName === project && mayDo(caller, "on-behalf") ? { project } : undefined;
}
