import type { SourceSummary } from "../protocol/source-summary.ts";
import type { Access } from "./api.ts";
import { LevelControl } from "./level-control.tsx";
import { visible } from "./shown-text.ts";
import { agoText } from "./time-text.ts";

/** What the pane knows of a source beside what the service lists. */
export interface SourceNews {
  readonly clock: string | undefined;
  /** Bound of its error where one is known, ms. */
  readonly clockError: number | undefined;
  readonly lossCount: number;
  /** By span of time: entries without a level, debug, info, warn, error. */
  readonly counts: readonly (readonly number[])[];
  /** Grows with each live burst; the dot beats when it changes. */
  readonly beat: number;
  readonly lastMs: number;
}

const CLOCK_WORDS: Readonly<Record<string, string>> = {
  device: "board's clock",
  estimated: "estimated time",
  server: "time of receipt",
  unset: "gateway without a clock",
};

/** Who logs: a live pulse, last seen, the last hour, losses and clock; a click shows this source alone. */
export function SourcesPane(props: {
  readonly access: Access;
  readonly sources: readonly SourceSummary[];
  readonly news: ReadonlyMap<string, SourceNews>;
  readonly chosen: readonly string[];
  readonly nowMs: number;
  readonly onChoose: (sources: readonly string[]) => void;
}) {
  const { access, sources, news, chosen, nowMs, onChoose } = props;
  const sorted = sources.toSorted((left, right) => (left.src < right.src ? -1 : 1));
  const toggle = (src: string): void =>
    onChoose(chosen.includes(src) ? chosen.filter((one) => one !== src) : [...chosen, src]);
  return (
    <nav class="sources" aria-label="Sources">
      <h2>Sources</h2>
      <button type="button" class="all" aria-pressed={chosen.length === 0} onClick={() => onChoose([])}>
        All sources
      </button>
      <ul>
        {sorted.map(({ src, lastReceived }) => {
          const known = news.get(src);
          const lastMs = Math.max(lastReceived, known?.lastMs ?? 0);
          const lost = known?.lossCount ?? 0;
          const words = known?.clock === undefined ? undefined : CLOCK_WORDS[known.clock];
          const bound = known?.clockError === undefined ? "" : ` ± ${Math.ceil(known.clockError)} ms`;
          const clock = words === undefined ? undefined : words + bound;
          return (
            <li key={src}>
              <button type="button" aria-pressed={chosen.includes(src)} onClick={() => toggle(src)}>
                <span class="name">
                  <span
                    key={known?.beat ?? 0}
                    class={`pulse ${nowMs - lastMs < 10_000 ? "fresh" : ""}`}
                    aria-hidden="true"
                  />
                  <bdi>{visible(src)}</bdi>
                </span>
                <Spark counts={known?.counts ?? []} />
                <span class="facts">
                  <span>{agoText(nowMs - lastMs)}</span>
                  {clock !== undefined && <span title="where its timestamps come from">{clock}</span>}
                  {lost > 0 && <span class="lost">{lost === 1 ? "1 line lost" : `${lost} lines lost`}</span>}
                </span>
              </button>
            </li>
          );
        })}
      </ul>
      {chosen.length === 1 && <LevelControl key={chosen[0]} access={access} src={chosen[0] ?? ""} />}
    </nav>
  );
}

const SPARK_HEIGHT = 18;

/** The last hour in bars, each in the colour of its worst level. */
function Spark({ counts }: { readonly counts: readonly (readonly number[])[] }) {
  const totals = counts.map((row) => row.reduce((sum, count) => sum + count, 0));
  const most = Math.max(1, ...totals);
  const sum = totals.reduce((left, right) => left + right, 0);
  return (
    <svg
      class="spark"
      viewBox={`0 0 ${Math.max(1, counts.length)} ${SPARK_HEIGHT}`}
      preserveAspectRatio="none"
      role="img"
      aria-label={`${sum} lines in the last hour`}
    >
      {totals.map((total, index) => {
        const height = total === 0 ? 0 : Math.max(2, (total / most) * SPARK_HEIGHT);
        const row = counts[index] ?? [];
        const worst = row[4] ? "error" : row[3] ? "warn" : "calm";
        return (
          <rect key={index} class={worst} x={index} width={0.8} y={SPARK_HEIGHT - height} height={height} />
        );
      })}
    </svg>
  );
}
