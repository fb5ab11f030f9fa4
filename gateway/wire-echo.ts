import type { Clock, Timers } from "../host/clock.ts";
import { pause } from "../host/pause.ts";
import type { WireManners } from "./wire-manners.ts";

/** Lines sent and not yet heard back; more are not under way on a wire that is waited for. */
const LINES_MAX = 16;
/** Silence that ends what the board says: four characters at 9600 baud, and the driver's own delay. */
const QUIET_MS = 20;
/** A board that never stops is spoken over in the end: it waits for our ack. */
const WAIT_MS_MAX = 500;

/** Manners on one pair of wires that both sides speak on (RS-485): wait for silence, and do not take one's own words for the board's. */
export class WireEcho implements WireManners {
  readonly #clock: Clock;
  readonly #timers: Timers;
  #sent: string[] = [];
  #heardMs = Number.NEGATIVE_INFINITY;

  constructor(clock: Clock, timers: Timers) {
    this.#clock = clock;
    this.#timers = timers;
  }

  /** Something came. */
  heard(): void {
    this.#heardMs = this.#clock.monotonicMs();
  }

  async untilFree(): Promise<void> {
    const endMs = this.#clock.monotonicMs() + WAIT_MS_MAX;
    for (;;) {
      const nowMs = this.#clock.monotonicMs();
      const leftMs = Math.min(this.#heardMs + QUIET_MS, endMs) - nowMs;
      if (leftMs <= 0) return;
      await pause(this.#timers, leftMs);
    }
  }

  sent(line: string): void {
    this.#sent.push(line.trimEnd());
    if (this.#sent.length > LINES_MAX) this.#sent.shift();
  }

  /** Whether a line is one of ours that came back; each does once. */
  isEcho(line: string): boolean {
    const index = this.#sent.indexOf(line.trimEnd());
    if (index < 0) return false;
    // What was sent before it came back damaged, or not at all.
    this.#sent = this.#sent.slice(index + 1);
    return true;
  }
}
