import { useEffect, useRef, useState } from "preact/hooks";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import type { Rates } from "./api.ts";
import { clockText, fullText } from "./time-text.ts";

const HEIGHT_PX = 90;
const LEVEL_NAMES = ["no level", "debug", "info", "warn", "error"] as const;
/** Nobody logs half a line. */
const WHOLE_STEPS = [0, 1, 2, 3, 4, 5, 6, 7, 8].flatMap((power) => [1, 2, 5].map((one) => one * 10 ** power));
const LEVEL_COLOURS = ["--none", "--debug", "--info", "--warn", "--error"] as const;

/** How many lines of which level when; dragging chooses a range of time. */
export function RatePlot(props: {
  readonly rates: Rates | undefined;
  /** What the bars cannot say, such as that the count goes on. */
  readonly note: string;
  readonly onRange: (since: number, until: number) => void;
}) {
  const { rates } = props;
  const box = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | undefined>(undefined);
  const onRange = useRef(props.onRange);
  onRange.current = props.onRange;
  const [hovered, setHovered] = useState<number>();

  useEffect(() => {
    const element = box.current;
    if (element === null) return;
    const dark = matchMedia("(prefers-color-scheme: dark)");
    const draw = (): void => {
      const data = plot.current?.data;
      plot.current?.destroy();
      plot.current = makePlot(
        element,
        (since, until) => onRange.current(since, until),
        setHovered,
        data ?? stacked(rates),
      );
    };
    draw();
    const observer = new ResizeObserver(() =>
      plot.current?.setSize({ width: element.clientWidth, height: HEIGHT_PX }),
    );
    observer.observe(element);
    dark.addEventListener("change", draw);
    return () => {
      observer.disconnect();
      dark.removeEventListener("change", draw);
      plot.current?.destroy();
      plot.current = undefined;
    };
  }, []);

  useEffect(() => plot.current?.setData(stacked(rates)), [rates]);

  return (
    <>
      <div class="plot" ref={box} role="img" aria-label={plotWords(rates)} />
      <p class="plot-note">
        {hovered === undefined || rates === undefined ? props.note : barWords(rates, hovered)}
      </p>
    </>
  );
}

function makePlot(
  element: HTMLElement,
  onRange: (since: number, until: number) => void,
  onHover: (bar: number | undefined) => void,
  data: uPlot.AlignedData,
): uPlot {
  const style = getComputedStyle(element);
  // A colour may be a function of the scheme; what is computed is plain.
  const colour = (name: string): string => {
    const probe = document.createElement("i");
    probe.style.color = `var(${name})`;
    element.append(probe);
    const plain = getComputedStyle(probe).color;
    probe.remove();
    return plain;
  };
  const axis = {
    stroke: colour("--dim"),
    grid: { stroke: colour("--line"), width: 1 },
    ticks: { show: false },
    font: `11px ${style.fontFamily}`,
  };
  const bars = uPlot.paths.bars?.({ size: [0.9, 24], align: 1 });
  return new uPlot(
    {
      width: element.clientWidth,
      height: HEIGHT_PX,
      legend: { show: false },
      cursor: { drag: { x: true, y: false, setScale: false }, points: { show: false }, y: false },
      scales: {
        // A bar stands for the span of time that begins at its place: the last one needs room.
        x: { range: (drawn, least, most) => [least, most + stepOf(drawn.data[0])] },
        y: { range: (_plot, _least, most) => [0, Math.max(1, most)] },
      },
      axes: [
        {
          ...axis,
          size: 22,
          values: (drawn, ticks) => ticks.map((tick) => tickText(tick, stepOf(drawn.data[0]))),
        },
        { ...axis, size: 40, space: 24, incrs: WHOLE_STEPS },
      ],
      // The tallest of the stack is drawn first, and the others over it.
      series: [
        {},
        ...LEVEL_COLOURS.map((name) => ({
          fill: colour(name),
          width: 0,
          points: { show: false },
          ...(bars !== undefined && { paths: bars }),
        })),
      ],
      hooks: {
        ready: [dragByTouch],
        setCursor: [
          ({ cursor, data: [times] }) => {
            const { left = -1, idx } = cursor;
            onHover(left < 0 || idx == null || times.length === 0 ? undefined : idx);
          },
        ],
        setSelect: [
          (drawn) => {
            const { left, width } = drawn.select;
            if (width < 3) return;
            const since = drawn.posToVal(left, "x") * 1000;
            const until = drawn.posToVal(left + width, "x") * 1000;
            drawn.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
            onRange(Math.floor(since), Math.ceil(until));
          },
        ],
      },
    },
    data,
    element,
  );
}

