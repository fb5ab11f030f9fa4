import { setTimeout as pause } from "node:timers/promises";
import type { Bench, BenchOptions, BenchResult, Pair } from "../harness/bench.ts";
import { LineProcess } from "../harness/line-process.ts";
import { memoryBytes } from "../harness/process-cost.ts";
import { aedes, boardlog, type Target } from "../mqtt/targets.ts";
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
    for (let pair = 0; pair < options.pairCount; pair++) {
      options.progress(`pair ${pair + 1} of ${options.pairCount}`);
      idle.push(await idleGateway());
      const ours = await withConnections(await boardlog(), connections);
      const theirs = await withConnections(await aedes(), connections);
      connected.push(ours.totalMegabytes);
      perConnection.push({ ours: ours.eachKilobytes, other: theirs.eachKilobytes });
      sources.push(await withSources(Math.round(SOURCES * options.scale)));
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
          what: `the same with ${Math.round(SOURCES * options.scale).toLocaleString("en")} sources known, one entry each`,
          unit: "MB",
          values: sources,
        },
      ],
    };
  },
};

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

async function withSources(count: number): Promise<number> {
  const target = await boardlog();
  try {
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
      const answer = await fetch(target.url, {
        method: "POST",
        headers: { "x-api-key": target.key },
        body: JSON.stringify({ v: 1, cmds }),
      });
      const { resp } = (await answer.json()) as { resp: { status: number }[] };
      if (resp.some(({ status }) => status !== 0)) throw new Error("an entry was refused");
    }
    await pause(REST_MS);
    return memoryBytes(target.pid).resident / 1e6;
  } finally {
    await target.stop();
  }
}
