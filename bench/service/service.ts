import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { Agent, request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { encode } from "cbor-x";
import { WebSocket } from "ws";
import { until } from "../../test/support/boardlog-process.ts";
import { freePort } from "../../test/support/mosquitto.ts";
import type { Bench, BenchOptions, BenchResult, Pair } from "../harness/bench.ts";
import { cpuUs, memoryBytes } from "../harness/process-cost.ts";
import { corpusBatches, makeEntries, readLines } from "../store/corpus.ts";
import { type PageCost, PostgresPeer } from "../store/postgres.ts";
import { PageConnection } from "./page-connection.ts";

const BIN = fileURLToPath(new URL("../../bin/boardlog.js", import.meta.url));
const FRAME_ENTRIES = 1_000;
const SOURCES = 1_000;
/** Frames sent and not answered yet. */
const WINDOW = 8;
const FRAMES = 200;
const PAGES = 300;
const READERS = 900;
const STUCK = 100;
const WARM_FRAMES = 60;
const SMALL_PAGES = 6_000;
/** Few enough that each has pages of 100 from nearly everywhere on. */
const PAGE_SOURCES = 100;
const PAGE_FRAMES = 200;
const PAGE_CONNECTIONS = 4;

const POSTGRES =
  "PostgreSQL, a row an entry, an index on (src, id), prepared statements of as many connections by pgbench";

interface Service {
  readonly pid: number;
  readonly port: number;
  readonly key: string;
  stop(): Promise<void>;
}

/** A log service in a process of its own, asked as its users ask it. */
export const service: Bench = {
  name: "service",
  title: "The log service end to end: frames in over one WebSocket, pages out over HTTP",
  async run({ pairCount, scale, progress }: BenchOptions): Promise<BenchResult> {
    const rates: number[] = [];
    const p99s: number[] = [];
    const cpus: number[] = [];
    const pages: number[] = [];
    const crowded: Pair[] = [];
    const crowdedCpu: Pair[] = [];
    const memory: number[] = [];
    const smallPages: Pair[] = [];
    const smallPagesCpu: Pair[] = [];
    const frameCount = Math.max(20, Math.round(FRAMES * scale));
    for (let pair = 0; pair < pairCount; pair++) {
      progress(`pair ${pair + 1} of ${pairCount}`);
      const running = await startService();
      try {
        const frames = makeFrames(frameCount, SOURCES);
        await ingest(running, frames.slice(0, 10));
        const alone = await ingest(running, frames);
        rates.push(alone.rate);
        p99s.push(alone.p99);
        cpus.push(alone.cpu);
        pages.push(await pageP99(running, Math.max(50, Math.round(PAGES * scale))));
        const before = memoryBytes(running.pid).resident;
        const sockets = await readers(running);
        // What never reads takes what fits into its buffers, here and in the kernel, and is skipped from then on.
        await ingest(running, frames.slice(0, WARM_FRAMES));
        const together = await ingest(running, frames);
        memory.push(Math.round((memoryBytes(running.pid).resident - before) / 1e6));
        crowded.push({ ours: together.rate, other: alone.rate });
        crowdedCpu.push({ ours: together.cpu, other: alone.cpu });
        for (const socket of sockets) socket.terminate();
      } finally {
        await running.stop();
      }
      const smallCount = Math.max(2_000, Math.round(SMALL_PAGES * scale));
      const rows = await postgresPages(smallCount);
      if (rows === undefined) continue;
      const ours = await pagesOfSources(smallCount);
      smallPages.push({ ours: ours.perSecond, other: rows.perSecond });
      smallPagesCpu.push({ ours: ours.cpuUs, other: rows.cpuUs });
    }
    return {
      comparisons: [
        {
          what: `entries a second with ${READERS} live sockets that wait for another board and ${STUCK} that never read`,
          against: "the same without readers, just before",
          unit: "/s",
          pairs: crowded,
          atLeast: 0.95,
        },
        {
          what: "CPU of the service for an entry with these sockets",
          against: "the same without readers, just before",
          unit: "us",
          pairs: crowdedCpu,
          atMost: 1.05,
        },
        ...(smallPages.length === 0
          ? []
          : [
              {
                what: `pages of 100 of one source after a random place, over HTTP, ${PAGE_CONNECTIONS} connections`,
                against: POSTGRES,
                unit: "/s",
                pairs: smallPages,
                atLeast: 3,
              },
              {
                what: "CPU of the server for such a page",
                against: POSTGRES,
                unit: "us",
                pairs: smallPagesCpu,
              },
            ]),
      ],
      figures: [
        {
          what: `entries a second over one WebSocket, CBOR frames of ${FRAME_ENTRIES}, ${WINDOW} under way, on disk before each answer`,
          unit: "/s",
          values: rates,
          atLeast: 100_000,
        },
        { what: "from a frame to its answer, p99", unit: "ms", values: p99s, atMost: 100 },
        { what: "CPU of the service for an entry", unit: "us", values: cpus },
        { what: "a page of 1,000 entries over HTTP, p99", unit: "ms", values: pages, atMost: 20 },
        { what: "memory that the readers take meanwhile", unit: "MB", values: memory, atMost: 300 },
      ],
      ...(smallPages.length === 0 && { notes: ["left out: PostgreSQL, of Debian's package postgresql"] }),
    };
  },
};

async function startService(): Promise<Service> {
  const folder = await mkdtemp(join(tmpdir(), "boardlog-bench-"));
  const port = await freePort();
  const settings = join(folder, "service.yaml");
  await writeFile(settings, `data: ${folder}/data\nhttp: ${port}\n`);
  const child = spawn(process.execPath, [BIN, "service", "--settings", settings], { stdio: "ignore" });
  await until("the service runs", () =>
    fetch(`http://127.0.0.1:${port}/healthz`).then(
      ({ status }) => status === 200,
      () => false,
    ),
  );
  return {
    pid: child.pid ?? 0,
    port,
    key: await readFile(join(folder, "data/api-key"), "utf8"),
    stop: async () => {
      child.kill("SIGTERM");
      await once(child, "exit");
      await rm(folder, { recursive: true });
    },
  };
}

function makeFrames(count: number, sourceCount: number): Uint8Array[] {
  const lines = readLines(undefined);
  return Array.from({ length: count }, (_, frame) => {
    const entries = makeEntries(lines, sourceCount, frame * FRAME_ENTRIES, FRAME_ENTRIES);
    const cmds = entries.map(({ src, msg, level, timestamp }, id) => ({
      cmd: "/v1/Log.Log",
      id,
      args: { src, msg: JSON.parse(msg) as string, timestamp, ...(level !== undefined && { level }) },
    }));
    return encode({ v: 1, cmds });
  });
}

/** The same lines as rows; undefined where there is no PostgreSQL. */
function postgresPages(pageCount: number): Promise<PageCost | undefined> {
  return PostgresPeer.during(async (postgres) => {
    await postgres.copy(corpusBatches(PAGE_FRAMES * FRAME_ENTRIES, PAGE_SOURCES));
    return await postgres.pages(pageCount, PAGE_SOURCES, PAGE_CONNECTIONS);
  });
}

async function pagesOfSources(pageCount: number): Promise<PageCost> {
  const running = await startService();
  try {
    await ingest(running, makeFrames(PAGE_FRAMES, PAGE_SOURCES));
    return await smallPagesCost(running, pageCount);
  } finally {
    await running.stop();
  }
}

/** Pages of 100 of one source each, after random places, a third of them before it counts. */
async function smallPagesCost({ port, key, pid }: Service, pageCount: number): Promise<PageCost> {
  const connections: PageConnection[] = [];
  for (let count = 0; count < PAGE_CONNECTIONS; count++)
    connections.push(await PageConnection.open(port, key));
  const places = await placesOf(connections[0] as PageConnection);
  const ask = async (connection: PageConnection, count: number): Promise<void> => {
    for (let asked = 0; asked < count; asked++) {
      const src = `dev-${String(Math.floor(Math.random() * PAGE_SOURCES)).padStart(4, "0")}`;
      const place = places[Math.floor(Math.random() * places.length * 0.9)];
      await connection.get(
        `/v1/projects/default/entries?src=${src}&limit=100&order=ascending&after=${place}`,
      );
    }
  };
  const all = (count: number): Promise<unknown> =>
    Promise.all(connections.map((connection) => ask(connection, Math.ceil(count / PAGE_CONNECTIONS))));
  await all(pageCount / 3);
  const cpuBefore = cpuUs(pid);
  const startMs = performance.now();
  await all(pageCount);
  const seconds = (performance.now() - startMs) / 1_000;
  for (const connection of connections) connection.close();
  return { perSecond: pageCount / seconds, cpuUs: (cpuUs(pid) - cpuBefore) / pageCount };
}

/** Ids all over the log. */
async function placesOf(connection: PageConnection): Promise<string[]> {
  const places: string[] = [];
  let after = "";
  for (;;) {
    const query = after === "" ? "" : `&after=${after}`;
    const text = await connection.get(`/v1/projects/default/entries?limit=1000&order=ascending${query}`);
    const page = JSON.parse(text) as { readonly after: string; readonly end: boolean };
    after = page.after;
    if (page.end) return places;
    places.push(after);
  }
}

/** Sends frames with a few under way; every one is answered with status 0. */
async function ingest(
  { port, key, pid }: Service,
  frames: readonly Uint8Array[],
): Promise<{ readonly rate: number; readonly p99: number; readonly cpu: number }> {
  const socket = new WebSocket(`ws://127.0.0.1:${port}/`, { headers: { "x-api-key": key } });
  await once(socket, "open");
  const sentAt: number[] = [];
  const took: number[] = [];
  let sent = 0;
  const send = (): void => {
    const frame = frames[sent++];
    if (frame === undefined) return;
    sentAt.push(performance.now());
    socket.send(frame);
  };
  const cpuBefore = cpuUs(pid);
  const startMs = performance.now();
  await new Promise<void>((resolve, reject) => {
    socket.once("error", reject);
    socket.on("message", (answer: Buffer) => {
      // `status` in CBOR, and a value other than 0 behind it.
      if (took.length === 0 && answer.includes("status_msg")) reject(new Error("the service refuses frames"));
      took.push(performance.now() - (sentAt[took.length] ?? 0));
      if (took.length === frames.length) resolve();
      else send();
    });
    for (let count = 0; count < WINDOW; count++) send();
  });
  const seconds = (performance.now() - startMs) / 1_000;
  const cpu = (cpuUs(pid) - cpuBefore) / (frames.length * FRAME_ENTRIES);
  socket.close();
  return { rate: Math.round((frames.length * FRAME_ENTRIES) / seconds), p99: percentile(took, 0.99), cpu };
}

/** Pages of all sources from places spread over the log, over one connection. */
async function pageP99({ port, key }: Service, count: number): Promise<number> {
  const agent = new Agent({ keepAlive: true });
  const took: number[] = [];
  let after = "";
  for (let index = 0; index < count; index++) {
    const startMs = performance.now();
    const query = `limit=1000&order=ascending${after === "" ? "" : `&after=${after}`}`;
    const text = await new Promise<string>((resolve, reject) => {
      const path = `/v1/projects/default/entries?${query}`;
      const asked = request(
        { host: "127.0.0.1", port, path, agent, headers: { "x-api-key": key } },
        (answer) => {
          let body = "";
          answer.setEncoding("utf8").on("data", (part: string) => (body += part));
          answer.on("end", () => resolve(body));
        },
      );
      asked.on("error", reject).end();
    });
    took.push(performance.now() - startMs);
    const page = JSON.parse(text) as { readonly after: string; readonly end: boolean };
    after = page.end ? "" : page.after;
  }
  agent.destroy();
  return percentile(took, 0.99);
}

async function readers({ port, key }: Service): Promise<WebSocket[]> {
  const url = `ws://127.0.0.1:${port}/v1/ws/projects/default/logs`;
  const sockets: WebSocket[] = [];
  for (let count = 0; count < READERS + STUCK; count++) {
    const isStuck = count < STUCK;
    const socket = new WebSocket(isStuck ? url : `${url}?src=quiet`, { headers: { "x-api-key": key } });
    await once(socket, "open");
    if (isStuck) socket.pause();
    sockets.push(socket);
  }
  return sockets;
}

function percentile(values: readonly number[], part: number): number {
  const sorted = [...values].sort((left, right) => left - right);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? Number.NaN;
}
