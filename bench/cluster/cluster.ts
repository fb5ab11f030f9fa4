import { NatsCluster, NODES } from "../../test/support/nats-cluster.ts";
import { requires } from "../../test/support/requirements.ts";
import type { Bench, BenchOptions, BenchResult, Figure, Growth } from "../harness/bench.ts";
import { LineProcess } from "../harness/line-process.ts";
import { cpuUs, memoryBytes } from "../harness/process-cost.ts";
import type { Appended, Pages, WriterQuestion } from "./writer.ts";

const SIZES = [1_000, 10_000, 100_000, 1_000_000];
const DEPTHS = [1_000, 10_000, 100_000];
const SERVICES = 3;
const LOAD_MS = 10_000;
const PAGES = 100;
/** New sources of one size are given up after this: what is there then is what is measured. */
const FILL_MS_MAX = 20 * 60_000;
const DEEP = "deep";

type Points = { size: number; value: number }[];

/**
 * A log on three nodes, all on this machine with the services: entries a second and pages as services, sources and lines of a source
 * grow. 10^6 sources at `--scale 10` alone.
 */
export const cluster: Bench = {
  name: "cluster",
  title: "A log on a NATS JetStream cluster: three nodes and all services on this machine",
  async run({ scale, progress }: BenchOptions): Promise<BenchResult> {
    const need = requires("nats-server");
    if (need.path === undefined) return { notes: ["not run: nats-server is not installed"] };
    const nodes = new NatsCluster(need.path);
    await nodes.start();
    const writers: LineProcess[] = [];
    const start = async (name: string): Promise<LineProcess> => {
      const writer = await LineProcess.start("bench/cluster/writer.ts", [nodes.urls.join(","), name]);
      writers.push(writer);
      await writer.next();
      return writer;
    };
    const nodesCpu = (): number => pids(nodes).reduce((sum, pid) => sum + cpuUs(pid), 0);
    try {
      const first = await start("s0");
      const ask = (question: WriterQuestion, writer = first) => writer.ask<Appended>(question);
      const figures: Figure[] = [];
      const inTime: Points = [];
      const range: Points = [];
      let depth = 0;
      for (const size of DEPTHS.filter((each) => each <= 100_000 * scale || each === DEPTHS[0])) {
        progress(`${size} lines of one source`);
        await ask({ deep: { src: DEEP, from: depth, to: size } });
        depth = size;
        const pages = await first.ask<Pages>({ pages: { count: PAGES, src: DEEP, lines: depth } });
        inTime.push({ size, value: pages.inTime.p50 });
        range.push({ size, value: pages.range.p50 });
      }

      const appended: Points = [];
      const newest: Points = [];
      const newestOfAll: Points = [];
      const names: Points = [];
      const loadMs = Math.max(2_000, LOAD_MS * Math.min(1, scale));
      let filled = 0;
      for (const size of SIZES.filter((each) => each <= 100_000 * scale || each === SIZES[0])) {
        progress(`${size} sources`);
        const before = nodesCpu();
        const fill = await ask({ fill: { from: filled, to: size, msMax: FILL_MS_MAX } });
        const fillCpu = nodesCpu() - before;
        filled += fill.stored;
        const at = filled.toLocaleString("en");
        figures.push(
          figure(`new sources a second, up to ${at} sources`, "/s", (fill.stored / fill.ms) * 1000),
          figure(
            `CPU of a new source, service and nodes, up to ${at}`,
            "us",
            (fill.cpuUs + fillCpu) / fill.stored,
          ),
        );
        const loadBefore = nodesCpu();
        const load = await ask({ load: { sources: filled, ms: loadMs, perMessage: 1 } });
        const loadCpu = nodesCpu() - loadBefore;
        appended.push({ size: filled, value: (load.cpuUs + loadCpu) / load.stored });
        figures.push(
          figure(`entries a second of ${at} sources, one in a message`, "/s", (load.stored / load.ms) * 1000),
        );
        const pages = await first.ask<Pages>({ pages: { count: PAGES, src: DEEP, lines: depth } });
        newest.push({ size: filled, value: pages.newest.p50 });
        newestOfAll.push({ size: filled, value: pages.newestOfAll.p50 });
        names.push({ size: filled, value: pages.names.p50 });
        figures.push(
          figure(`newest 100 of a source, p99, of ${at} sources`, "ms", pages.newest.p99),
          figure(`newest 100 of all, p99, of ${at} sources`, "ms", pages.newestOfAll.p99),
          figure(`memory of the service, of ${at} sources`, "MB", pages.residentBytes / 1e6),
          figure(`memory of a node, of ${at} sources`, "MB", nodeMemory(nodes) / 1e6),
        );
        if (filled < size) break;
        if (size === SIZES[0]) {
          figures.push(...(await moreServices(first, start, loadMs, progress)));
        }
      }
      return {
        figures,
        growths: growths({ appended, newest, newestOfAll, names, inTime, range }),
        notes: NOTES,
      };
    } finally {
      for (const writer of writers) await writer.stop();
      await nodes.dispose();
    }
  },
};

