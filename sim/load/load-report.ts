import type { LoadResult } from "./load-options.ts";

/** Rows of single faults in the table; the page shows all of them on its time line. */
const FAULT_ROWS_MAX = 20;

/** The verdict and the figures for a terminal. */
export function loadTable(result: LoadResult): string {
  const { verdict, options } = result;
  const rows: readonly (readonly [string, string])[] = [
    ["verdict", result.isClean ? "clean: every promise kept" : "A PROMISE WAS BROKEN"],
    ["devices", `${devicesOf(result)}, real agent ${result.agentHash}, ${options.workers} threads`],
    ["load", loadOf(result)],
    ["entries logged", `${verdict.logged} (${Math.round(result.entriesPerSecond)}/s)`],
    [
      "entries acked",
      `${verdict.acked}, not in time ${verdict.undrained}; drained in ${result.drainS.toFixed(1)} s`,
    ],
    ["entries listed", `${verdict.listed}, read back in ${result.readBackS.toFixed(1)} s`],
    ["lost", `${verdict.lost}`],
    ["twice", `${verdict.twice}`],
    ["out of order", `${verdict.outOfOrder}`],
    ["altered", `${verdict.altered}`],
    ["wrongly dated", `${verdict.wronglyDated}`],
    ["dropped by boards", `${verdict.droppedByAgents}, unaccounted ${verdict.unaccountedDrops}`],
    ...(verdict.goneWithBoards === 0
      ? []
      : [["gone with boards", `${verdict.goneWithBoards} not acked when their board fell over`] as const]),
    ["seen live", liveOf(result)],
    ["log to ack", latencies(result.ackLatencyMs)],
    ["log to receipt", latencies(result.receiptLatencyMs)],
    [
      "generator",
      `${result.generatorCpuS.toFixed(1)} s CPU, ${Math.round(result.deviceBytes / 1024)} KiB a device`,
    ],
    [
      "under test",
      result.targetCpuS === undefined ? "CPU not known" : `${result.targetCpuS.toFixed(1)} s CPU`,
    ],
    [
      "gateway's memory",
      result.gatewayBytesMax === undefined
        ? "not known"
        : `${Math.round(result.gatewayBytesMax / 1e6)} MB at most`,
    ],
    ["reconnects", `${result.reconnects}`],
    ...faultRows(result),
    ...[...verdict.examples, ...(result.live?.examples ?? [])].map((text) => ["found", text] as const),
  ];
  return `${rows.map(([name, value]) => `  ${name.padEnd(18)} ${value}`).join("\n")}\n`;
}

/** Each fault with its time; of very many, how often each. */
function faultRows({ faults }: LoadResult): readonly (readonly [string, string])[] {
  if (faults.length <= FAULT_ROWS_MAX) {
    return faults.map(({ atS, what }) => [`fault ${atS.toFixed(1)} s`, what] as const);
  }
  const counts = new Map<string, number>();
  for (const { what } of faults) counts.set(what, (counts.get(what) ?? 0) + 1);
  return [...counts].map(([what, count]) => ["fault", `${count} times: ${what}`] as const);
}

function devicesOf({ options: { devices, serialDevices } }: LoadResult): string {
  if (serialDevices === 0) return `${devices} over MQTT`;
  if (serialDevices === devices) return `${devices} on serial lines`;
  return `${devices - serialDevices} over MQTT, ${serialDevices} on serial lines`;
}

function loadOf({ options, loadS }: LoadResult): string {
  const { rate, burst, arrival, messages } = options;
  const pace = messages.startsWith("recorded")
    ? "at the pace of the recording"
    : `${rate} entries/s and device in bursts of ${burst}`;
  return `${messages}, ${pace}, ${arrival}, ${loadS.toFixed(1)} s`;
}

function liveOf({ live }: LoadResult): string {
  if (live === undefined) return "not watched";
  const { entries, missing, twice, outOfOrder, skipped, reconnects } = live;
  return `${entries}, missing ${missing}, twice ${twice}, out of order ${outOfOrder}; told to be skipped ${skipped}; ${reconnects} reconnects`;
}

function latencies({ p50, p90, p99, p999 }: LoadResult["ackLatencyMs"]): string {
  return `p50 ${duration(p50)}, p90 ${duration(p90)}, p99 ${duration(p99)}, p99.9 ${duration(p999)}`;
}

function duration(ms: number | undefined): string {
  if (ms === undefined) return "–";
  return ms < 1000 ? `${ms.toPrecision(3)} ms` : `${(ms / 1000).toFixed(2)} s`;
}

