import type { Clock, Timer, Timers } from "../host/clock.ts";

interface Pending {
  dueMs: number;
  /** Place among those due at the same time. */
  readonly order: number;
  readonly periodMs: number | undefined;
  readonly action: () => void;
  cancelled: boolean;
}

/** 2023-11-14T22:13:20Z: a wall clock that is plausible and easy to recognise. */
const WALL_START_MS = 1_700_000_000_000;

/** A clock and its timers that stand still until told; timers due at one time run in the order they were set. */
export class VirtualTime implements Clock, Timers {
  #nowMs = 0;
  #wallOffsetMs: number;
  #order = 0;
  /** A binary heap; cancelled timers leave it when they come up. */
  readonly #heap: Pending[] = [];
  #cancelledCount = 0;

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
    return this.#heap.length - this.#cancelledCount;
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
      this.#takeFirst();
      if (next.periodMs === undefined) next.cancelled = true;
      else this.#insert(Object.assign(next, { dueMs: next.dueMs + next.periodMs }));
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
    const dueMs = this.#nowMs + Math.max(0, delayMs);
    const pending: Pending = { dueMs, order: this.#order++, periodMs, action, cancelled: false };
    this.#insert(pending);
    return {
      cancel: () => {
        if (!pending.cancelled) this.#cancelledCount++;
        pending.cancelled = true;
      },
    };
  }

  #next(): Pending | undefined {
    while (this.#heap[0]?.cancelled) {
      this.#takeFirst();
      this.#cancelledCount--;
    }
    return this.#heap[0];
  }

  #insert(pending: Pending): void {
    const heap = this.#heap;
    let index = heap.push(pending) - 1;
    while (index > 0) {
      const above = (index - 1) >> 1;
      if (!isBefore(pending, heap[above])) break;
      heap[index] = heap[above] as Pending;
      index = above;
    }
    heap[index] = pending;
  }

  #takeFirst(): void {
    const heap = this.#heap;
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return;
    let index = 0;
    while (true) {
      const left = 2 * index + 1;
      const least = isBefore(heap[left + 1], heap[left]) ? left + 1 : left;
      if (!isBefore(heap[least], last)) break;
      heap[index] = heap[least] as Pending;
      index = least;
    }
    heap[index] = last;
  }
}

/** An absent one is never before. */
function isBefore(a: Pending | undefined, b: Pending | undefined): boolean {
  if (a === undefined || b === undefined) return a !== undefined;
  return a.dueMs < b.dueMs || (a.dueMs === b.dueMs && a.order < b.order);
}

/** Enough turns for chains of promises that wait for no timer and no input. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await Promise.resolve();
}
