/** Boots of one source that are remembered beside the one that goes on. */
const EARLIER_MAX = 8;
/**
 * So often, over so long, must an earlier boot have brought new lines again. What a broker kept of a boot that ended comes once and
 * together; two boards under one name go on in turn for ever.
 */
const RETURNS_MIN = 4;
const RETURNS_SPAN_MS = 60_000;

/** Seqs of a boot above its mark of which some were missed. */
export interface OpenGap {
  readonly boot: string;
  /** Highest seq that came and was not taken. */
  last: number;
  /** When anything of this boot was last heard, monotonic ms; below 0 where that was before the machine started. */
  heardMs: number;
  /** Its loss record is on the way. */
  isGivenUp: boolean;
}

/** One source across its boots: which goes on, whether two go on at once, and what was never filled (docs/protocol.md 6.10, 6.11). */
export class SourceHistory {
  readonly project: string;
  readonly src: string;
  readonly #earlier: string[] = [];
  readonly #gaps = new Map<string, OpenGap>();
  /** Which brought new lines last, and when. */
  #boot: string | undefined;
  #newsMs = 0;
  #returnCount = 0;
  #firstReturnMs = 0;
  #isCloned = false;

  constructor(project: string, src: string) {
    this.project = project;
    this.src = src;
  }

  get gaps(): Iterable<OpenGap> {
    return this.#gaps.values();
  }

  get hasGaps(): boolean {
    return this.#gaps.size > 0;
  }

  /** Another boot brought new lines after the gap's was last heard. */
  isOver({ boot, heardMs }: OpenGap): boolean {
    return !this.#isCloned && this.#boot !== undefined && this.#boot !== boot && this.#newsMs > heardMs;
  }

  /**
   * New lines of a boot came.
   * @returns the two boots that go on side by side, once.
   */
  news(boot: string, nowMs: number): readonly [string, string] | undefined {
    const before = this.#boot;
    this.#newsMs = nowMs;
    if (before === boot) return undefined;
    this.#boot = boot;
    if (before === undefined) return undefined;
    const index = this.#earlier.indexOf(boot);
    const isReturn = index >= 0;
    if (isReturn) this.#earlier.splice(index, 1);
    this.#earlier.push(before);
    if (this.#earlier.length > EARLIER_MAX) this.#earlier.shift();
    if (!isReturn) {
      this.#returnCount = 0;
      return undefined;
    }
    this.#returnCount += 1;
    if (this.#returnCount === 1) this.#firstReturnMs = nowMs;
    const isCloned = this.#returnCount >= RETURNS_MIN && nowMs - this.#firstReturnMs >= RETURNS_SPAN_MS;
    if (!isCloned || this.#isCloned) return undefined;
    this.#isCloned = true;
    return [before, boot];
  }

  /** @param nowMs when it was heard, monotonic. */
  openGap(boot: string, last: number, nowMs: number): void {
    const gap = this.#gaps.get(boot);
    if (gap === undefined) this.#gaps.set(boot, { boot, last, heardMs: nowMs, isGivenUp: false });
    else Object.assign(gap, { last: Math.max(last, gap.last), heardMs: Math.max(nowMs, gap.heardMs) });
  }

  closeGap(boot: string): void {
    this.#gaps.delete(boot);
  }

  closeGaps(): void {
    this.#gaps.clear();
  }
}
