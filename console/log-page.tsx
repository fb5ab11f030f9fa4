import { useCallback, useEffect, useMemo, useRef, useState } from "preact/hooks";
import type { Access } from "./api.ts";
import { Details } from "./details.tsx";
import { EmptyState } from "./empty-state.tsx";
import type { Entry } from "./entry.ts";
import { FILTER_NONE, type Filter, filterOfUrl, patternOf, urlOfFilter } from "./filter.ts";
import type { Columns } from "./line-row.tsx";
import { LogView } from "./log-view.tsx";
import { countNote } from "./rate-counter.ts";
import { RatePlot } from "./rate-plot.tsx";
import { SourcesPane } from "./sources-pane.tsx";
import { clockText } from "./time-text.ts";
import { Toolbar } from "./toolbar.tsx";
import { useLog } from "./use-log.ts";
import { useRates, useSources } from "./use-sources.ts";

/** More than any view shows at once. */
const ROWS_LEAST = 150;
/** Turns of looking further back without being asked; each looks at some 200,000 entries at most. */
const LOOK_BACKS_MAX = 20;
const COLUMNS_ITEM = "boardlog-columns";

interface View {
  readonly filter: Filter;
  /** A link's line: the log begins around it. */
  readonly line: string | undefined;
}

/** The log with its sources, filters, plot and details. */
export function LogPage({
  access,
  onSignOut,
}: {
  readonly access: Access;
  readonly onSignOut: (words: string) => void;
}) {
  const [view, setView] = useState(viewOfUrl);
  const { filter, line } = view;
  const [columns, setColumns] = useState(keptColumns);
  const [isFollowing, setIsFollowing] = useState(line === undefined);
  const [chosen, setChosen] = useState<Entry>();
  const [isPaneOpen, setIsPaneOpen] = useState(false);
  const sources = useSources(access);
  const rates = useRates(access, filter);
  const newCount = useRef(0);
  const onArrived = useCallback((entries: readonly Entry[]) => {
    newCount.current += entries.length;
    sources.arrived(entries);
  }, []);
  const { model, prepended, refusal } = useLog(access, filter, line, onArrived);
  if (isFollowing) newCount.current = 0;
  if (model !== undefined) model.isFollowed = isFollowing;
  const pattern = useMemo(() => {
    const found = patternOf(filter);
    return found === "wrong" ? undefined : found;
  }, [filter]);

  const choose = (next: Filter): void => {
    history.replaceState(null, "", urlOfFilter(next));
    setView({ filter: next, line: undefined });
    setIsFollowing(true);
    setChosen(undefined);
  };
  const follow = (): void => {
    if (model?.isDetached) choose({ ...filter });
    else setIsFollowing(true);
  };

  useEffect(() => {
    const onPop = (): void => setView(viewOfUrl());
    const onKey = (event: KeyboardEvent): void => {
      const isTyping = event.target instanceof HTMLElement && event.target.matches("input, textarea, select");
      if (event.key === "Escape" && !isTyping) setChosen(undefined);
      if (event.key !== "/" || isTyping || event.ctrlKey || event.metaKey) return;
      event.preventDefault();
      document.getElementById("search")?.focus();
    };
    addEventListener("popstate", onPop);
    addEventListener("keydown", onKey);
    return () => {
      removeEventListener("popstate", onPop);
      removeEventListener("keydown", onKey);
    };
  }, []);
  useEffect(() => {
    if (/key/i.test(refusal)) onSignOut("The service no longer takes this key.");
  }, [refusal]);
  const rows = model?.rows ?? [];
  // Where few lines pass, older ones are looked for until the view is full, so that there is something to scroll.
  const lookedBack = useRef({ model, count: 0 });
  useEffect(() => {
    if (lookedBack.current.model !== model) lookedBack.current = { model, count: 0 };
    if (model === undefined || model.isAtStart || rows.length >= ROWS_LEAST) return;
    if (lookedBack.current.count++ < LOOK_BACKS_MAX) void model.loadOlder();
  });
  // The line of a link is chosen once it is there.
  useEffect(() => {
    if (line === undefined || chosen !== undefined) return;
    const found = rows.find((row) => row.type === "entry" && row.entry.id === line);
    if (found?.type === "entry") setChosen(found.entry);
  }, [rows.length, line]);

  const state = model?.state ?? "loading";
  const waiting = newCount.current;
  return (
    <>
      <Toolbar
        state={state}
        filter={filter}
        columns={columns}
        isPaneOpen={isPaneOpen}
        onPane={() => setIsPaneOpen(!isPaneOpen)}
        onFilter={choose}
        onColumns={(next) => {
          localStorage.setItem(COLUMNS_ITEM, JSON.stringify(next));
          setColumns(next);
        }}
        onSignOut={() => onSignOut("")}
      />
      <div class={`panes ${isPaneOpen ? "open" : ""}`}>
        <SourcesPane
          access={access}
          sources={sources.sources ?? []}
          news={sources.news}
          chosen={filter.sources}
          nowMs={sources.nowMs}
          onChoose={(names) => choose({ ...filter, sources: names })}
        />
        <button
          type="button"
          class="scrim"
          aria-label="Close the sources"
          onClick={() => setIsPaneOpen(false)}
        />
        <main class={`${columns.received ? "with-received" : ""} ${columns.seq ? "with-seq" : ""}`}>
          <div class="plot-bar">
            <RatePlot
              rates={rates}
              note={countNote(rates, filter, clockText)}
              onRange={(since, until) => choose({ ...filter, since, until })}
            />
            {(filter.since !== undefined || filter.until !== undefined) && (
              <button
                type="button"
                class="zoom-out"
                onClick={() => choose({ ...filter, since: undefined, until: undefined })}
              >
                All times
              </button>
            )}
          </div>
          {rows.length === 0 ? (
            <EmptyState
              state={state}
              hasSources={(sources.sources ?? []).length > 0}
              isFiltered={JSON.stringify(filter) !== JSON.stringify(FILTER_NONE)}
              hasLevel={filter.level !== undefined}
              refusal={refusal}
              isLookingBack={model?.isLookingBack ?? false}
              onLookBack={model === undefined || model.isAtStart ? undefined : () => void model.loadOlder()}
              onShowAll={() => choose(FILTER_NONE)}
            />
          ) : (
            <div class="log-box">
              <LogView
                key={`${urlOfFilter(filter, line)}`}
                rows={rows}
                prepended={prepended}
                isFollowing={isFollowing}
                columns={columns}
                pattern={pattern}
                chosenId={chosen?.id}
                linkedId={line}
                onChoose={setChosen}
                onFollowing={(isAtEnd) => setIsFollowing(isAtEnd && !model?.isDetached)}
                onNearStart={() => void model?.loadOlder()}
                onNearEnd={() => void model?.loadNewer()}
              />
              {!isFollowing && (
                <button type="button" class="resume" onClick={follow}>
                  {waiting === 0 ? "Resume" : `Resume (${waiting} new ${waiting === 1 ? "line" : "lines"})`} ↓
                </button>
              )}
            </div>
          )}
          {chosen !== undefined && (
            <Details
              key={chosen.id}
              entry={chosen}
              link={location.origin + urlOfFilter(filter, chosen.id)}
              pattern={pattern}
              onClose={() => setChosen(undefined)}
            />
          )}
        </main>
      </div>
    </>
  );
}

function viewOfUrl(): View {
  const line = new URLSearchParams(location.search).get("line") ?? undefined;
  return { filter: filterOfUrl(location.search), line };
}

function keptColumns(): Columns {
  const { received = false, seq = false } = JSON.parse(
    localStorage.getItem(COLUMNS_ITEM) ?? "{}",
  ) as Partial<Columns>;
  return { received, seq };
}
