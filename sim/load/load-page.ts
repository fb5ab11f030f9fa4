import { deviceName } from "./load-device.ts";
import type { LoadLatency, LoadResult, LoadSample } from "./load-options.ts";
import { escaped, orderMap, type Point, plot, type Span, timeLine } from "./load-plot.ts";
import { devicesOf, duration, loadOf, loadTable } from "./load-report.ts";

/** Samples that are nearer than this say nothing of a rate. */
const RATE_S_MIN = 0.4;

const STYLE = `
:root{color-scheme:light dark;--ink:#1b2733;--soft:#5b6b7b;--ground:#f6f8fa;--card:#fff;--edge:#dde3ea;--grid:#e8edf2;--good:#1a7f4b;--bad:#c0262d;--band:#c0262d2e;--tone1:#2a6fb0;--tone2:#1a7f4b;--tone3:#b8650a;--tone4:#8a3fb0}
@media(prefers-color-scheme:dark){:root{--ink:#dce4ec;--soft:#93a3b3;--ground:#10161c;--card:#18212a;--edge:#2b3742;--grid:#25303a;--good:#2f9e63;--bad:#e5555c;--band:#e5555c3d;--tone1:#6aaae6;--tone2:#4cc38a;--tone3:#eba24c;--tone4:#c08be0}}
*{box-sizing:border-box}body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:980px;padding:0 1rem;color:var(--ink);background:var(--ground)}
h1{font-size:1.5rem;margin:0}h2{font-size:1.05rem;margin:2rem 0 .5rem}
.verdict{display:inline-block;padding:.1rem .7rem;border-radius:1rem;font-size:1.1rem;color:#fff;background:var(--good)}.broken .verdict{background:#b3232a}
.tiles{display:grid;grid-template-columns:repeat(auto-fill,minmax(125px,1fr));gap:.6rem;margin:1rem 0}
.tile,figure,pre,.found,.scroll{background:var(--card);border:1px solid var(--edge);border-radius:.5rem}
.tile{padding:.5rem .8rem}.tile b{display:block;font-size:1.25rem}.tile span{color:var(--soft);font-size:.85rem}.tile.wrong b{color:var(--bad)}
.found{border-color:var(--bad);padding:.6rem 1rem .6rem 2rem;overflow-wrap:anywhere}
figure{margin:1rem 0;padding:.6rem .9rem .5rem}figcaption{font-weight:600;margin-bottom:.6rem}small{font-weight:400;font-size:.85rem;color:var(--soft)}
.key{font-weight:400;font-size:.85rem;color:var(--soft);display:inline-block}.key i{display:inline-block;width:.8em;height:.8em;border-radius:2px;margin:0 .3em 0 1em;background:currentColor}
.frame,.lanes{display:grid;grid-template-columns:4.2rem 1fr;font-size:12px;color:var(--soft);padding-right:.8rem}
.frame svg{width:100%;height:170px;display:block;overflow:visible}.map svg{height:320px;fill:var(--tone1)}
.ys{position:relative}.ys span{position:absolute;right:.6rem;transform:translateY(50%);white-space:nowrap;line-height:1}
.xs{grid-column:2;position:relative;height:1.5rem}.xs span{position:absolute;top:.3rem;transform:translateX(-50%)}.xname{grid-column:2;text-align:center}
line,polyline{vector-effect:non-scaling-stroke;fill:none}.grid{stroke:var(--grid)}polyline{stroke-width:2;stroke:currentColor;stroke-linejoin:round}.band{fill:var(--band)}.wrong{fill:var(--bad)}
.tone1{color:var(--tone1)}.tone2{color:var(--tone2)}.tone3{color:var(--tone3)}.tone4{color:var(--tone4)}
.name{padding:.15rem .6rem .15rem 0;text-align:right}.lane{position:relative;border-bottom:1px solid var(--grid)}.lane i{position:absolute;top:.25rem;bottom:.25rem;min-width:4px;border-radius:2px;background:var(--bad)}.lane.load i{background:var(--tone1);opacity:.6}
.scroll{overflow-x:auto;margin:1rem 0}table{border-collapse:collapse;width:100%}th,td{padding:.35rem .8rem;text-align:right;white-space:nowrap}th:first-child{text-align:left;font-weight:400}thead th{color:var(--soft);font-weight:400;font-size:.85rem}tr+tr>*,thead+tbody>tr>*{border-top:1px solid var(--grid)}
pre{padding:1rem;overflow:auto;font-size:.8rem}`;

