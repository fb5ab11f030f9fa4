import type { Timers } from "../host/clock.ts";

/** The gateway stops: what was not taken or is not durable by now will never be acked. */
export class GatewayStopping extends Error {
  readonly code = "GATEWAY_STOPPING";
  constructor() {
    super("the gateway is stopping");
    this.name = "GatewayStopping";
  }
}

/** For what nobody waits for: a stop is no failure of it. @throws anything else. */
export function ignoreStopping(error: unknown): void {
  if (!(error instanceof GatewayStopping)) throw error;
}

/** Waits that a stop cuts short, so that none keeps the process up. */
export class Pauses {
  readonly #timers: Timers;
  readonly #ends = new Set<() => void>();
  #ended = false;

  constructor(timers: Timers) {
    this.#timers = timers;
  }

  /** Resolves after `delayMs`, or at once when ended. */
  pause(delayMs: number): Promise<void> {
    if (this.#ended) return Promise.resolve();
    return new Promise((resolve) => {
      const end = (): void => {
        timer.cancel();
        this.#ends.delete(end);
        resolve();
      };
      const timer = this.#timers.after(delayMs, end);
      this.#ends.add(end);
    });
  }

  /** @throws GatewayStopping once ended. */
  throwIfEnded(): void {
    if (this.#ended) throw new GatewayStopping();
  }

  /** Ends every pause, and all that would follow. */
  end(): void {
    this.#ended = true;
    for (const end of [...this.#ends]) end();
  }
}
