import { expect, test } from "vitest";
import type { LoadResult, LoadSample } from "../../sim/load/load-options.ts";
import { loadPage } from "../../sim/load/load-page.ts";

const sample = (atS: number): LoadSample => ({
  atS,
  connected: 2,
  logged: 100 * atS,
  acked: 90 * atS,
  dropped: 0,
  waiting: 10 * atS,
  lagMs: 100 * atS,
  spooled: 5,
  p50Ms: 2,
  p90Ms: 20,
  p99Ms: 900,
  busyShare: 0.1,
  gatewayBytes: undefined,
});
const latency = { p50: 2, p90: 20, p99: 900, p999: 1200 };

function result(change: Partial<LoadResult> = {}): LoadResult {
  return {
    options: {
      devices: 2,
      serialDevices: 0,
      rate: 50,
      burst: 1,
      durationS: 10,
      workers: 1,
      ringBytesMax: 8192,
      connectsPerSecond: 1000,
      drainS: 60,
      arrival: "steady",
      messages: "recorded lines of <b>.jsonl",
      plan: [],
      isWatchedLive: false,
    },
    agentHash: "0123",
    isClean: true,
    verdict: {
      listed: 900,
      acked: 900,
      logged: 1000,
      droppedByAgents: 0,
      droppedListed: 0,
      lost: 0,
      twice: 0,
      outOfOrder: 0,
      altered: 0,
      wronglyDated: 0,
      unaccountedDrops: 0,
      undrained: 0,
      goneWithBoards: 0,
      examples: [],
    },
    live: undefined,
    ackLatencyMs: latency,
    receiptLatencyMs: latency,
    liveLatencyMs: latency,
    entriesPerSecond: 100,
    loadS: 10,
    drainS: 2,
    readBackS: 1,
    generatorCpuS: 1,
    targetCpuS: undefined,
    gatewayBytesMax: undefined,
    deviceBytes: 1,
    reconnects: 0,
    samples: Array.from({ length: 25 }, (_, index) => sample(index / 2)),
    faults: [],
    orderMap: [{ device: 0, seqs: [1, 2, 3, 4] }],
    ...change,
  };
}

/** Where the first lane of faults has its marks, in shares of the whole time. */
const marks = (html: string): string[] =>
  [...html.matchAll(/<div class="lane fault">(.*?)<\/div>/g)].flatMap(([, lane]) =>
    [...(lane ?? "").matchAll(/left:([\d.]+)%;width:([\d.]+)%/g)].map(
      ([, left, width]) => `${left}+${width}`,
    ),
  );

test("the page has a plot for each thing that changes over time, with its unit, and needs nothing from outside", () => {
  const html = loadPage(result());
  const titles = [...html.matchAll(/<figcaption>([^<]+) <small>/g)].map(([, title]) => title);
  const plots = ["Throughput", "From log to ack", "Backlog", "Lag", "Boards connected"];
  expect(titles).toEqual(["What happened", ...plots, "Order"]);
  expect(html.match(/seconds since the load began/g)).toHaveLength(1 + plots.length);
  expect(html).toContain("in the gateway's spool");
  expect(html).toContain("prefers-color-scheme:dark");
  expect(html).not.toMatch(/https?:|<script|<b>\.jsonl|NaN|undefined/);
});

test("a fault is on the time line for as long as it lasted, and its kind has one row", () => {
  const faults = [
    { name: "kill", atS: 3, forS: 1.5, what: "killed" },
    { name: "cut", atS: 6, forS: 0, what: "cut" },
    { name: "kill", atS: 9, forS: 0.6, what: "killed" },
  ] as const;
  expect(marks(loadPage(result({ faults })))).toEqual(["25.00+12.50", "75.00+5.00", "50.00+0.00"]);
});

test("what was found wrong stands at the top, and a line out of order is red in its board's row", () => {
  const { verdict } = result();
  const html = loadPage(
    result({
      isClean: false,
      verdict: { ...verdict, lost: 3, examples: ["load-0: <seq 3>"] },
      orderMap: [
        { device: 3, seqs: [1, 2, 3, 4] },
        { device: 70, seqs: [1, 3, 2, 4] },
      ],
    }),
  );
  expect(html).toContain('<div class="tile wrong"><b>3</b><span>lost</span></div>');
  expect(html.match(/class="tile wrong"/g)).toHaveLength(1);
  expect(html).toContain("<li>load-0: &#60;seq 3&#62;</li>");
  expect(html.match(/class="wrong"\/>/g)).toHaveLength(1);
  expect(html).toContain(">load-70</span>");
});

test("a run that ended before anything was measured still has a page", () => {
  const empty = { ...latency, p50: undefined, p90: undefined, p99: undefined, p999: undefined };
  const html = loadPage(result({ samples: [], orderMap: [], ackLatencyMs: empty }));
  expect(html).not.toMatch(/NaN|Infinity|undefined/);
});
