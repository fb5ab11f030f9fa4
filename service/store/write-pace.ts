/** Up to this a write that the caller waits for takes no longer than handing it to another thread and hearing of it again. */
const FAST_MS_MAX = 1;
/** One slow write in some hundred changes nothing, however slow it was; a slow disk is known after a few. */
const WEIGHT = 1 / 16;
const COUNTED_MS_MAX = 4 * FAST_MS_MAX;

/**
 * How long durable writes take on this disk lately, on whichever thread. Where that is short, small ones are made at once: to change
 * threads twice costs as much CPU as the write itself, and as much time. On a disk that takes its time, as an SD card does, nothing else
 * would be served meanwhile.
 */
export class WritePace {
  #meanMs: number | undefined;

  /** False until something is known. */
  get isFast(): boolean {
    return this.#meanMs !== undefined && this.#meanMs < FAST_MS_MAX;
  }

  took(ms: number): void {
    const counted = Math.min(ms, COUNTED_MS_MAX);
    const mean = this.#meanMs ?? counted;
    this.#meanMs = mean + (counted - mean) * WEIGHT;
  }
}
