import { useCallback, useEffect, useRef, useState } from "preact/hooks";
import { type Access, getRates, getSources, type Rates, type Source } from "./api.ts";
import type { Entry } from "./entry.ts";
import { type Filter, serviceQuery } from "./filter.ts";
import type { SourceNews } from "./sources-pane.tsx";

const SOURCES_MS = 5_000;
const RATES_MS = 15_000;
const SPARK_BUCKETS = "30";
const PLOT_BUCKETS = "60";

export interface SourcesHandle {
  /** Undefined until the service has answered. */
  readonly sources: readonly Source[] | undefined;
  readonly news: ReadonlyMap<string, SourceNews>;
  readonly nowMs: number;
  arrived(entries: readonly Entry[]): void;
}

/** Who logs, and what is known of each. Live lines count at once; the service is asked every few seconds. */
export function useSources(access: Access): SourcesHandle {
  const [sources, setSources] = useState<readonly Source[]>();
  const [nowMs, setNowMs] = useState(Date.now);
  const [hour, setHour] = useState<Rates>();
  const heard = useRef(new Map<string, { lastMs: number; beat: number; clock: string | undefined }>());

  useEvery(SOURCES_MS, access, async (signal) => {
    setNowMs(Date.now());
    setSources(await getSources(access, signal));
  });
  useEvery(RATES_MS, access, async (signal) => {
    setHour(await getRates(access, new URLSearchParams({ buckets: SPARK_BUCKETS }), signal));
  });
  const arrived = useCallback((entries: readonly Entry[]) => {
    const now = Date.now();
    for (const { src, clock } of entries) {
      heard.current.set(src, { lastMs: now, beat: (heard.current.get(src)?.beat ?? 0) + 1, clock });
    }
    setNowMs(now);
  }, []);

  const counts = new Map(hour?.sources.map((source) => [source.src, source.counts]));
  const news = new Map(
    (sources ?? []).map((source) => {
      const { src, lossCounts } = source;
      const { clock = source.clock, beat = 0, lastMs = 0 } = heard.current.get(src) ?? {};
      const lossCount = Object.values(lossCounts).reduce((sum, count) => sum + count, 0);
      return [src, { clock, beat, lastMs, lossCount, counts: counts.get(src) ?? [] }];
    }),
  );
  return { sources, news, nowMs, arrived };
}

/** Counts for the plot: those of the filter, over its range of time or the last hour. */
export function useRates(access: Access, filter: Filter): Rates | undefined {
  const [rates, setRates] = useState<Rates>();
  useEvery(RATES_MS / 3, filter, async (signal) => {
    const query = serviceQuery(filter);
    query.set("buckets", PLOT_BUCKETS);
    setRates(await getRates(access, query, signal));
  });
  return rates;
}

/** Runs an action now and again after each pause, until `key` changes; what fails is tried at the next turn. */
function useEvery(pauseMs: number, key: unknown, action: (signal: AbortSignal) => Promise<void>): void {
  useEffect(() => {
    const aborter = new AbortController();
    let timer = 0;
    const turn = async (): Promise<void> => {
      try {
        await action(aborter.signal);
      } catch {
        // The log itself says that the service is away.
      }
      if (!aborter.signal.aborted) timer = window.setTimeout(turn, pauseMs);
    };
    void turn();
    return () => {
      aborter.abort();
      clearTimeout(timer);
    };
  }, [key]);
}
