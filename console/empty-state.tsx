import type { LogState } from "./log-model.ts";

/** Instead of an empty list: why it is empty, and what to do. */
export function EmptyState(props: {
  readonly state: LogState;
  readonly hasSources: boolean;
  readonly isFiltered: boolean;
  readonly hasLevel: boolean;
  readonly refusal: string;
  /** Older history is being looked at now. */
  readonly isLookingBack: boolean;
  /** Where there is older history that was not looked at. */
  readonly onLookBack: (() => void) | undefined;
  readonly onShowAll: () => void;
}) {
  const { state, hasSources, isFiltered, isLookingBack, refusal } = props;
  if (state === "loading") return <p class="empty">Loading the log…</p>;
  if (state === "refused") {
    return (
      <div class="empty">
        <h2>The service refuses this view</h2>
        <p>
          {/continuation token/.test(refusal) ? "The link leads to a line that is not of this log." : refusal}
        </p>
        <button type="button" onClick={props.onShowAll}>
          Show all
        </button>
      </div>
    );
  }
  if (state === "away") return <p class="empty">The service does not answer; trying again…</p>;
  if (isFiltered) {
    return (
      <div class="empty">
        <h2>{isLookingBack ? "Looking through older lines…" : "No line passes these filters"}</h2>
        {state === "live" && <p>New lines that do appear here at once.</p>}
        {state === "history" && !isLookingBack && <p>There is none in this range of time.</p>}
        {props.hasLevel && !isLookingBack && (
          <p>A line of console.log has no level, and passes no filter by level.</p>
        )}
        {props.onLookBack !== undefined && !isLookingBack && (
          <button type="button" onClick={props.onLookBack}>
            Look further back
          </button>
        )}
        <button type="button" onClick={props.onShowAll}>
          Show all
        </button>
      </div>
    );
  }
  return (
    <div class="empty">
      <h2>{hasSources ? "No line is kept" : "Nothing has logged yet"}</h2>
      <p>Lines appear here as soon as a board logs one.</p>
      <ul>
        <li>
          Plug in a board: <code>boardlog up --serial /dev/ttyUSB0:115200</code>
        </li>
        <li>
          Log from any program:{" "}
          <code>
            curl -s {location.origin}/v1/Log.Log -H "x-api-key: $(cat boardlog-data/api-key)" -d '
            {'{"src":"my-script","msg":"hello"}'}'
          </code>
        </li>
        <li>
          Or see it work with two simulated boards: <code>boardlog up --demo</code>
        </li>
      </ul>
    </div>
  );
}
