import { fork } from "node:child_process";
import { once } from "node:events";
import { parseArgs } from "node:util";
import { CounterTable } from "../../host/counters.ts";
import { systemClock, systemTimers } from "../../host/system-clock.ts";
import { systemRandom } from "../../host/system-random.ts";
import type { JetStreamStore } from "../../service/store/jetstream/jetstream-store.ts";
import { openJetStreamStore } from "../../service/store/jetstream/open-jetstream-store.ts";
import { NatsCluster } from "../../test/support/nats-cluster.ts";
import { requires } from "../../test/support/requirements.ts";
import { makeEntries, readLines } from "../store/corpus.ts";
import { percentile } from "../store/measure.ts";

/*
 * The store on a cluster of three nats-servers on this machine: entries a second of one or more processes that append batches as
 * gateways bring them, and pages of what is there then.
 * node scripts/bench.mjs bench/cluster/cluster.ts [--services N] [--sources N] [--batch N] [--seconds N] [--pages N]
 */
const { values } = parseArgs({
  options: {
    services: { type: "string", default: "1" },
    sources: { type: "string", default: "1000" },
    batch: { type: "string", default: "1000" },
    underway: { type: "string", default: "4" },
    seconds: { type: "string", default: "10" },
    pages: { type: "string", default: "200" },
    servers: { type: "string" },
    child: { type: "string" },
  },
});
const project = "default";
const sourceCount = Number(values.sources);
const log = { debug() {}, info() {}, warn: console.warn, error: console.error };

async function open(servers: readonly string[]): Promise<JetStreamStore> {
  const world = { clock: systemClock, timers: systemTimers, random: systemRandom };
  for (let attempt = 0; ; attempt++) {
    try {
      const { store } = await openJetStreamStore(
        { ...world, counters: new CounterTable(), log },
        { servers, replicas: 3 },
        { prefix: "bench", keepMs: undefined, keepBytes: undefined },
      );
      return store;
    } catch (error) {
      if (attempt > 50) throw error;
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
  }
}

/** Appends as one service does for gateways that are a few batches ahead; each service has sources of its own. */
async function appendFor(store: JetStreamStore, service: number, seconds: number, firstFill: boolean) {
  const lines = readLines(undefined);
  const batch = Number(values.batch);
  const own = sourceCount;
  const untilMs = performance.now() + seconds * 1000;
  // The first entry of each source is there already.
  let next = firstFill ? 0 : own;
  let stored = 0;
  const worker = async (): Promise<void> => {
    while (firstFill ? next < own : performance.now() < untilMs) {
      const from = next;
      next += batch;
      const entries = makeEntries(lines, own, from, batch).map((entry) => ({
        ...entry,
        src: `${service}-${entry.src}`,
      }));
      const [result] = await store.append([{ project, entries }]);
      stored += result?.storedCount ?? 0;
    }
  };
  const startMs = performance.now();
  await Promise.all(Array.from({ length: Number(values.underway) }, worker));
  return { stored, seconds: (performance.now() - startMs) / 1000 };
}

async function timed(count: number, task: () => Promise<unknown>): Promise<string> {
  const times: number[] = [];
  for (let turn = 0; turn < count; turn++) {
    const startMs = performance.now();
    await task();
    times.push(performance.now() - startMs);
  }
  times.sort((left, right) => left - right);
  return `p50 ${percentile(times, 0.5).toFixed(1)} ms, p99 ${percentile(times, 0.99).toFixed(1)} ms`;
}

if (values.child !== undefined) {
  const store = await open((values.servers ?? "").split(","));
  process.send?.("ready");
  await once(process, "message");
  process.send?.(await appendFor(store, Number(values.child), Number(values.seconds), false));
  await store.close();
  process.disconnect();
} else {
  const cluster = new NatsCluster(requires("nats-server").path ?? "nats-server");
  await cluster.start();
  try {
    const store = await open(cluster.urls);
    for (let service = 0; service < Number(values.services); service++) {
      const fill = await appendFor(store, service, 0, true);
      console.log(`first of ${sourceCount} sources: ${Math.round(fill.stored / fill.seconds)} entries/s`);
    }
    const children = Array.from({ length: Number(values.services) }, (_, index) =>
      fork(process.argv[1] ?? "", [
        ...process.argv.slice(2),
        "--servers",
        cluster.urls.join(","),
        "--child",
        String(index),
      ]),
    );
    await Promise.all(children.map((child) => once(child, "message")));
    const results = children.map(
      async (child) => (await once(child, "message"))[0] as { stored: number; seconds: number },
    );
    for (const child of children) child.send("go");
    const rates = (await Promise.all(results)).map(({ stored, seconds }) => stored / seconds);
    const total = Math.round(rates.reduce((sum, rate) => sum + rate, 0));
    const { entryCount, diskBytes, details } = await store.status();
    const messages = Math.round(
      ((details.messages ?? 0) - sourceCount * Number(values.services)) / Number(values.seconds),
    );
    console.log(
      `${values.services} services, ${sourceCount} sources, batches of ${values.batch}: ${total} entries/s in ${messages} messages/s`,
    );
    console.log(
      `${entryCount} entries in ${details.messages} messages, ${(diskBytes / entryCount).toFixed(0)} bytes an entry and replica`,
    );
    const pages = Number(values.pages);
    const sources = await store.sources(project);
    const any = (): string => sources[Math.floor(Math.random() * sources.length)]?.src ?? "";
    const ids = (await store.listProject({ project, limit: 1000 })).map(({ id }) => id);
    const after = (): string => ids[Math.floor(Math.random() * ids.length)] ?? "";
    console.log(
      `newest 100 of a source: ${await timed(pages, () => store.list({ project, src: any(), limit: 100, newest: true }))}`,
    );
    console.log(
      `next 100 of a source: ${await timed(pages, () => store.list({ project, src: any(), limit: 100, after: after() }))}`,
    );
    console.log(
      `newest 100 of all: ${await timed(pages, () => store.listProject({ project, limit: 100, newest: true }))}`,
    );
    console.log(
      `next 100 of all: ${await timed(pages, () => store.listProject({ project, limit: 100, after: after() }))}`,
    );
    console.log(`names of all sources: ${await timed(5, () => store.sources(project))}`);
    await store.close();
  } finally {
    await cluster.dispose();
  }
}
