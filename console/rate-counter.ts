import { type Access, getRates, type Rates, serviceNow } from "./api.ts";
import { type Filter, isForPageAlone, serviceQuery } from "./filter.ts";

const HOUR_MS = 3_600_000;
/** Widths of a bar where the range of time is open: with the first that is wide enough the range ends in the future. */
const STEPS_MS = [1, 5, 15, 60, 300, 900, 3600, 10_800, 43_200, 86_400, 604_800].map((s) => s * 1000);

/** Equal spans of time, which do not move from one answer to the next, so that bars do not flicker. */
export interface Grid {
  readonly since: number;
  readonly stepMs: number;
  readonly count: number;
}

/** The range of a filter, or the hour up to now. */
export function gridOf(
  { since, until }: Pick<Filter, "since" | "until">,
  count: number,
  nowMs: number,
): Grid {
  if (until !== undefined) {
    const start = Math.min(since ?? until - HOUR_MS, until - 1);
    return { since: start, stepMs: (until - start) / count, count };
  }
  if (since === undefined) {
    const stepMs = HOUR_MS / count;
    return { since: (Math.floor(nowMs / stepMs) + 1 - count) * stepMs, stepMs, count };
  }
  const widest = Math.max(1, Math.ceil((nowMs - since + 1) / count));
  const stepMs = STEPS_MS.find((step) => step >= widest) ?? widest;
  return { since, stepMs, count };
}

/** Lines by source and span of time: without a level, debug, info, warn, error. */
type Counts = Map<string, Map<number, number[]>>;

/**
 * Counts the lines that pass a filter. The service knows the counts of all but a text or a module: those are looked for from the
 * newest back, answer by answer, and then only what came since.
 */
export class RateCounter {
  readonly #access: Access;
  readonly #filter: Filter;
  readonly #count: number;
  #stepMs = 0;
  #counts: Counts = new Map();
  #before: string | undefined;
  #after: string | undefined;
  #from = 0;
  #isWhole = false;

  constructor(access: Access, filter: Filter, count: number) {
    this.#access = access;
    this.#filter = filter;
    this.#count = count;
  }

  /** What is known after one more answer; while it is not `complete`, there is more to ask for. */
  async next(signal: AbortSignal): Promise<Rates> {
    const grid = gridOf(this.#filter, this.#count, serviceNow());
    const query = serviceQuery(this.#filter);
    query.set("since", String(grid.since));
    query.set("until", String(Math.round(grid.since + grid.stepMs * grid.count)));
    query.set("buckets", String(grid.count));
    if (!query.has("term") && !query.has("module")) return getRates(this.#access, query, signal);
    if (grid.stepMs !== this.#stepMs) this.#restart(grid.stepMs);
    if (this.#isWhole && this.#after !== undefined) query.set("after", this.#after);
    else if (this.#before !== undefined) query.set("before", this.#before);
    try {
      const answer = await getRates(this.#access, query, signal);
      this.#add(answer, grid);
      return { ...answer, from: this.#from, sources: this.#sourcesOn(grid) };
    } catch (error) {
      // Counted anew: where the log itself was exchanged, its ids are others.
      if (!signal.aborted) this.#restart(0);
      throw error;
    }
  }

  #restart(stepMs: number): void {
    this.#stepMs = stepMs;
    this.#counts = new Map();
    this.#before = undefined;
    this.#after = undefined;
    this.#isWhole = false;
  }

  #add({ sources, complete, from, before, after }: Rates, grid: Grid): void {
    for (const { src, counts } of sources) {
      const spans = this.#counts.get(src) ?? new Map<number, number[]>();
      this.#counts.set(src, spans);
      for (const [index, row] of counts.entries()) {
        const start = Math.round(grid.since + index * grid.stepMs);
        const known = spans.get(start) ?? [];
        if (row.some((one) => one > 0))
          spans.set(
            start,
            row.map((one, rank) => one + (known[rank] ?? 0)),
          );
      }
    }
    if (this.#isWhole) {
      this.#after = after ?? this.#after;
      return;
    }
    this.#after ??= after ?? undefined;
    this.#before = before ?? undefined;
    this.#from = complete ? grid.since : from;
    this.#isWhole = complete;
  }

  #sourcesOn(grid: Grid): Rates["sources"] {
    return [...this.#counts].map(([src, spans]) => ({
      src,
      counts: Array.from(
        { length: grid.count },
        (_, index) => spans.get(Math.round(grid.since + index * grid.stepMs)) ?? [0, 0, 0, 0, 0],
      ),
    }));
  }
}

/** What the plot cannot say by its bars. */
export function countNote(
  rates: Rates | undefined,
  filter: Filter,
  timeText: (ms: number) => string,
): string {
  if (isForPageAlone(filter))
    return "Bars count every line: this expression is looked for by the page alone.";
  if (rates === undefined || rates.complete || rates.from <= rates.since) return "";
  return `Counting… back to ${timeText(rates.from)} so far.`;
}
