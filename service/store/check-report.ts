/** One thing that is not as it should be. */
export interface CheckProblem {
  /** File of the store, without its ending. */
  readonly where: string;
  /** In plain words. */
  readonly what: string;
  readonly project?: string;
  readonly src?: string;
}

/** What a check of a store found. */
export interface CheckReport {
  readonly segmentCount: number;
  readonly sealedEntryCount: number;
  readonly unsealedEntryCount: number;
  readonly sourceCount: number;
  readonly markCount: number;
  readonly valueCount: number;
  /** Of the values read. */
  readonly bytes: number;
  readonly problemCount: number;
  /** The first of them. */
  readonly problems: readonly CheckProblem[];
}

/** Problems told one by one; beyond, they are counted. */
const PROBLEMS_MAX = 1000;

/** Collects a report. */
export class Findings {
  readonly counts = {
    segmentCount: 0,
    sealedEntryCount: 0,
    unsealedEntryCount: 0,
    sourceCount: 0,
    markCount: 0,
    valueCount: 0,
    bytes: 0,
  };
  readonly #problems: CheckProblem[] = [];
  #problemCount = 0;

  get problemCount(): number {
    return this.#problemCount;
  }

  value(value: Uint8Array): void {
    this.counts.valueCount++;
    this.counts.bytes += value.length;
  }

  problem(where: string, what: string, source?: { readonly project: string; readonly src: string }): void {
    this.#problemCount++;
    if (this.#problems.length >= PROBLEMS_MAX) return;
    this.#problems.push({
      where,
      what,
      ...(source !== undefined && { project: source.project, src: source.src }),
    });
  }

  report(): CheckReport {
    return { ...this.counts, problemCount: this.#problemCount, problems: this.#problems };
  }
}
