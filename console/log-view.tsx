import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import type { Entry } from "./entry.ts";
import { type Columns, LineRow } from "./line-row.tsx";
import type { Row } from "./rows.ts";

/** Heights of a row; the style sheet has the same. A phone gets two lines a row. */
const ROW_PX = 22;
const ROW_PX_NARROW = 44;
export const NARROW_QUERY = "(max-width: 48rem)";
/** Rows drawn beyond what is seen, so that scrolling shows no blank. */
const OVERSCAN_ROWS = 12;
/** Older lines are fetched when this few are left above. */
const OLDER_ROWS = 60;
const END_SLACK_PX = 4;

export interface LogViewProps {
  readonly rows: readonly Row[];
  /** Rows put before the others by the last change, and a number that changes with it. */
  readonly prepended: { readonly count: number; readonly version: number };
  readonly isFollowing: boolean;
  readonly columns: Columns;
  readonly pattern: RegExp | undefined;
  readonly chosenId: string | undefined;
  /** The line of a link: brought into view once it is there. */
  readonly linkedId: string | undefined;
  readonly onChoose: (entry: Entry | undefined) => void;
  readonly onFollowing: (isFollowing: boolean) => void;
  readonly onNearStart: () => void;
  readonly onNearEnd: () => void;
}

/** The log: only the rows in view are drawn, whatever their number. Scrolling up pauses, the end follows. */
export function LogView(props: LogViewProps) {
  const { rows, prepended, isFollowing, chosenId } = props;
  const box = useRef<HTMLDivElement>(null);
  const [view, setView] = useState({ top: 0, height: 800 });
  const rowPx = useRowPx();
  const applied = useRef(prepended.version);
  /** Where we scrolled to, until its event has come: that one says nothing of what the reader wants. */
  const placed = useRef<number | undefined>(undefined);

  const look = (element: HTMLElement): void => {
    const { scrollTop: top, clientHeight: height } = element;
    setView((before) => (before.top === top && before.height === height ? before : { top, height }));
  };
  /** What is drawn follows before the next frame; the event comes after it. */
  const place = (element: HTMLElement, top: number): void => {
    element.scrollTop = top;
    placed.current = element.scrollTop;
    look(element);
  };

  // Lines put before those in view must not move them.
  useLayoutEffect(() => {
    const element = box.current;
    if (element === null || applied.current === prepended.version) return;
    applied.current = prepended.version;
    if (isFollowing || prepended.count === 0) return;
    place(element, element.scrollTop + prepended.count * rowPx);
  }, [prepended.version]);

  useLayoutEffect(() => {
    const element = box.current;
    if (element === null || !isFollowing) return;
    place(element, element.scrollHeight);
  }, [rows.length, isFollowing, rowPx, prepended.version]);

  const linkedIndex = props.linkedId === undefined ? -1 : indexOfId(rows, props.linkedId);
  useLayoutEffect(() => {
    const element = box.current;
    if (element === null || linkedIndex < 0) return;
    place(element, (linkedIndex + 0.5) * rowPx - element.clientHeight / 3);
  }, [linkedIndex >= 0]);

  useEffect(() => {
    const element = box.current;
    if (element === null) return;
    const observer = new ResizeObserver(() => look(element));
    observer.observe(element);
    return () => observer.disconnect();
  }, []);

  const onScroll = (): void => {
    const element = box.current;
    if (element === null) return;
    const { scrollTop, clientHeight, scrollHeight } = element;
    look(element);
    if (scrollTop < OLDER_ROWS * rowPx) props.onNearStart();
    const isAtEnd = scrollTop + clientHeight >= scrollHeight - END_SLACK_PX;
    if (scrollTop + clientHeight >= scrollHeight - OLDER_ROWS * rowPx) props.onNearEnd();
    const isOurs = placed.current === scrollTop;
    placed.current = undefined;
    if (!isOurs && isAtEnd !== isFollowing) props.onFollowing(isAtEnd);
  };

  const chosenIndex = chosenId === undefined ? -1 : indexOfId(rows, chosenId);
  // The details take room from below: what was in view there stays so.
  useLayoutEffect(() => {
    const element = box.current;
    if (element === null) return;
    if (isFollowing) place(element, element.scrollHeight);
    else if (chosenIndex >= 0) keepInView(element, chosenIndex * rowPx, rowPx);
  }, [view.height]);

  const onKeyDown = (event: KeyboardEvent): void => {
    const page = Math.max(1, Math.floor(view.height / rowPx) - 1);
    const moves: Readonly<Record<string, number>> = {
      ArrowDown: 1,
      ArrowUp: -1,
      PageDown: page,
      PageUp: -page,
    };
    const move = moves[event.key];
    if (event.key === "End") props.onFollowing(true);
    else if (event.key === "Home") box.current?.scrollTo({ top: 0 });
    else if (event.key === "Escape") props.onChoose(undefined);
    else if (move === undefined) return;
    else {
      const start = chosenIndex >= 0 ? chosenIndex : move > 0 ? Math.ceil(view.top / rowPx) - 1 : rows.length;
      const found = nearestEntry(rows, start + move, Math.sign(move));
      if (found !== undefined) {
        props.onFollowing(false);
        props.onChoose(found.entry);
        keepInView(box.current, found.index * rowPx, rowPx);
      }
    }
    event.preventDefault();
  };

  const first = Math.max(0, Math.floor(view.top / rowPx) - OVERSCAN_ROWS);
  const last = Math.min(rows.length, Math.ceil((view.top + view.height) / rowPx) + OVERSCAN_ROWS);
  return (
    <div
      class="log"
      role="listbox"
      aria-label="Log"
      tabIndex={0}
      ref={box}
      onScroll={onScroll}
      onKeyDown={onKeyDown}
      {...(chosenIndex >= first && chosenIndex < last && { "aria-activedescendant": `row-${chosenIndex}` })}
    >
      <div class="canvas" role="presentation" style={{ height: `${rows.length * rowPx}px` }}>
        {rows.slice(first, last).map((row, offset) => {
          const index = first + offset;
          return (
            <LineRow
              key={row.type === "live" ? "live" : row.type + row.entry.id}
              row={row}
              index={index}
              count={rows.length}
              top={index * rowPx}
              columns={props.columns}
              pattern={props.pattern}
              isChosen={row.type === "entry" && row.entry.id === chosenId}
              onChoose={() => {
                props.onFollowing(false);
                props.onChoose(row.type === "entry" ? row.entry : undefined);
              }}
            />
          );
        })}
      </div>
    </div>
  );
}

