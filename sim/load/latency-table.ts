/** Buckets of 8 % each from 0.1 ms to some minutes: percentiles without keeping every value. */
const LEAST_MS = 0.1;
const STEP = 1.08;
const BUCKET_COUNT = 200;

export class LatencyTable {
  readonly counts: number[];

  constructor(counts: readonly number[] = []) {
    this.counts = Array.from({ length: BUCKET_COUNT }, (_, index) => counts[index] ?? 0);
  }

  add(ms: number): void {
    const index = Math.ceil(Math.log(Math.max(ms, LEAST_MS) / LEAST_MS) / Math.log(STEP));
    const at = Math.min(BUCKET_COUNT - 1, Math.max(0, index));
    this.counts[at] = (this.counts[at] ?? 0) + 1;
  }

  addAll(counts: readonly number[]): void {
    for (const [index, count] of counts.entries()) this.counts[index] = (this.counts[index] ?? 0) + count;
  }

  /** The counts, which begin at 0 again. */
  take(): number[] {
    const counts = [...this.counts];
    this.counts.fill(0);
    return counts;
  }

  /** Upper end of the bucket that holds the fraction, ms; undefined without values. */
  percentile(fraction: number): number | undefined {
    const total = this.counts.reduce((sum, count) => sum + count, 0);
    let left = total * fraction;
    if (total === 0) return undefined;
    for (const [index, count] of this.counts.entries()) {
      left -= count;
      if (left <= 0 && count > 0) return LEAST_MS * STEP ** index;
    }
    return LEAST_MS * STEP ** BUCKET_COUNT;
  }
}
