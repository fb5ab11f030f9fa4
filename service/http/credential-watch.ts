import type { Timer, Timers } from "../../host/clock.ts";
import type { Counters } from "../../host/counters.ts";
import type { ProcessLog } from "../../host/log.ts";
import type { Caller, KeyRing } from "../auth/caller.ts";

/** How soon a change of keys by another process, and a token's end, are seen. */
const LOOK_MS = 1000;

export interface CredentialWatchDependencies {
  readonly keys: KeyRing;
  readonly timers: Timers;
  readonly counters: Counters;
  readonly log: ProcessLog;
}

/** Ends what was opened with a credential once that credential is good no more: revoked, replaced or expired. */
export class CredentialWatch {
  readonly #keys: KeyRing;
  readonly #timers: Timers;
  readonly #counters: Counters;
  readonly #log: ProcessLog;
  /** Bounded by the open connections. */
  readonly #watched = new Map<object, { readonly caller: Caller; readonly onEnd: () => void }>();
  #timer: Timer | undefined;
  #endListening = (): void => {};
  #isUnreadable = false;

  constructor({ keys, timers, counters, log }: CredentialWatchDependencies) {
    this.#keys = keys;
    this.#timers = timers;
    this.#counters = counters;
    this.#log = log;
  }

  start(): void {
    this.#endListening = this.#keys.onChange(() => this.#check());
    this.#timer = this.#timers.every(LOOK_MS, () => {
      this.#check();
      this.#reload().catch(() => {});
    });
  }

  stop(): void {
    this.#timer?.cancel();
    this.#endListening();
  }

  /** Calls `onEnd` once, at the end of the credential; the returned function ends the watch. */
  watch(caller: Caller, onEnd: () => void): () => void {
    const watch = {};
    this.#watched.set(watch, { caller, onEnd });
    // It may have ended between the check and here.
    if (!this.#keys.isStillGood(caller)) this.#check();
    return () => this.#watched.delete(watch);
  }

  #check(): void {
    for (const [watch, { caller, onEnd }] of this.#watched) {
      if (this.#keys.isStillGood(caller)) continue;
      this.#watched.delete(watch);
      this.#counters.add("service_ended_credentials_total");
      onEnd();
    }
  }

  async #reload(): Promise<void> {
    try {
      await this.#keys.reload();
      this.#isUnreadable = false;
    } catch (error) {
      this.#counters.add("service_failed_key_reloads_total");
      if (!this.#isUnreadable) {
        this.#log.error({ error }, "the keys cannot be read again; those read before stand");
      }
      this.#isUnreadable = true;
    }
  }
}
