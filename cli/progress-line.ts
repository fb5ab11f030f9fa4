/** How often it is drawn anew, ms. */
const DRAW_MS = 200;

/** One line of progress that is written over on a terminal; off it, nothing until the end. */
export class ProgressLine {
  readonly #isShown: boolean;
  #drawnMs = 0;

  constructor(isQuiet = false) {
    this.#isShown = !isQuiet && process.stderr.isTTY === true;
  }

  /** Draws what `words` gives, unless it was drawn just before. */
  draw(words: () => string): void {
    const nowMs = performance.now();
    if (!this.#isShown || nowMs - this.#drawnMs < DRAW_MS) return;
    this.#drawnMs = nowMs;
    process.stderr.write(`\r\u001b[K${words()}`);
  }

  clear(): void {
    if (this.#isShown) process.stderr.write("\r\u001b[K");
  }
}

/** Such as ` (12 %)`; nothing of nothing. */
export function percent(count: number, total: number): string {
  return total === 0 ? "" : ` (${Math.min(100, Math.floor((100 * count) / total))} %)`;
}
