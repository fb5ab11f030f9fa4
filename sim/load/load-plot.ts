import type { OrderRow } from "./load-options.ts";
/** Parts of a run's page: plots whose lines stretch with the window while their text keeps its size. */

export interface Series {
  readonly name: string;
  /** Which of the page's colours, 1 to 4. */
  readonly tone: number;
  readonly points: readonly Point[];
}

/** Seconds since the load began, and the value then. */
export type Point = readonly [atS: number, value: number];

/** What lay over a time; of a moment where `forS` is 0. */
export interface Span {
  readonly atS: number;
  readonly forS: number;
  readonly what: string;
}

export interface Plot {
  readonly title: string;
  readonly unit: string;
  readonly series: readonly Series[];
  readonly faults: readonly Span[];
  readonly endS: number;
  /** Of times in ms, whose size is told by their power of ten. */
  readonly isLog?: boolean;
}

/** Side of the square that lines are drawn in; it is stretched to the plot. */
const SIDE = 1000;
const X_TICKS_MAX = 8;
const X_STEPS_S = [0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1200, 3600];
const MAP_CELLS_MAX = 160;
const MAP_LABELS = 8;

export function plot({ title, unit, series, faults, endS, isLog = false }: Plot): string {
  const values = series.flatMap(({ points }) => points.map(([, value]) => value));
  const axis = isLog ? logAxis(values) : plainAxis(values);
  const x = (atS: number): number => (SIDE * Math.min(atS, endS)) / endS;
  const y = (value: number): number => SIDE * (1 - axis.share(value));
  const grid = axis.ticks.map(({ share }) => line("grid", 0, SIDE * (1 - share), SIDE, SIDE * (1 - share)));
  const bands = faults.map(
    ({ atS, forS, what }) =>
      `<rect class="band" x="${x(atS).toFixed(1)}" y="0" width="${Math.max(2, x(atS + forS) - x(atS)).toFixed(1)}" height="${SIDE}"><title>${escaped(`${atS.toFixed(1)} s: ${what}`)}</title></rect>`,
  );
  const lines = series.map(
    ({ tone, points }) =>
      `<polyline class="tone${tone}" points="${points.map(([atS, value]) => `${x(atS).toFixed(1)},${y(value).toFixed(1)}`).join(" ")}"/>`,
  );
  const key = series.map(({ name, tone }) => `<i class="tone${tone}"></i>${escaped(name)}`).join("");
  const labels = axis.ticks.map(
    ({ share, text }) => `<span style="bottom:${(100 * share).toFixed(2)}%">${text}</span>`,
  );
  return `<figure><figcaption>${escaped(title)} <small>${escaped(unit)}</small><span class="key">${key}</span></figcaption>
<div class="frame"><div class="ys">${labels.join("")}</div><svg viewBox="0 0 ${SIDE} ${SIDE}" preserveAspectRatio="none" role="img" aria-label="${escaped(`${title}, ${unit}, over time`)}">${grid.join("")}${bands.join("")}${lines.join("")}</svg>${secondsAxis(endS)}</div></figure>`;
}

/** A row for each name: when it was so. */
export function timeLine(
  rows: readonly {
    readonly name: string;
    readonly kind: "load" | "fault";
    readonly spans: readonly Span[];
  }[],
  endS: number,
): string {
  const lanes = rows.map(({ name, kind, spans }) => {
    const marks = spans.map(({ atS, forS, what }) => {
      const left = (100 * Math.min(atS, endS)) / endS;
      const width = Math.min(100 - left, (100 * forS) / endS);
      return `<i style="left:${left.toFixed(2)}%;width:${width.toFixed(2)}%" title="${escaped(`${atS.toFixed(1)} s: ${what}`)}"></i>`;
    });
    return `<div class="name">${escaped(name)}</div><div class="lane ${kind}">${marks.join("")}</div>`;
  });
  return `<figure><figcaption>What happened <small>each fault when it was there</small></figcaption>
<div class="lanes">${lanes.join("")}${secondsAxis(endS)}</div></figure>`;
}

