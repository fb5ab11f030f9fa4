import type { Clock, Timer, Timers } from "../host/clock.ts";
import { isHalfTyped } from "../protocol/console-line.ts";
import type { WireManners } from "./wire-manners.ts";

/** A half-typed line that does not change is left there by somebody who went away. */
const TYPING_MS_MAX = 60_000;
/** A line that is being typed is not longer; what an app prints without an LF may be. */
const TAIL_CHARS_MAX = 1_024;
const LF = 0x0a;

/** Manners on a wire with a prompt at its far end: nobody's half-typed line is spoilt (docs/protocol.md 12.11). */
export class PromptWatch implements WireManners {
  readonly #clock: Clock;
  readonly #timers: Timers;
  /** There is a prompt. */
  #isOn = false;
  /** Since the last LF, as Latin-1. */
  #tail = "";
  #heardMs = 0;
  #waiting: { readonly timer: Timer; readonly resolve: () => void } | undefined;

  constructor(clock: Clock, timers: Timers) {
    this.#clock = clock;
    this.#timers = timers;
  }

  get isOn(): boolean {
    return this.#isOn;
  }

  /** The wire is new, or turns out to have a prompt. */
  begin(isOn: boolean): void {
    this.#isOn = isOn;
    this.#tail = "";
    this.#wake();
  }

  heard(bytes: Uint8Array): void {
    if (!this.#isOn) return;
    const rest = bytes.subarray(bytes.lastIndexOf(LF) + 1);
    const before = rest.length < bytes.length ? "" : this.#tail;
    this.#tail = (before + Buffer.from(rest).toString("latin1")).slice(-TAIL_CHARS_MAX);
    this.#heardMs = this.#clock.monotonicMs();
    this.#wake();
  }

  async untilFree(): Promise<void> {
    while (this.#isOn && isHalfTyped(this.#tail)) {
      const leftMs = this.#heardMs + TYPING_MS_MAX - this.#clock.monotonicMs();
      if (leftMs <= 0) return;
      await new Promise<void>((resolve) => {
        this.#waiting = { timer: this.#timers.after(leftMs, resolve), resolve };
      });
    }
  }

  sent(): void {}

  /** Who waits is never told. */
  stop(): void {
    this.#waiting?.timer.cancel();
  }

  #wake(): void {
    this.#waiting?.timer.cancel();
    this.#waiting?.resolve();
    this.#waiting = undefined;
  }
}
