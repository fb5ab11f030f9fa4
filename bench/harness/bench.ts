/** Our figure beside a floor's or a peer's, measured one after the other in the same run. */
export interface Pair {
  readonly ours: number;
  readonly other: number;
}

/** A ratio ours / other that has a bound. */
export interface Comparison {
  readonly what: string;
  /** The floor or the peer. */
  readonly against: string;
  readonly unit: string;
  readonly pairs: readonly Pair[];
  readonly atMost?: number;
  readonly atLeast?: number;
}

/** A figure of its own, with a bound or for information. */
export interface Figure {
  readonly what: string;
  readonly unit: string;
  readonly values: readonly number[];
  readonly atMost?: number;
  readonly atLeast?: number;
}

/** What a unit of work costs as the work grows: a cost that rises with it is a bug. */
export interface Growth {
  readonly what: string;
  readonly unit: string;
  readonly per: string;
  readonly points: readonly { readonly size: number; readonly value: number }[];
}

export interface BenchResult {
  readonly comparisons?: readonly Comparison[];
  readonly figures?: readonly Figure[];
  readonly growths?: readonly Growth[];
  /** What was left out and why, in words: a peer that is not installed, a size that the machine does not hold. */
  readonly notes?: readonly string[];
}

export interface BenchOptions {
  /** Pairs of each comparison; their median counts. */
  readonly pairCount: number;
  /** 1 for the sizes of the documents; less for a look. */
  readonly scale: number;
  /** Words for whoever waits. */
  progress(text: string): void;
}

/** One program of the benchmarks. */
export interface Bench {
  readonly name: string;
  readonly title: string;
  run(options: BenchOptions): Promise<BenchResult>;
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((left, right) => left - right);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? upper) + upper) / 2;
}

export function ratios(comparison: Comparison): number[] {
  return comparison.pairs.map(({ ours, other }) => ours / other);
}

/** Whether a bounded value keeps its bounds; undefined where it has none. */
export function isMet(
  value: number,
  { atMost, atLeast }: { readonly atMost?: number; readonly atLeast?: number },
): boolean | undefined {
  if (atMost === undefined && atLeast === undefined) return undefined;
  return (atMost === undefined || value <= atMost) && (atLeast === undefined || value >= atLeast);
}
