import type { Clock, Timer, Timers } from "../host/clock.ts";
import { KERNEL_BYTES, type ReadRounds, ROUND_REST_MS, type RoundReader } from "./read-rounds.ts";

/** Longest rest after a read, ms: about what a USB adapter keeps a byte for (16 ms on FTDI's), and nobody who looks on sees it. */
const REST_MS_MAX = 20;
/** The kernel gives one byte less than it keeps: there may have been more. */
const FULL_READ_BYTES = KERNEL_BYTES - 1;
const BITS_PER_BYTE = 10;
/** Flags of libuv's poll. */
const READABLE = 1;
const WRITABLE = 2;

/** Of all ports, one after the other. */
const buffer = new Uint8Array(65_536);

/** An open port of the driver (bindings-cpp), as far as it is needed to read it. */
export interface PolledPort {
  readonly isOpen: boolean;
  readonly poller: {
    /** With an error the poller has ended, and of a port that is closed it is no more: to ask it for anything ends the process. */
    on(event: "readable", listener: (error: Error | null) => void): unknown;
    /** Waits for these only; for nothing with 0. */
    poll(events: number): void;
    listenerCount(event: "writable"): number;
  };
  /** Reads what is there now. @throws EAGAIN where nothing is. */
  readNow(buffer: Uint8Array): number;
}

export interface PortReaderEvents {
  /** @param bytes only until it returns. */
  onBytes(bytes: Uint8Array): void;
  /** The device is gone. Not told of a port that was closed. */
  onGone(): void;
}

export interface PortReaderOptions {
  readonly baud: number;
  /** Without it all is read as it comes. */
  readonly mayRest: boolean;
}

/**
 * Reads a port as seldom as its wire allows: each read, and each commit of what one read brought, costs the same for a byte as for a
 * kilobyte. What comes after a silence is read at once; what follows within some ms is read together.
 *
 * In place of the driver's own reads and its stream, which each take turns of the thread pool, promises and memory of their own.
 */
export class PortReader implements RoundReader {
  readonly #port: PolledPort;
  readonly #clock: Clock;
  readonly #timers: Timers;
  readonly #rounds: ReadRounds;
  readonly #events: PortReaderEvents;
  readonly #mayRest: boolean;
  readonly #restMs: number;
  #isPaused = true;
  #isOver = false;
  /** Nothing is to be read before it ends. */
  #rest: Timer | undefined;
  /** Nor before the round comes. */
  #isInRound = false;
  #lastReadMs = Number.NEGATIVE_INFINITY;
  /** The last rest brought something, so the next one will: to ask the poller first would cost as much as to read. */
  #isFlowing = false;

  constructor(
    world: {
      readonly port: PolledPort;
      readonly clock: Clock;
      readonly timers: Timers;
      readonly rounds: ReadRounds;
    },
    { baud, mayRest }: PortReaderOptions,
    events: PortReaderEvents,
  ) {
    this.#port = world.port;
    this.#clock = world.clock;
    this.#timers = world.timers;
    this.#rounds = world.rounds;
    this.#events = events;
    this.#mayRest = mayRest;
    // At its own speed a wire fills half of what the kernel keeps, at most: a stall of ours as long loses nothing.
    this.#restMs = Math.min(REST_MS_MAX, restAt(baud / BITS_PER_BYTE / 1000));
    world.port.poller.on("readable", (error) => this.#readable(error));
  }

  /** Begins to read, or goes on. */
  resume(): void {
    if (!this.#isPaused) return;
    this.#isPaused = false;
    if (!this.#isResting) this.#wait();
  }

  /** Reads nothing until `resume`. */
  pause(): void {
    this.#isPaused = true;
  }

  get #isResting(): boolean {
    return this.#rest !== undefined || this.#isInRound;
  }

  #readable(error: Error | null): void {
    if (this.#isOver) return;
    if (error !== null) this.#end((error as { readonly canceled?: boolean }).canceled !== true);
    // The driver waits again for all that it was ever asked to wait for: unheard, it would say so without end.
    else if (this.#isPaused || this.#isResting) this.#poll(0);
    else this.#read();
  }

  #wait(): void {
    if (!this.#isOver && this.#port.isOpen) this.#poll(READABLE);
  }

  #poll(events: number): void {
    const { poller } = this.#port;
    // Each new wait replaces the one before, also that of a write.
    poller.poll(poller.listenerCount("writable") > 0 ? events | WRITABLE : events);
  }

  #read(): void {
    const sizeBytes = this.#readNow(buffer);
    this.took(buffer.subarray(0, sizeBytes));
  }

  /** @returns the bytes read; none also where there is nothing, or it fails. */
  #readNow(memory: Uint8Array): number {
    try {
      return this.#port.readNow(memory);
    } catch (error) {
      const { code = "" } = error as NodeJS.ErrnoException;
      if (code !== "EAGAIN" && code !== "EINTR") this.#end(true);
      return 0;
    }
  }

  readInto(slot: Uint8Array): number | undefined {
    this.#isInRound = false;
    return this.#isPaused || this.#isOver || !this.#port.isOpen ? undefined : this.#readNow(slot);
  }

  took(bytes: Uint8Array): void {
    const sinceMs = this.#lastReadMs;
    if (bytes.length > 0) this.#events.onBytes(bytes);
    if (this.#isOver) return;
    if (bytes.length === 0) {
      const wasFlowing = this.#isFlowing;
      this.#isFlowing = false;
      // Readable and empty is a device that went, for ever after; who watches over it closes the port then.
      if (wasFlowing) this.#wait();
      else this.#restFor(REST_MS_MAX);
      return;
    }
    this.#lastReadMs = this.#clock.monotonicMs();
    const tookMs = this.#lastReadMs - sinceMs;
    this.#isFlowing = tookMs < 2 * REST_MS_MAX;
    if (!this.#mayRest) this.#wait();
    // Where the wire is faster than it says, what it was seen to bring counts.
    else if (bytes.length < FULL_READ_BYTES)
      this.#restFor(Math.max(ROUND_REST_MS, Math.min(this.#restMs, restAt(bytes.length / tookMs))));
    else if (this.#isFlowing) this.#joinRound();
    else this.#restFor(ROUND_REST_MS);
  }

  #joinRound(): void {
    this.#isInRound = true;
    this.#rounds.join(this);
  }

  #restFor(restMs: number): void {
    this.#rest = this.#timers.after(restMs, () => {
      this.#rest = undefined;
      if (this.#isPaused) return;
      if (this.#isFlowing && this.#port.isOpen) this.#read();
      else this.#wait();
    });
  }

  #end(isGone: boolean): void {
    this.#isOver = true;
    this.#rest?.cancel();
    if (isGone) this.#events.onGone();
  }
}

/** How long a wire may be left unread that fills half of what the kernel keeps meanwhile. */
function restAt(bytesPerMs: number): number {
  return KERNEL_BYTES / 2 / bytesPerMs;
}
