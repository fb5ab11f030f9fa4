import { useEffect, useRef, useState } from "preact/hooks";
import { LEVELS, type Level } from "../protocol/level.ts";
import { FILTER_NONE, type Filter, patternOf } from "./filter.ts";
import type { Columns } from "./line-row.tsx";
import type { LogState } from "./log-model.ts";
import { inputText } from "./time-text.ts";

const STATE_WORDS: Readonly<Record<LogState, string>> = {
  loading: "loading…",
  live: "live",
  history: "history",
  away: "no connection, trying again…",
  refused: "refused",
};

const STREAMS = ["console", "uart", "loss"] as const;
/** Typing is followed by a search once it rests. */
const TYPING_MS = 250;

/** Everything that chooses what is shown. */
export function Toolbar(props: {
  readonly state: LogState;
  readonly filter: Filter;
  readonly columns: Columns;
  readonly isPaneOpen: boolean;
  readonly onPane: () => void;
  readonly onFilter: (filter: Filter) => void;
  readonly onColumns: (columns: Columns) => void;
  readonly onSignOut: () => void;
}) {
  const { state, filter, columns, onFilter } = props;
  const menu = useRef<HTMLDetailsElement>(null);
  useEffect(() => {
    const close = (event: Event): void => {
      const isClosing =
        event instanceof KeyboardEvent
          ? event.key === "Escape"
          : !menu.current?.contains(event.target as Node);
      if (isClosing && menu.current !== null) menu.current.open = false;
    };
    addEventListener("pointerdown", close);
    addEventListener("keydown", close);
    return () => {
      removeEventListener("pointerdown", close);
      removeEventListener("keydown", close);
    };
  }, []);
  const isFiltered = JSON.stringify(filter) !== JSON.stringify(FILTER_NONE);
  return (
    <header>
      <button
        type="button"
        class="pane-button"
        aria-expanded={props.isPaneOpen}
        aria-label="Sources"
        onClick={props.onPane}
      >
        ☰
      </button>
      <h1>boardlog</h1>
      <span class={`state ${state}`} role="status">
        {STATE_WORDS[state]}
      </span>
      <TextFilter filter={filter} onFilter={onFilter} />
      <select
        aria-label="Level"
        value={filter.level ?? ""}
        onChange={(event) => {
          const level = (event.currentTarget.value || undefined) as Level | undefined;
          onFilter({ ...filter, level });
        }}
      >
        <option value="">all levels</option>
        {LEVELS.map((level) => (
          <option key={level} value={level}>{`${level} and above`}</option>
        ))}
      </select>
      <details class="menu" ref={menu}>
        <summary>More</summary>
        <div class="sheet">
          <label>
            Stream
            <input
              list="streams"
              value={filter.stream}
              placeholder="all"
              onChange={(event) => onFilter({ ...filter, stream: event.currentTarget.value.trim() })}
            />
          </label>
          <datalist id="streams">
            {STREAMS.map((stream) => (
              <option key={stream} value={stream} />
            ))}
          </datalist>
          <label>
            Module
            <input
              value={filter.module}
              placeholder="all"
              onChange={(event) => onFilter({ ...filter, module: event.currentTarget.value.trim() })}
            />
          </label>
          <TimeInput label="From" value={filter.since} onValue={(since) => onFilter({ ...filter, since })} />
          <TimeInput label="Until" value={filter.until} onValue={(until) => onFilter({ ...filter, until })} />
          <label class="check">
            <input
              type="checkbox"
              checked={columns.received}
              onChange={(event) => props.onColumns({ ...columns, received: event.currentTarget.checked })}
            />
            Received time
          </label>
          <label class="check">
            <input
              type="checkbox"
              checked={columns.seq}
              onChange={(event) => props.onColumns({ ...columns, seq: event.currentTarget.checked })}
            />
            Sequence numbers
          </label>
          <button type="button" onClick={props.onSignOut}>
            Sign out
          </button>
        </div>
      </details>
      {isFiltered && (
        <button type="button" onClick={() => onFilter(FILTER_NONE)}>
          Show all
        </button>
      )}
    </header>
  );
}

function TextFilter({
  filter,
  onFilter,
}: {
  readonly filter: Filter;
  readonly onFilter: (filter: Filter) => void;
}) {
  const [text, setText] = useState(filter.text);
  useEffect(() => setText(filter.text), [filter.text]);
  useEffect(() => {
    if (text === filter.text) return;
    const timer = setTimeout(() => onFilter({ ...filter, text }), TYPING_MS);
    return () => clearTimeout(timer);
  }, [text, filter]);
  const isWrong = patternOf(filter) === "wrong";
  return (
    <span class="search">
      <input
        id="search"
        type="search"
        aria-label="Text"
        aria-invalid={isWrong}
        placeholder="text  ( / )"
        value={text}
        onInput={(event) => setText(event.currentTarget.value)}
      />
      <button
        type="button"
        aria-label="Regular expression"
        title="Regular expression"
        aria-pressed={filter.isRegex}
        onClick={() => onFilter({ ...filter, isRegex: !filter.isRegex })}
      >
        .*
      </button>
    </span>
  );
}

function TimeInput(props: {
  readonly label: string;
  readonly value: number | undefined;
  readonly onValue: (value: number | undefined) => void;
}) {
  return (
    <label>
      {props.label}
      <input
        type="datetime-local"
        step={1}
        value={inputText(props.value)}
        onChange={(event) => {
          const ms = Date.parse(event.currentTarget.value);
          props.onValue(Number.isNaN(ms) ? undefined : ms);
        }}
      />
    </label>
  );
}
