import type { Timers } from "../host/clock.ts";

/** What Linux keeps of a terminal that nobody reads; beyond it the driver is told to stop, or loses what comes. */
const KERNEL_BYTES = 4_096;
/** Longest rest after a read, ms: about what a USB adapter keeps a byte for (16 ms on FTDI's), and nobody who looks on sees it. */
const REST_MS_MAX = 20;
/** A wire that brings this much in one rest is faster than it says (a pty, a USB console), and would be held up by rests. */
const FAST_READ_BYTES = (KERNEL_BYTES * 3) / 4;
/** So many reads such a wire is read without a rest. */
const FAST_READS = 32;
const BITS_PER_BYTE = 10;
/** A flag of libuv's poll. */
const WRITABLE = 2;

/** An open port of the driver (bindings-cpp), as far as it is needed to read it. */
export interface PolledPort {
  readonly isOpen: boolean;
  readonly poller: {
    on(event: "readable", listener: (error: Error | null) => void): unknown;
    /** Also begins to wait for it. */
    once(event: "readable", listener: (error: Error | null) => void): unknown;
    /** Waits for these only; for nothing with 0. */
    poll(events: number): void;
    listenerCount(event: "writable"): number;
  };
  /** Reads what is there now. @throws EAGAIN where nothing is. */
  readNow(buffer: Uint8Array, offset: number, length: number): number;
}

export interface Read<B extends Uint8Array> {
  readonly buffer: B;
  readonly bytesRead: number;
}

/**
 * Reads a port as seldom as its wire allows: each read, and each commit of what one read brought, costs the same for a byte as for a
 * kilobyte. What comes after a silence is read at once; what follows within some ms is read together.
 *
 * In place of the driver's own reads, which each take two turns of the thread pool and an exception.
 */
export class PortReader {
  readonly #port: PolledPort;
  readonly #timers: Timers;
  readonly #restMs: number;
  #fastReads = 0;
  /** Nothing is to be read for now. */
  #resting: Promise<void> | undefined;

  /** @param options.mayRest without it all is read as it comes. */
  constructor(
    port: PolledPort,
    timers: Timers,
    options: { readonly baud: number; readonly mayRest: boolean },
  ) {
    this.#port = port;
    this.#timers = timers;
    // At its own speed a wire fills half of what the kernel keeps, at most: a stall of ours as long loses nothing.
    const halfFullMs = (KERNEL_BYTES / 2 / (options.baud / BITS_PER_BYTE)) * 1000;
    this.#restMs = options.mayRest ? Math.min(REST_MS_MAX, halfFullMs) : 0;
    // The driver waits again for all that it was ever asked to wait for: unheard, it would say so without end.
    port.poller.on("readable", (error) => {
      // With an error the poller has ended, and of a port that is closed it is no more: to ask it for anything ends the process.
      if (error === null && this.#resting !== undefined) this.#waitForWritesOnly();
    });
  }

  /**
   * Resolves with a byte at least.
   * @throws an error that is `canceled` once the port is closed, another where the device is gone.
   */
  async read<B extends Uint8Array>(buffer: B, offset: number, length: number): Promise<Read<B>> {
    for (;;) {
      await this.#resting;
      this.#assertOpen();
      await this.#readable();
      this.#assertOpen();
      const bytesRead = this.#readNow(buffer, offset, length);
      if (bytesRead === undefined) continue;
      if (bytesRead >= FAST_READ_BYTES) this.#fastReads = FAST_READS;
      else if (this.#fastReads > 0) this.#fastReads -= 1;
      // A device that went may read as empty for ever after; who watches over it closes the port then.
      if (bytesRead === 0) this.#rest(REST_MS_MAX);
      else if (this.#fastReads === 0 && this.#restMs > 0) this.#rest(this.#restMs);
      if (bytesRead > 0) return { buffer, bytesRead };
    }
  }

  #readNow(buffer: Uint8Array, offset: number, length: number): number | undefined {
    try {
      return this.#port.readNow(buffer, offset, length);
    } catch (error) {
      const { code = "" } = error as NodeJS.ErrnoException;
      if (code === "EAGAIN" || code === "EINTR") return undefined;
      throw error;
    }
  }

  #readable(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#port.poller.once("readable", (error) => (error === null ? resolve() : reject(error)));
    });
  }

  #rest(restMs: number): void {
    this.#resting = new Promise((resolve) => {
      this.#timers.after(restMs, () => {
        this.#resting = undefined;
        resolve();
      });
    });
  }

  #waitForWritesOnly(): void {
    const { poller } = this.#port;
    poller.poll(poller.listenerCount("writable") > 0 ? WRITABLE : 0);
  }

  #assertOpen(): void {
    if (!this.#port.isOpen) throw new PortClosed();
  }
}

/** What the driver's stream takes as no failure. */
class PortClosed extends Error {
  readonly canceled = true;
  constructor() {
    super("the port is closed");
    this.name = "PortClosed";
  }
}