/** uPlot drags by mouse alone: a finger that moves sideways chooses a range too. */
function dragByTouch(plot: uPlot): void {
  let startX: number | undefined;
  const xOf = (event: PointerEvent): number =>
    Math.min(Math.max(event.clientX - plot.over.getBoundingClientRect().left, 0), plot.over.clientWidth);
  const select = (event: PointerEvent, isDone: boolean): void => {
    if (startX === undefined) return;
    const x = xOf(event);
    const { clientHeight: height } = plot.over;
    plot.setSelect({ left: Math.min(x, startX), width: Math.abs(x - startX), top: 0, height }, isDone);
  };
  plot.over.addEventListener("pointerdown", (event) => {
    if (event.pointerType === "touch") startX = xOf(event);
  });
  plot.over.addEventListener("pointermove", (event) => select(event, false));
  plot.over.addEventListener("pointerup", (event) => {
    select(event, true);
    startX = undefined;
  });
  plot.over.addEventListener("pointercancel", () => {
    startX = undefined;
    plot.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
  });
}

function stepOf(times: ArrayLike<number>): number {
  return (times[1] ?? 60) - (times[0] ?? 0);
}

/** `14:05`, `14:05:06` where bars are narrower than a minute, `11-22 14:05` where the range is longer than a day. */
function tickText(seconds: number, step: number): string {
  const ms = seconds * 1000;
  const clock = clockText(ms).slice(0, step < 20 ? 8 : 5);
  return step * 60 <= 86_400 ? clock : `${fullText(ms).slice(5, 10)} ${clock}`;
}

/** What one bar stands for. */
function barWords(rates: Rates, bar: number): string {
  const sums = sumsOf(rates);
  const step = (rates.until - rates.since) / Math.max(1, sums.length) / 1000;
  const words = LEVEL_NAMES.flatMap((name, rank) => {
    const count = sums[bar]?.[rank] ?? 0;
    return count === 0 ? [] : [`${count} ${name}`];
  });
  const time = tickText(rates.since / 1000 + bar * step, step);
  return `${time}: ${words.length === 0 ? "nothing" : words.reverse().join(", ")}`;
}

/** Levels on top of each other, in the order they are drawn: all, then all but those without a level, and so on. */
function stacked(rates: Rates | undefined): uPlot.AlignedData {
  if (rates === undefined) return [[], ...LEVEL_NAMES.map(() => [])] as uPlot.AlignedData;
  const sums = sumsOf(rates);
  const stepMs = (rates.until - rates.since) / Math.max(1, sums.length);
  const times = sums.map((_, index) => (rates.since + index * stepMs) / 1000);
  const series = LEVEL_NAMES.map((_, least) =>
    sums.map((row) => row.slice(least).reduce((sum, count) => sum + count, 0)),
  );
  return [times, ...series];
}

/** Counts of all sources together. */
export function sumsOf(rates: Rates): readonly (readonly number[])[] {
  const bucketCount = rates.sources[0]?.counts.length ?? 60;
  return Array.from({ length: bucketCount }, (_, bucket) =>
    LEVEL_NAMES.map((_name, rank) =>
      rates.sources.reduce((sum, { counts }) => sum + (counts[bucket]?.[rank] ?? 0), 0),
    ),
  );
}

function plotWords(rates: Rates | undefined): string {
  if (rates === undefined) return "Lines by level over time";
  const sums = sumsOf(rates);
  const words = LEVEL_NAMES.map((name, rank) => {
    const count = sums.reduce((sum, row) => sum + (row[rank] ?? 0), 0);
    return `${count} ${name}`;
  });
  return `Lines by level over time: ${words.join(", ")}`;
}