/** Listed lines of some boards, a row each: the shade is the place in the board's own order. */
export function orderMap(rows: readonly OrderRow[], nameOf: (device: number) => string): string {
  const boards = rows.map(({ seqs }) => seqs);
  const count = Math.max(1, boards.length);
  const longest = Math.max(1, ...boards.map((seqs) => seqs.length));
  const step = Math.max(1, Math.ceil(longest / MAP_CELLS_MAX));
  const width = (SIDE * step) / longest;
  const rowPx = SIDE / count;
  const cells = boards.flatMap((seqs, row) => {
    const last = seqs.reduce((most, seq) => Math.max(most, seq), 1);
    return Array.from({ length: Math.ceil(seqs.length / step) }, (_, cell) => {
      const from = cell * step;
      const some = seqs.slice(Math.max(0, from - 1), from + step);
      const isWrong = some.some((seq, index) => index > 0 && seq <= (some[index - 1] ?? 0));
      const shade = 0.15 + (0.85 * (seqs[from] ?? 0)) / last;
      const size = Math.min(width, SIDE - cell * width) + 0.5;
      return `<rect x="${(cell * width).toFixed(1)}" y="${(row * rowPx).toFixed(1)}" width="${size.toFixed(1)}" height="${(rowPx * 0.86).toFixed(1)}"${isWrong ? ' class="wrong"' : ` opacity="${shade.toFixed(2)}"`}/>`;
    });
  });
  const every = Math.max(1, Math.ceil(count / MAP_LABELS));
  const names = rows.flatMap(({ device }, row) =>
    row % every === 0
      ? [
          `<span style="bottom:${(100 - (100 * (row + 0.5)) / count).toFixed(2)}%">${escaped(nameOf(device))}</span>`,
        ]
      : [],
  );
  const ticks = [0, 0.25, 0.5, 0.75, 1].map(
    (share) => `<span style="left:${100 * share}%">${Math.round(longest * share)}</span>`,
  );
  return `<div class="frame map"><div class="ys">${names.join("")}</div><svg viewBox="0 0 ${SIDE} ${SIDE}" preserveAspectRatio="none" role="img" aria-label="order of each board's lines as listed">${cells.join("")}</svg><div class="xs">${ticks.join("")}</div><div class="xname">lines, in the order in which they are listed</div></div>`;
}

function secondsAxis(endS: number): string {
  const step = X_STEPS_S.find((seconds) => endS / seconds <= X_TICKS_MAX) ?? endS / X_TICKS_MAX;
  const ticks = Array.from({ length: Math.floor(endS / step) + 1 }, (_, index) => step * index);
  const labels = ticks.map(
    (atS) => `<span style="left:${((100 * atS) / endS).toFixed(2)}%">${+atS.toFixed(1)}</span>`,
  );
  return `<div class="xs">${labels.join("")}</div><div class="xname">seconds since the load began</div>`;
}

interface Axis {
  /** Where a value lies, 0 (bottom) to 1. */
  readonly share: (value: number) => number;
  readonly ticks: readonly { readonly share: number; readonly text: string }[];
}

function plainAxis(values: readonly number[]): Axis {
  const most = values.reduce((max, value) => Math.max(max, value), 1);
  const power = 10 ** Math.floor(Math.log10(most / 4));
  const step = ([1, 2, 2.5, 5, 10].find((factor) => factor * power * 4 >= most) ?? 10) * power;
  const count = Math.max(1, Math.ceil(most / step));
  const top = step * count;
  return {
    share: (value) => value / top,
    ticks: Array.from({ length: count + 1 }, (_, index) => ({
      share: index / count,
      text: short(step * index),
    })),
  };
}

/** Whole powers of ten of ms. */
function logAxis(values: readonly number[]): Axis {
  const most = values.reduce((max, value) => Math.max(max, value), 1);
  const least = values.reduce((min, value) => (value > 0 ? Math.min(min, value) : min), most);
  const low = Math.floor(Math.log10(least));
  const high = Math.max(low + 1, Math.ceil(Math.log10(most)));
  return {
    share: (value) => Math.max(0, (Math.log10(Math.max(value, 10 ** low)) - low) / (high - low)),
    ticks: Array.from({ length: high - low + 1 }, (_, index) => {
      const ms = 10 ** (low + index);
      return { share: index / (high - low), text: ms < 1000 ? `${+ms.toPrecision(1)} ms` : `${ms / 1000} s` };
    }),
  };
}

function line(kind: string, x1: number, y1: number, x2: number, y2: number): string {
  return `<line class="${kind}" x1="${x1.toFixed(1)}" y1="${y1.toFixed(1)}" x2="${x2.toFixed(1)}" y2="${y2.toFixed(1)}"/>`;
}

function short(value: number): string {
  if (value >= 1e6) return `${+(value / 1e6).toPrecision(3)} M`;
  if (value >= 1e4) return `${+(value / 1e3).toPrecision(3)} k`;
  return `${+value.toPrecision(3)}`;
}

export function escaped(text: string): string {
  return text.replace(/[&<>"]/g, (sign) => `&#${sign.charCodeAt(0)};`);
}
