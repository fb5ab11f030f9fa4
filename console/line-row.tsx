import type { Entry } from "./entry.ts";
import { isLoss } from "./entry.ts";
import type { Row } from "./rows.ts";
import { markedPieces, shownPieces, visible } from "./shown-text.ts";
import { clockText, fullText } from "./time-text.ts";

/** Characters of a line that are drawn; all of it is in the details. */
const TEXT_SHOWN_MAX = 2000;

export interface Columns {
  readonly received: boolean;
  readonly seq: boolean;
}

/** One row of the log at its place. Rows are options of a list box, so that arrow keys and screen readers know them. */
export function LineRow(props: {
  readonly row: Row;
  readonly index: number;
  readonly count: number;
  readonly top: number;
  readonly columns: Columns;
  readonly pattern: RegExp | undefined;
  readonly isChosen: boolean;
  readonly onChoose: () => void;
}) {
  const { row, index, count, top, isChosen, onChoose } = props;
  const at = {
    id: `row-${index}`,
    "aria-posinset": index + 1,
    "aria-setsize": count,
    style: { transform: `translateY(${top}px)` },
  } as const;
  if (row.type === "live") {
    return (
      // biome-ignore lint/a11y/useFocusableInteractive: the list box has the focus.
      <div {...at} role="option" class="row divider live" aria-selected={false} aria-disabled="true">
        <span>live from here</span>
      </div>
    );
  }
  if (row.type === "boot") {
    const { src, boot } = row.entry;
    const reason = row.reason === undefined ? "" : `: ${visible(row.reason)}`;
    return (
      // biome-ignore lint/a11y/useFocusableInteractive: the list box has the focus.
      <div {...at} role="option" class="row divider boot" aria-selected={false} aria-disabled="true">
        <span>
          <bdi>{visible(src)}</bdi> started anew{reason} (boot {visible(boot ?? "")})
        </span>
      </div>
    );
  }
  const { entry } = row;
  const kind = isLoss(entry) ? "loss" : (entry.level ?? "");
  return (
    // biome-ignore lint/a11y/useKeyWithClickEvents: the list box takes the keys for its options.
    // biome-ignore lint/a11y/useFocusableInteractive: the list box has the focus; this is its active descendant.
    <div {...at} role="option" class={`row line ${kind}`} aria-selected={isChosen} onClick={onChoose}>
      <LineCells entry={entry} columns={props.columns} pattern={props.pattern} />
    </div>
  );
}

function LineCells({
  entry,
  columns,
  pattern,
}: {
  readonly entry: Entry;
  readonly columns: Columns;
  readonly pattern: RegExp | undefined;
}) {
  const { timestamp, received, clock, seq, src, stream, level, module } = entry;
  return (
    <>
      <span class="head">
        <time
          class={clock === "estimated" || clock === "unset" ? "estimated" : ""}
          title={fullText(timestamp)}
        >
          {clockText(timestamp)}
        </time>
        {columns.received && (
          <span class="received">{received === undefined ? "" : clockText(received)}</span>
        )}
        {columns.seq && <span class="seq">{seq ?? ""}</span>}
        <span class="level">{level ?? ""}</span>
        <span class="src">
          <bdi>{visible(src)}</bdi>
        </span>
        {stream !== "console" && (
          <span class="tag">
            <bdi>{visible(stream)}</bdi>
          </span>
        )}
        {module !== undefined && (
          <span class="tag module">
            <bdi>{visible(module)}</bdi>
          </span>
        )}
      </span>
      <bdi class="text">
        <ShownText text={entry.text.slice(0, TEXT_SHOWN_MAX)} pattern={pattern} />
      </bdi>
    </>
  );
}

export function ShownText({
  text,
  pattern,
}: {
  readonly text: string;
  readonly pattern: RegExp | undefined;
}) {
  return (
    <>
      {markedPieces(shownPieces(text), pattern).map((piece, index) => {
        const key = `${index}`;
        if (piece.isMatch) {
          return (
            <mark key={key} class={piece.look}>
              {piece.text}
            </mark>
          );
        }
        return piece.look === "" ? (
          piece.text
        ) : (
          <span key={key} class={piece.look}>
            {piece.text}
          </span>
        );
      })}
    </>
  );
}