const NOTES = [
  "The nodes, the services and what loads them share the two cores: figures of several services say what the machine carries, not what they would on machines of their own.",
  "Plots over the number of sources: pages are of one source with up to 100,000 lines, which the others lie between.",
];

/** What one, two and three services take at the same time, each of 1,000 sources of its own. */
async function moreServices(
  first: LineProcess,
  start: (name: string) => Promise<LineProcess>,
  ms: number,
  progress: (text: string) => void,
): Promise<Figure[]> {
  const figures: Figure[] = [];
  const all = [first];
  const sources = SIZES[0] ?? 0;
  for (let count = 1; count <= SERVICES; count++) {
    progress(`${count} services`);
    if (count > 1) {
      const writer = await start(`s${count - 1}`);
      await writer.ask({ fill: { from: 0, to: sources, msMax: FILL_MS_MAX } });
      all.push(writer);
    }
    for (const perMessage of [1, 10]) {
      const question: WriterQuestion = { load: { sources, ms, perMessage } };
      const loads = await Promise.all(all.map((writer) => writer.ask<Appended>(question)));
      const rate = loads.reduce((sum, { stored, ms: took }) => sum + (stored / took) * 1000, 0);
      const what = `entries a second of ${count} service${count === 1 ? "" : "s"}, ${perMessage} in a message`;
      figures.push(figure(what, "/s", rate));
    }
    const { newest } = await first.ask<Pages>({ pages: { count: PAGES, src: DEEP, lines: sources } });
    figures.push(
      figure(`newest 100 of a source with ${count} service${count === 1 ? "" : "s"}, p99`, "ms", newest.p99),
    );
  }
  return figures;
}

function growths(points: Readonly<Record<string, Points>>): Growth[] {
  const of = (name: string, what: string, unit: string, per: string): Growth[] =>
    (points[name]?.length ?? 0) > 1 ? [{ what, unit, per, points: points[name] ?? [] }] : [];
  return [
    ...of(
      "appended",
      "Cluster: appending by sources",
      "us of CPU of service and nodes",
      "entry, alone in its message",
    ),
    ...of("newest", "Cluster: newest 100 of a source by sources", "ms", "page"),
    ...of("newestOfAll", "Cluster: newest 100 of all by sources", "ms", "page"),
    ...of("names", "Cluster: names of all sources by sources", "ms", "answer"),
    ...of("inTime", "Cluster: newest 100 in order of time by lines of the source", "ms", "page"),
    ...of("range", "Cluster: 100 lines of a time by lines of the source", "ms", "page"),
  ];
}

function figure(what: string, unit: string, value: number): Figure {
  return { what, unit, values: [value] };
}

function pids(nodes: NatsCluster): number[] {
  return Array.from({ length: NODES }, (_, node) => nodes.pidOf(node) ?? 0);
}

function nodeMemory(nodes: NatsCluster): number {
  return Math.max(...pids(nodes).map((pid) => memoryBytes(pid).resident));
}