interface Series {
  readonly name: string;
  readonly color: string;
  readonly points: readonly (readonly [number, number])[];
}

const WIDTH = 900;
const HEIGHT = 220;
const LEFT = 64;
const BOTTOM = 28;
const TOP = 12;

/** One page, without anything from outside, that shows a run. */
export function loadPage(result: LoadResult): string {
  const { samples, verdict } = result;
  const between = (name: "logged" | "acked"): (readonly [number, number])[] =>
    samples.slice(1).map((sample, index) => {
      const before = samples[index] ?? sample;
      return [sample.atS, (sample[name] - before[name]) / Math.max(0.05, sample.atS - before.atS)] as const;
    });
  const points = (value: (sample: LoadResult["samples"][number]) => number | undefined) =>
    samples.flatMap((sample) => {
      const y = value(sample);
      return y === undefined ? [] : [[sample.atS, y] as const];
    });
  const { faults } = result;
  const tiles: readonly (readonly [string, string])[] = [
    ["entries a second", Math.round(result.entriesPerSecond).toLocaleString("en")],
    ["entries listed", verdict.listed.toLocaleString("en")],
    ["lost", `${verdict.lost}`],
    ["twice", `${verdict.twice}`],
    ["out of order", `${verdict.outOfOrder}`],
    ["altered", `${verdict.altered}`],
    ["wrongly dated", `${verdict.wronglyDated}`],
    ["unaccounted drops", `${verdict.unaccountedDrops}`],
    ["missing live", `${result.live?.missing ?? "–"}`],
    ["log to ack, p50", duration(result.ackLatencyMs.p50)],
    ["log to ack, p99", duration(result.ackLatencyMs.p99)],
  ];
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>boardlog load run</title>
<meta name="viewport" content="width=device-width"><style>
body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:980px;padding:0 1rem;color:#1b2733;background:#f6f8fa}
h1{font-size:1.5rem;margin:0}h2{font-size:1rem;margin:1.6rem 0 .3rem}
.verdict{display:inline-block;padding:.15rem .7rem;border-radius:1rem;color:#fff;background:${result.isClean ? "#1a7f4b" : "#c0262d"}}
.tiles{display:grid;grid-template-columns:repeat(auto-fill,minmax(150px,1fr));gap:.6rem;margin:1rem 0}
.tile{background:#fff;border:1px solid #dde3ea;border-radius:.5rem;padding:.6rem .8rem}.tile b{display:block;font-size:1.3rem}
.tile span{color:#5b6b7b;font-size:.85rem}svg{background:#fff;border:1px solid #dde3ea;border-radius:.5rem;width:100%;height:auto}
.key{font-size:.85rem;color:#5b6b7b}.key i{display:inline-block;width:.8em;height:.8em;border-radius:2px;margin:0 .3em 0 1em}
pre{background:#fff;border:1px solid #dde3ea;border-radius:.5rem;padding:1rem;overflow:auto;font-size:.85rem}
</style></head><body>
<h1>boardlog load run <span class="verdict">${result.isClean ? "clean" : "a promise was broken"}</span></h1>
<p>${escaped(devicesOf(result))}, each with the real agent (${result.agentHash}) and a connection of its own; ${escaped(loadOf(result))}.</p>
<div class="tiles">${tiles.map(([name, value]) => `<div class="tile"><b>${escaped(value)}</b><span>${escaped(name)}</span></div>`).join("")}</div>
${plot(
  "Throughput, entries a second",
  [
    { name: "logged", color: "#7aa7d9", points: between("logged") },
    { name: "acked as durable", color: "#1a7f4b", points: between("acked") },
  ],
  faults,
)}
${plot(
  "From log to ack, ms",
  [
    { name: "p50", color: "#1a7f4b", points: points((sample) => sample.p50Ms) },
    { name: "p99", color: "#d98a1f", points: points((sample) => sample.p99Ms) },
  ],
  faults,
)}
${plot(
  "Backlog, entries logged and not acked",
  [{ name: "backlog", color: "#6a4bbc", points: points((sample) => sample.waiting) }],
  faults,
)}
${plot(
  "Memory of the gateway's process, MB",
  [
    {
      name: "resident",
      color: "#7a5a2b",
      points: points(({ gatewayBytes }) => (gatewayBytes === undefined ? undefined : gatewayBytes / 1e6)),
    },
  ],
  faults,
)}
${plot("Boards connected", [{ name: "connected", color: "#2a6fb0", points: points((sample) => sample.connected) }], faults)}
<h2>Order: seqs as they are listed, one line a board</h2>
${orderMap(result.orderMap)}
<p class="key">Every listed line of the first ${result.orderMap.length} boards, left to right; a rising shade without a break is the board's own order. Red: out of order.</p>
${result.faults.length === 0 ? "" : `<h2>Faults (dashed lines above)</h2><ul>${result.faults.map(({ atS, what }) => `<li>${atS.toFixed(1)} s: ${escaped(what)}</li>`).join("")}</ul>`}
<h2>All figures</h2><pre>${escaped(loadTable(result))}</pre>
</body></html>
`;
}

function plot(title: string, series: readonly Series[], faults: LoadResult["faults"]): string {
  const all = series.flatMap(({ points }) => points);
  const xMax = Math.max(1, ...all.map(([x]) => x));
  const yMax = niceMax(Math.max(1e-9, ...all.map(([, y]) => y)));
  const x = (value: number): number => LEFT + ((WIDTH - LEFT - 12) * value) / xMax;
  const y = (value: number): number => TOP + (HEIGHT - TOP - BOTTOM) * (1 - value / yMax);
  const lines = series.map(
    ({ color, points }) =>
      `<polyline fill="none" stroke="${color}" stroke-width="2" points="${points.map(([px, py]) => `${x(px).toFixed(1)},${y(py).toFixed(1)}`).join(" ")}"/>`,
  );
  const grid = [0, 0.25, 0.5, 0.75, 1].map((share) => {
    const at = y(yMax * share);
    return `<line x1="${LEFT}" x2="${WIDTH - 12}" y1="${at}" y2="${at}" stroke="#e8edf2"/><text x="${LEFT - 8}" y="${at + 4}" text-anchor="end" font-size="12" fill="#5b6b7b">${short(yMax * share)}</text>`;
  });
  const ticks = [0, 0.25, 0.5, 0.75, 1].map(
    (share) =>
      `<text x="${x(xMax * share)}" y="${HEIGHT - 8}" text-anchor="middle" font-size="12" fill="#5b6b7b">${(xMax * share).toFixed(0)} s</text>`,
  );
  const marks = faults.map(
    ({ atS, name }, index) =>
      `<line x1="${x(atS)}" x2="${x(atS)}" y1="${TOP}" y2="${HEIGHT - BOTTOM}" stroke="#c0262d" stroke-dasharray="4 3"/><text x="${x(atS) + 4}" y="${TOP + 10 + 12 * (index % 3)}" font-size="11" fill="#c0262d">${name}</text>`,
  );
  const key = series.map(({ name, color }) => `<i style="background:${color}"></i>${escaped(name)}`).join("");
  return `<h2>${escaped(title)} <span class="key">${key}</span></h2><svg viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label="${escaped(title)}">${grid.join("")}${marks.join("")}${lines.join("")}${ticks.join("")}</svg>`;
}

function orderMap(boards: LoadResult["orderMap"]): string {
  const rowPx = 8;
  const rows = boards.map((seqs, row) => {
    const last = Math.max(1, ...seqs);
    const cellPx = WIDTH / Math.max(1, Math.min(seqs.length, WIDTH / 2));
    const step = Math.max(1, Math.ceil(seqs.length / (WIDTH / 2)));
    const cells: string[] = [];
    for (let from = 0, cell = 0; from < seqs.length; from += step, cell++) {
      const some = seqs.slice(Math.max(0, from - 1), from + step);
      const isWrong = some.some((seq, index) => index > 0 && seq <= (some[index - 1] ?? 0));
      const shade = 88 - Math.round((60 * (seqs[from] ?? 0)) / last);
      cells.push(
        `<rect x="${(cell * cellPx).toFixed(1)}" y="${row * rowPx}" width="${(cellPx + 0.3).toFixed(1)}" height="${rowPx - 1}" fill="${isWrong ? "#c0262d" : `hsl(208 55% ${shade}%)`}"/>`,
      );
    }
    return cells.join("");
  });
  return `<svg viewBox="0 0 ${WIDTH} ${Math.max(1, boards.length) * rowPx}" role="img" aria-label="order map">${rows.join("")}</svg>`;
}

function niceMax(value: number): number {
  const power = 10 ** Math.floor(Math.log10(value));
  return ([1, 2, 2.5, 5, 10].find((factor) => factor * power >= value) ?? 10) * power;
}

function short(value: number): string {
  if (value >= 1e6) return `${+(value / 1e6).toPrecision(3)} M`;
  if (value >= 1e4) return `${+(value / 1e3).toPrecision(3)} k`;
  return `${+value.toPrecision(3)}`;
}

function escaped(text: string): string {
  return text.replace(/[&<>"]/g, (sign) => `&#${sign.charCodeAt(0)};`);
}