/** One page, without anything from outside, that shows a run. */
export function loadPage(result: LoadResult): string {
  const { samples, verdict, faults, loadS, live } = result;
  const endS = Math.max(1, loadS, samples.at(-1)?.atS ?? 0);
  const points = (value: (sample: LoadSample) => number | undefined): readonly Point[] =>
    samples.flatMap((sample) => {
      const y = value(sample);
      return y === undefined ? [] : [[sample.atS, y] as const];
    });
  const wrongs: readonly (readonly [string, number | undefined])[] = [
    ["lost", verdict.lost],
    ["twice", verdict.twice],
    ["out of order", verdict.outOfOrder],
    ["altered", verdict.altered],
    ["wrongly dated", verdict.wronglyDated],
    ["unaccounted drops", verdict.unaccountedDrops],
    ["not acked in time", verdict.undrained],
    ["missing live", live?.missing],
  ];
  const tiles = [
    tile("entries a second", Math.round(result.entriesPerSecond).toLocaleString("en")),
    tile("entries listed", verdict.listed.toLocaleString("en")),
    ...wrongs.map(([name, count]) => tile(name, count?.toLocaleString("en") ?? "–", (count ?? 0) > 0)),
  ];
  const found = [...verdict.examples, ...(live?.examples ?? [])];
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>boardlog load run</title>
<meta name="viewport" content="width=device-width, initial-scale=1"><style>${STYLE}
</style></head><body${result.isClean ? "" : ' class="broken"'}>
<h1>boardlog load run <span class="verdict">${result.isClean ? "clean" : "a promise was broken"}</span></h1>
<p>${escaped(devicesOf(result))}, each with the real agent (${result.agentHash}) and a connection of its own; ${escaped(loadOf(result))}.</p>
<div class="tiles">${tiles.join("")}</div>
${found.length === 0 ? "" : `<ul class="found">${found.map((text) => `<li>${escaped(text)}</li>`).join("")}</ul>`}
<div class="scroll">${latencyTable(result)}</div>
${timeLine(lanes(result, endS), endS)}
${plot({
  title: "Throughput",
  unit: "entries a second",
  series: [
    { name: "logged", tone: 1, points: rates(samples, "logged") },
    { name: "acked as durable", tone: 2, points: rates(samples, "acked") },
  ],
  faults,
  endS,
})}
${plot({
  title: "From log to ack",
  unit: "ms or s, by powers of ten; of the acks of half a second each",
  series: [
    { name: "p50", tone: 2, points: points(({ p50Ms }) => p50Ms) },
    { name: "p90", tone: 1, points: points(({ p90Ms }) => p90Ms) },
    { name: "p99", tone: 3, points: points(({ p99Ms }) => p99Ms) },
  ],
  faults,
  endS,
  isLog: true,
})}
${plot({
  title: "Backlog",
  unit: "entries",
  series: [
    { name: "logged and not acked", tone: 4, points: points(({ waiting }) => waiting) },
    ...(samples.some(({ spooled }) => spooled !== undefined)
      ? [{ name: "in the gateway's spool", tone: 3, points: points(({ spooled }) => spooled) }]
      : []),
  ],
  faults,
  endS,
})}
${plot({
  title: "Lag",
  unit: "seconds since the oldest line without an ack was logged",
  series: [{ name: "oldest", tone: 3, points: points(({ lagMs }) => lagMs / 1000) }],
  faults,
  endS,
})}
${plot({
  title: "Boards connected",
  unit: "boards",
  series: [{ name: "connected", tone: 1, points: points(({ connected }) => connected) }],
  faults,
  endS,
})}
${
  result.gatewayBytesMax === undefined
    ? ""
    : plot({
        title: "Memory of the gateway's process",
        unit: "MB",
        series: [
          {
            name: "resident",
            tone: 2,
            points: points(({ gatewayBytes }) =>
              gatewayBytes === undefined ? undefined : gatewayBytes / 1e6,
            ),
          },
        ],
        faults,
        endS,
      })
}
<figure><figcaption>Order <small>every listed line of ${result.orderMap.length} boards, a row each (those with something wrong before others); a shade that rises without a break is the board's own order, red is out of order</small></figcaption>
${orderMap(result.orderMap, deviceName)}</figure>
<h2>All figures</h2><pre>${escaped(loadTable(result))}</pre>
</body></html>
`;
}

function tile(name: string, value: string, isWrong = false): string {
  return `<div class="tile${isWrong ? " wrong" : ""}"><b>${escaped(value)}</b><span>${escaped(name)}</span></div>`;
}

function latencyTable({ ackLatencyMs, receiptLatencyMs, liveLatencyMs }: LoadResult): string {
  const rows: readonly (readonly [string, LoadLatency])[] = [
    ["log to receipt at the gateway", receiptLatencyMs],
    ["log to ack at the board", ackLatencyMs],
    ["log to live reader, end to end", liveLatencyMs],
  ];
  const cells = ({ p50, p90, p99, p999 }: LoadLatency): string =>
    [p50, p90, p99, p999].map((ms) => `<td>${duration(ms)}</td>`).join("");
  return `<table><thead><tr><th>latency</th><th>p50</th><th>p90</th><th>p99</th><th>p99.9</th></tr></thead><tbody>${rows.map(([name, of]) => `<tr><th>${name}</th>${cells(of)}</tr>`).join("")}</tbody></table>`;
}

function lanes({ faults, loadS }: LoadResult, endS: number): Parameters<typeof timeLine>[0] {
  const byName = new Map<string, Span[]>();
  for (const fault of faults) byName.set(fault.name, [...(byName.get(fault.name) ?? []), fault]);
  return [
    { name: "load", kind: "load", spans: [{ atS: 0, forS: loadS, what: "boards log" }] },
    { name: "drain", kind: "load", spans: [{ atS: loadS, forS: endS - loadS, what: "queues drain" }] },
    ...[...byName].map(([name, spans]) => ({ name, kind: "fault", spans }) as const),
  ];
}

/** Entries a second between samples that are far enough apart to tell. */
function rates(samples: readonly LoadSample[], name: "logged" | "acked"): readonly Point[] {
  const points: Point[] = [];
  let before = samples[0];
  for (const sample of samples) {
    if (before === undefined || sample.atS - before.atS < RATE_S_MIN) continue;
    points.push([sample.atS, (sample[name] - before[name]) / (sample.atS - before.atS)]);
    before = sample;
  }
  return points;
}
