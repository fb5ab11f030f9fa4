import type { Clock, Timer, Timers } from "../host/clock.ts";

interface Pending {
  dueMs: number;
  readonly order: number;
  readonly periodMs: number | undefined;
  readonly action: () => void;
}

/** 2023-11-14T22:13:20Z: a wall clock that is plausible and easy to recognise. */
const WALL_START_MS = 1_700_000_000_000;

/** A clock and its timers that stand still until told; timers due at one time run in the order they were set. */
export class VirtualTime implements Clock, Timers {
  #nowMs = 0;
  #wallOffsetMs: number;
  #order = 0;
  readonly #pending = new Set<Pending>();

  constructor(wallStartMs = WALL_START_MS) {
    this.#wallOffsetMs = wallStartMs;
  }

  wallMs(): number {
    return Math.floor(this.#wallOffsetMs + this.#nowMs);
  }

  monotonicMs(): number {
    return this.#nowMs;
  }

  /** Steps the wall clock; timers and the monotonic clock do not notice. */
  setWallMs(wallMs: number): void {
    this.#wallOffsetMs = wallMs - this.#nowMs;
  }

  after(delayMs: number, action: () => void): Timer {
    return this.#add(delayMs, undefined, action);
  }

  every(periodMs: number, action: () => void): Timer {
    if (!(periodMs > 0)) throw new RangeError(`a period must be above 0 ms, not ${periodMs}`);
    return this.#add(periodMs, periodMs, action);
  }

  /** Timers that have not fired yet. */
  get pendingCount(): number {
    return this.#pending.size;
  }

  /** When the next timer is due on the monotonic clock, or undefined. */
  get nextDueMs(): number | undefined {
    return this.#next()?.dueMs;
  }

  /** Runs all that falls due within `ms`, each at its own time, those set on the way included. */
  advance(ms: number): void {
    const endMs = this.#nowMs + ms;
    for (let next = this.#next(); next !== undefined && next.dueMs <= endMs; next = this.#next()) {
      this.#nowMs = Math.max(this.#nowMs, next.dueMs);
      if (next.periodMs === undefined) this.#pending.delete(next);
      else next.dueMs += next.periodMs;
      next.action();
    }
    this.#nowMs = Math.max(this.#nowMs, endMs);
  }

  /** As `advance`, but lets promises settle before every timer. */
  async advanceAsync(ms: number): Promise<void> {
    const endMs = this.#nowMs + ms;
    await settle();
    for (let next = this.#next(); next !== undefined && next.dueMs <= endMs; next = this.#next()) {
      this.advance(Math.max(0, next.dueMs - this.#nowMs));
      await settle();
    }
    this.advance(endMs - this.#nowMs);
  }

  #add(delayMs: number, periodMs: number | undefined, action: () => void): Timer {
    const pending: Pending = {
      dueMs: this.#nowMs + Math.max(0, delayMs),
      order: this.#order++,
      periodMs,
      action,
    };
    this.#pending.add(pending);
    return { cancel: () => void this.#pending.delete(pending) };
  }

  #next(): Pending | undefined {
    let next: Pending | undefined;
    for (const pending of this.#pending) {
      const earlier =
        next === undefined ||
        pending.dueMs < next.dueMs ||
        (pending.dueMs === next.dueMs && pending.order < next.order);
      if (earlier) next = pending;
    }
    return next;
  }
}

/** Enough turns for chains of promises that wait for no timer and no input. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await Promise.resolve();
}
