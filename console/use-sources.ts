import { useCallback, useEffect, useRef, useState } from "preact/hooks";
import { STREAM_LOSS } from "../protocol/entry.ts";
import { type Access, getEntries, getRates, getSources, type Rates, type Source } from "./api.ts";
import type { Entry } from "./entry.ts";
import { type Filter, serviceQuery } from "./filter.ts";
import type { SourceNews } from "./sources-pane.tsx";

const SOURCES_MS = 5_000;
const RATES_MS = 15_000;
const LOSSES_MAX = "1000";
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
  const [losses, setLosses] = useState<ReadonlyMap<string, number>>(new Map());
  const heard = useRef(new Map<string, { lastMs: number; beat: number; clock: string | undefined }>());

  useEvery(SOURCES_MS, access, async (signal) => {
    setNowMs(Date.now());
    setSources(await getSources(access, signal));
  });
  useEvery(RATES_MS, access, async (signal) => {
    setHour(await getRates(access, new URLSearchParams({ buckets: SPARK_BUCKETS }), signal));
    const page = await getEntries(
      access,
      new URLSearchParams({ stream: STREAM_LOSS, limit: LOSSES_MAX }),
      signal,
    );
    setLosses(lossCounts(page.entries));
    // The newest line of each source says on which clock it is.
    const newest = await getEntries(access, new URLSearchParams({ limit: "200" }), signal);
    for (const { src, clock, received } of newest.entries) {
      const known = heard.current.get(src);
      heard.current.set(src, {
        lastMs: Math.max(received ?? 0, known?.lastMs ?? 0),
        beat: known?.beat ?? 0,
        clock,
      });
    }
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
    (sources ?? []).map(({ src }) => {
      const { clock, beat = 0, lastMs = 0 } = heard.current.get(src) ?? { clock: undefined };
      return [src, { clock, beat, lastMs, lossCount: losses.get(src) ?? 0, counts: counts.get(src) ?? [] }];
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

function lossCounts(entries: readonly Entry[]): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  for (const { src, msg } of entries) {
    const { count } = Object(JSON.parse(msg)) as { readonly count?: unknown };
    counts.set(src, (counts.get(src) ?? 0) + (typeof count === "number" ? count : 1));
  }
  return counts;
}
