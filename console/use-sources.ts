import { useCallback, useEffect, useMemo, useRef, useState } from "preact/hooks";
import type { SourceSummary } from "../protocol/source-summary.ts";
import { type Access, getSources, type Rates, serviceNow } from "./api.ts";
import type { Entry } from "./entry.ts";
import { FILTER_NONE, type Filter } from "./filter.ts";
import { RateCounter } from "./rate-counter.ts";
import type { SourceNews } from "./sources-pane.tsx";

const SOURCES_MS = 5_000;
const RATES_MS = 15_000;
const SPARK_BARS = 30;
const PLOT_BARS = 60;
/** Asking takes this part of the time at most. */
const WORK_SHARE = 20;
/** Between two answers of a count that goes on, so that the service has time for others. */
const COUNT_PAUSE_MS = 100;

export interface SourcesHandle {
  /** Undefined until the service has answered. */
  readonly sources: readonly SourceSummary[] | undefined;
  readonly news: ReadonlyMap<string, SourceNews>;
  readonly nowMs: number;
  arrived(entries: readonly Entry[]): void;
}

/** What live lines say of their source. */
type Heard = Omit<SourceNews, "lossCount" | "counts">;

/** Who logs, and what is known of each. Live lines count at once; the service is asked every few seconds. */
export function useSources(access: Access): SourcesHandle {
  const [sources, setSources] = useState<readonly SourceSummary[]>();
  const [nowMs, setNowMs] = useState(serviceNow);
  const [hour, setHour] = useState<Rates>();
  const heard = useRef(new Map<string, Heard>());

  useEvery(SOURCES_MS, access, async (signal) => {
    setSources(await getSources(access, signal));
    setNowMs(serviceNow());
  });
  useEvery(RATES_MS, access, async (signal) => {
    setHour(await new RateCounter(access, FILTER_NONE, SPARK_BARS).next(signal));
  });
  const arrived = useCallback((entries: readonly Entry[]) => {
    const now = serviceNow();
    for (const { src, clock, clockError } of entries) {
      const beat = (heard.current.get(src)?.beat ?? 0) + 1;
      heard.current.set(src, { lastMs: now, beat, clock, clockError });
    }
    setNowMs(now);
  }, []);

  const counts = new Map(hour?.sources.map((source) => [source.src, source.counts]));
  const news = new Map(
    (sources ?? []).map((source) => {
      const { src, lossCounts } = source;
      const live: Partial<Heard> = heard.current.get(src) ?? {};
      const { beat = 0, lastMs = 0 } = live;
      const { clock, clockError } = live.clock === undefined ? source : live;
      const lossCount = Object.values(lossCounts).reduce((sum, count) => sum + count, 0);
      return [src, { clock, clockError, beat, lastMs, lossCount, counts: counts.get(src) ?? [] }];
    }),
  );
  return { sources, news, nowMs, arrived };
}

/** Counts for the plot: those of the filter, over its range of time or the last hour. */
export function useRates(access: Access, filter: Filter): Rates | undefined {
  const [rates, setRates] = useState<Rates>();
  const counter = useMemo(() => new RateCounter(access, filter, PLOT_BARS), [access, filter]);
  useEvery(RATES_MS / 3, counter, async (signal) => {
    const startMs = performance.now();
    const known = await counter.next(signal);
    setRates(known);
    if (!known.complete) return COUNT_PAUSE_MS;
    // A long range costs the service something each time.
    return Math.max(RATES_MS / 3, (performance.now() - startMs) * WORK_SHARE);
  });
  return rates;
}

/** Runs an action now and again after each pause (or the one it asks for), until `key` changes; what fails is tried again. */
function useEvery(pauseMs: number, key: unknown, action: (signal: AbortSignal) => Promise<unknown>): void {
  useEffect(() => {
    const aborter = new AbortController();
    let timer = 0;
    const turn = async (): Promise<void> => {
      let askedMs: number | undefined;
      try {
        const asked = await action(aborter.signal);
        if (typeof asked === "number") askedMs = asked;
      } catch {
        // The log itself says that the service is away.
      }
      if (!aborter.signal.aborted) timer = window.setTimeout(turn, askedMs ?? pauseMs);
    };
    void turn();
    return () => {
      aborter.abort();
      clearTimeout(timer);
    };
  }, [key]);
}