function useRowPx(): number {
  const [isNarrow, setIsNarrow] = useState(() => matchMedia(NARROW_QUERY).matches);
  useEffect(() => {
    const query = matchMedia(NARROW_QUERY);
    const listener = (): void => setIsNarrow(query.matches);
    query.addEventListener("change", listener);
    return () => query.removeEventListener("change", listener);
  }, []);
  return isNarrow ? ROW_PX_NARROW : ROW_PX;
}

/** Ids ascend with the rows: dividers carry that of the line below them. */
function indexOfId(rows: readonly Row[], id: string): number {
  let low = 0;
  let high = rows.length - 1;
  while (low <= high) {
    const middle = (low + high) >>> 1;
    const at = nearestEntry(rows, middle, 1) ?? nearestEntry(rows, middle, -1);
    if (at === undefined) return -1;
    if (at.entry.id === id) return at.index;
    if (at.entry.id < id) low = Math.max(middle, at.index) + 1;
    else high = middle - 1;
  }
  return -1;
}

function nearestEntry(
  rows: readonly Row[],
  start: number,
  step: number,
): { readonly entry: Entry; readonly index: number } | undefined {
  const from = Math.min(Math.max(start, 0), rows.length - 1);
  for (let index = from; index >= 0 && index < rows.length; index += step) {
    const row = rows[index];
    if (row?.type === "entry") return { entry: row.entry, index };
  }
  return undefined;
}

function keepInView(element: HTMLElement | null, top: number, rowPx: number): void {
  if (element === null) return;
  if (top < element.scrollTop) element.scrollTop = top;
  else if (top + rowPx > element.scrollTop + element.clientHeight) {
    element.scrollTop = top + rowPx - element.clientHeight;
  }
}
