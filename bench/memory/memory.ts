import { setTimeout as pause } from "node:timers/promises";
import { type Bench, type BenchOptions, type BenchResult, median, type Pair } from "../harness/bench.ts";
import { LineProcess } from "../harness/line-process.ts";
import { memoryBytes } from "../harness/process-cost.ts";
import { aedes, boardlog, type Target } from "../mqtt/targets.ts";
import { startService } from "../service/start-service.ts";
import { startGateway } from "./gateway-alone.ts";

const CONNECTIONS = 10_000;
const SOURCES = 100_000;
const SOURCES_A_FRAME = 1_000;
/** For a collector to have been. */
const REST_MS = 5_000;

/** What stays in memory: idle, with many boards connected, with many sources known. */
export const memory: Bench = {
  name: "memory",
  title: "Memory",
  async run(options: BenchOptions): Promise<BenchResult> {
    const connections = Math.round(CONNECTIONS * options.scale);
    const perConnection: Pair[] = [];
    const connected: number[] = [];
    const idle: number[] = [];
    const sources: number[] = [];
    const boardGrowth = new Map<number, number[]>();
    const sourceGrowth = new Map<number, number[]>();
    const sourceCount = Math.round(SOURCES * options.scale);
    for (let pair = 0; pair < options.pairCount; pair++) {
      options.progress(`pair ${pair + 1} of ${options.pairCount}`);
      idle.push(await idleGateway());
      const ours = await withConnections(await boardlog(), connections);
      const theirs = await withConnections(await aedes(), connections);
      connected.push(ours.totalMegabytes);
      perConnection.push({ ours: ours.eachKilobytes, other: theirs.eachKilobytes });
      const fewer = await withConnections(await boardlog(), Math.round(connections / 10));
      note(boardGrowth, Math.round(connections / 10), fewer.eachKilobytes);
      note(boardGrowth, connections, ours.eachKilobytes);
      const known = await withSources(sourceCount);
      sources.push(known.totalMegabytes);
      note(sourceGrowth, sourceCount / 10, (await withSources(sourceCount / 10)).eachKilobytes);
      note(sourceGrowth, sourceCount, known.eachKilobytes);
    }
    return {
      comparisons: [
        {
          what: "a connected board, idle",
          against: "aedes alone",
          unit: "KB",
          pairs: perConnection,
          atMost: 1.2,
        },
      ],
      figures: [
        { what: "gateway alone, idle", unit: "MB", values: idle, atMost: 80 },
        {
          what: `gateway, broker, service and page in one process, ${connections.toLocaleString("en")} boards connected`,
          unit: "MB",
          values: connected,
          atMost: 350,
        },
        {
          what: `log service with ${sourceCount.toLocaleString("en")} sources known, one entry each`,
          unit: "MB",
          values: sources,
        },
      ],
      growths: [
        { what: "Memory of a connected board", unit: "KB", per: "board", points: medians(boardGrowth) },
        { what: "Memory of a known source", unit: "KB", per: "source", points: medians(sourceGrowth) },
      ],
    };
  },
};

function note(values: Map<number, number[]>, size: number, value: number): void {
  values.set(size, [...(values.get(size) ?? []), value]);
}

function medians(values: ReadonlyMap<number, readonly number[]>): { size: number; value: number }[] {
  return [...values].map(([size, all]) => ({ size, value: median(all) }));
}

async function idleGateway(): Promise<number> {
  const gateway = await startGateway();
  try {
    await pause(REST_MS);
    return memoryBytes(gateway.pid).resident / 1e6;
  } finally {
    await gateway.stop();
  }
}

async function withConnections(
  target: Target,
  connections: number,
): Promise<{ readonly totalMegabytes: number; readonly eachKilobytes: number }> {
  const load = ["--port", String(target.port), "--subscribe", ...target.login];
  try {
    const first = await LineProcess.start("bench/mqtt/load.ts", [
      ...load,
      "--connections",
      "100",
      "--prefix",
      "first",
    ]);
    await first.next();
    await pause(REST_MS);
    const before = memoryBytes(target.pid).resident;
    const many = await LineProcess.start("bench/mqtt/load.ts", [
      ...load,
      "--connections",
      String(connections),
    ]);
    await many.next();
    await pause(REST_MS);
    const after = memoryBytes(target.pid).resident;
    await many.stop();
    await first.stop();
    return { totalMegabytes: after / 1e6, eachKilobytes: (after - before) / connections / 1000 };
  } finally {
    await target.stop();
  }
}

async function withSources(
  count: number,
): Promise<{ readonly totalMegabytes: number; readonly eachKilobytes: number }> {
  const target = await startService(`quota: { sourcesPerKey: ${count} }\n`);
  try {
    await pause(REST_MS);
    const before = memoryBytes(target.pid).resident;
    for (let at = 0; at < count; at += SOURCES_A_FRAME) {
      const cmds = Array.from({ length: Math.min(SOURCES_A_FRAME, count - at) }, (_, index) => ({
        cmd: "/v1/Log.Log",
        id: index + 1,
        args: {
          src: `source-${at + index}`,
          msg: "one line of a board that is seldom heard",
          timestamp: 1763784000000,
        },
      }));
      const answer = await fetch(`http://127.0.0.1:${target.port}`, {
        method: "POST",
        headers: { "x-api-key": target.key },
        body: JSON.stringify({ v: 1, cmds }),
      });
      const { resp } = (await answer.json()) as { resp: { status: number }[] };
      if (resp.some(({ status }) => status !== 0)) throw new Error("an entry was refused");
    }
    await pause(REST_MS);
    const after = memoryBytes(target.pid).resident;
    return { totalMegabytes: after / 1e6, eachKilobytes: (after - before) / count / 1000 };
  } finally {
    await target.stop();
  }
}
