import type { Timers } from "../../host/clock.ts";
import { CounterTable } from "../../host/counters.ts";
import type { ProcessLog } from "../../host/log.ts";
import type { Random } from "../../host/random.ts";
import { systemClock, systemTimers } from "../../host/system-clock.ts";
import { VirtualTime } from "../../sim/virtual-time.ts";
import { MemoryUplink } from "./memory-uplink.ts";

export interface LogLine {
  readonly level: "debug" | "info" | "warn" | "error";
  readonly fields: object;
  readonly text: string;
}

/** Keeps what a process would have logged. */
export class MemoryLog implements ProcessLog {
  readonly lines: LogLine[] = [];

  debug(fields: object, text: string): void {
    this.lines.push({ level: "debug", fields, text });
  }
  info(fields: object, text: string): void {
    this.lines.push({ level: "info", fields, text });
  }
  warn(fields: object, text: string): void {
    this.lines.push({ level: "warn", fields, text });
  }
  error(fields: object, text: string): void {
    this.lines.push({ level: "error", fields, text });
  }

  /** All of it as one text, to look for what must not be there. */
  get text(): string {
    return JSON.stringify(this.lines);
  }
}

/** Randomness that is the same at every run with a seed (mulberry32). */
export class SeededRandom implements Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  fraction(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = this.#state;
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  }

  bytes(size: number): Uint8Array {
    return Uint8Array.from({ length: size }, () => Math.floor(this.fraction() * 256));
  }
}

/** What a gateway stands on in tests that run in virtual time. */
export function virtualWorld() {
  const time = new VirtualTime();
  return {
    time,
    clock: time,
    timers: time,
    random: new SeededRandom(1),
    uplink: new MemoryUplink(),
    counters: new CounterTable(),
    log: new MemoryLog(),
  };
}

/** The machine's timers, and what was asked of them: how long something means to wait, however busy the machine is. */
export class RememberingTimers implements Timers {
  readonly delaysMs: number[] = [];

  after(delayMs: number, action: () => void) {
    this.delaysMs.push(delayMs);
    return systemTimers.after(delayMs, action);
  }

  every(periodMs: number, action: () => void) {
    return systemTimers.every(periodMs, action);
  }

  /** All waits asked for while `action` runs, one after the other, ms. */
  async sumDuring(action: () => Promise<unknown>): Promise<number> {
    const from = this.delaysMs.length;
    await action();
    return this.delaysMs.slice(from).reduce((sum, ms) => sum + ms, 0);
  }
}

/** The same on the machine's own clock, for tests of real ports and brokers. */
export function realWorld() {
  return {
    clock: systemClock,
    timers: new RememberingTimers(),
    random: new SeededRandom(1),
    uplink: new MemoryUplink(),
    counters: new CounterTable(),
    log: new MemoryLog(),
  };
}

/** Resolves once `condition` holds; fails with what it was waiting for. Real parts only, virtual ones need no waiting. */
export async function until(what: string, condition: () => boolean, timeoutMs = 120_000): Promise<void> {
  const endMs = performance.now() + timeoutMs;
  while (!condition()) {
    if (performance.now() > endMs) throw new Error(`not within ${timeoutMs} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
