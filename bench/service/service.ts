import { once } from "node:events";
import { encode } from "cbor-x";
import { WebSocket } from "ws";
import type { Bench, BenchOptions, BenchResult, Comparison, Pair } from "../harness/bench.ts";
import { LineProcess } from "../harness/line-process.ts";
import { installPeer } from "../harness/peers.ts";
import { cpuUs, memoryBytes } from "../harness/process-cost.ts";
import { corpusBatches, makeEntries, readLines } from "../store/corpus.ts";
import { type PageCost, PostgresPeer } from "../store/postgres.ts";
import { PageConnection } from "./page-connection.ts";
import { type Service, startService } from "./start-service.ts";

const FRAME_ENTRIES = 1_000;
const SOURCES = 1_000;
/** Frames sent and not answered yet. */
const WINDOW = 8;
const FRAMES = 200;
/** Enough that the p99 is no single page, at any scale; the first ones, of a service that has just started, are among them. */
const PAGES = 1_000;
const READERS = 900;
const STUCK = 100;
const WARM_FRAMES = 60;
const FEW_FRAMES = 10;
/** Some seconds, after a third of them: what the engine compiles in the first second is not the work, of ours or of the peer's. */
const SMALL_PAGES = 24_000;
/** Few enough that each has pages of 100 from nearly everywhere on. */
const PAGE_SOURCES = 100;
const PAGE_FRAMES = 200;
const PAGE_CONNECTIONS = 4;

const PG = { name: "pg", version: "8.23.1" } as const;
const ROWS = "PostgreSQL, a row an entry, an index on (src, id), prepared statements of as many connections";
const POSTGRES = `${ROWS} by pgbench: C, no HTTP and no JSON`;
const POSTGRES_HTTP = `the same page over HTTP by fastify and pg ${PG.version} from ${ROWS}`;

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
    const small = { rate: [] as Pair[], cpu: [] as Pair[], httpRate: [] as Pair[], httpCpu: [] as Pair[] };
    const frameCount = Math.max(20, Math.round(FRAMES * scale));
    for (let pair = 0; pair < pairCount; pair++) {
      progress(`pair ${pair + 1} of ${pairCount}`);
      const running = await startService();
      try {
        const frames = makeFrames(frameCount, SOURCES);
        await ingestPastSeal(running, frames);
        const alone = await ingest(running, frames);
        rates.push(alone.rate);
        p99s.push(alone.p99);
        cpus.push(alone.cpu);
        pages.push(await pageP99(running, PAGES));
        const before = memoryBytes(running.pid).resident;
        const sockets = await readers(running);
        // What never reads takes what fits into its buffers, here and in the kernel, and is skipped from then on.
        await ingest(running, makeFrames(WARM_FRAMES, SOURCES));
        await ingestPastSeal(running, frames);
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
      small.rate.push({ ours: ours.perSecond, other: rows.bare.perSecond });
      small.cpu.push({ ours: ours.cpuUs, other: rows.bare.cpuUs });
      if (rows.overHttp === undefined) continue;
      small.httpRate.push({ ours: ours.perSecond, other: rows.overHttp.perSecond });
      small.httpCpu.push({ ours: ours.cpuUs, other: rows.overHttp.cpuUs });
    }
    const growth: { size: number; value: number }[] = [];
    for (const sources of [SOURCES, 10 * SOURCES]) {
      progress(`${sources} sources`);
      growth.push({ size: sources, value: await entryCpuUs(frameCount, sources) });
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
        ...pageRows(POSTGRES, small.rate, small.cpu),
        ...pageRows(POSTGRES_HTTP, small.httpRate, small.httpCpu),
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
      growths: [
        {
          what: "An entry over one WebSocket, CBOR frames of 1,000, by sources",
          unit: "us of CPU",
          per: "entry",
          points: growth,
        },
      ],
      notes: [
        ...(small.rate.length === 0 ? ["left out: PostgreSQL, of Debian's package postgresql"] : []),
        ...(small.rate.length > 0 && small.httpRate.length === 0
          ? [`left out: PostgreSQL over HTTP, the package ${PG.name} ${PG.version}`]
          : []),
      ],
    };
  },
};

/** CPU of an entry of so many sources, each of which has been heard before. */
async function entryCpuUs(frameCount: number, sourceCount: number): Promise<number> {
  const running = await startService();
  try {
    const known = Math.max(WARM_FRAMES, sourceCount / FRAME_ENTRIES);
    const frames = makeFrames(known + frameCount, sourceCount);
    await ingest(running, frames.slice(0, known));
    return (await ingest(running, frames.slice(known))).cpu;
  } finally {
    await running.stop();
  }
}

/** Pages of 100 beside a peer's. */
function pageRows(against: string, rate: readonly Pair[], cpu: readonly Pair[]): Comparison[] {
  if (rate.length === 0) return [];
  const what = `pages of 100 of one source after a random place, over HTTP, ${PAGE_CONNECTIONS} connections`;
  return [
    { what, against, unit: "/s", pairs: rate, atLeast: 3 },
    { what: "CPU of the server for such a page", against, unit: "us", pairs: cpu },
  ];
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
function postgresPages(
  pageCount: number,
): Promise<{ readonly bare: PageCost; readonly overHttp: PageCost | undefined } | undefined> {
  return PostgresPeer.during(async (postgres) => {
    await postgres.copy(corpusBatches(PAGE_FRAMES * FRAME_ENTRIES, PAGE_SOURCES));
    const bare = await postgres.pages(pageCount, PAGE_SOURCES, PAGE_CONNECTIONS);
    return { bare, overHttp: await postgresPagesOverHttp(postgres, pageCount) };
  });
}

/** Undefined where the package cannot be had. */
async function postgresPagesOverHttp(
  postgres: PostgresPeer,
  pageCount: number,
): Promise<PageCost | undefined> {
  const module = await installPeer(PG.name, PG.version);
  if (module === undefined) return undefined;
  const { host, user } = postgres.access;
  const lastId = await postgres.readyForPages();
  const server = await LineProcess.start("bench/service/postgres-pages.ts", [
    ...["--pg", module, "--host", host, "--user", user],
    ...["--connections", String(PAGE_CONNECTIONS)],
  ]);
  try {
    const { port } = await server.next<{ port: number }>();
    const pages = {
      port,
      key: "",
      cpu: () => cpuUs(server.pid) + postgres.cpuUs(),
      path: () => `/entries?src=${anySource()}&after=${Math.ceil(Math.random() * lastId * 0.9)}&limit=100`,
    };
    return await pagesCost(pages, pageCount);
  } finally {
    await server.stop();
  }
}

async function pagesOfSources(pageCount: number): Promise<PageCost> {
  const running = await startService();
  try {
    await ingest(running, makeFrames(PAGE_FRAMES, PAGE_SOURCES));
    const { port, key, pid } = running;
    const places = await placesOf(running);
    const place = (): string => places[Math.floor(Math.random() * places.length * 0.9)] ?? "";
    const pages = {
      port,
      key,
      cpu: () => cpuUs(pid),
      path: () =>
        `/v1/projects/default/entries?src=${anySource()}&limit=100&order=ascending&after=${place()}`,
    };
    return await pagesCost(pages, pageCount);
  } finally {
    await running.stop();
  }
}

/** A server of pages. */
interface Pages {
  readonly port: number;
  readonly key: string;
  /** What all of its processes have taken, us. */
  readonly cpu: () => number;
  /** One page, drawn by lot. */
  readonly path: () => string;
}

function anySource(): string {
  return `dev-${String(Math.floor(Math.random() * PAGE_SOURCES)).padStart(4, "0")}`;
}

/** Pages of 100 of one source each, after random places, a third of them before it counts. */
async function pagesCost({ port, key, cpu, path }: Pages, pageCount: number): Promise<PageCost> {
  const connections: PageConnection[] = [];
  for (let count = 0; count < PAGE_CONNECTIONS; count++)
    connections.push(await PageConnection.open(port, key));
  const ask = async (connection: PageConnection, count: number): Promise<void> => {
    for (let asked = 0; asked < count; asked++) await connection.load(path());
  };
  const all = (count: number): Promise<unknown> =>
    Promise.all(connections.map((connection) => ask(connection, Math.ceil(count / PAGE_CONNECTIONS))));
  await all(pageCount / 3);
  const cpuBefore = cpu();
  const startMs = performance.now();
  await all(pageCount);
  const seconds = (performance.now() - startMs) / 1_000;
  for (const connection of connections) connection.close();
  return { perSecond: pageCount / seconds, cpuUs: (cpu() - cpuBefore) / pageCount };
}

/** Ids all over the log. */
async function placesOf({ port, key }: Service): Promise<string[]> {
  const connection = await PageConnection.open(port, key);
  const places: string[] = [];
  let after = "";
  try {
    for (;;) {
      const query = after === "" ? "" : `&after=${after}`;
      const text = await connection.get(`/v1/projects/default/entries?limit=1000&order=ascending${query}`);
      const page = JSON.parse(text) as { readonly after: string; readonly end: boolean };
      after = page.after;
      if (page.end) return places;
      places.push(after);
    }
  } finally {
    connection.close();
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

/** Until a seal has just ended: each of two phases that are compared has as much of the next one. */
async function ingestPastSeal(running: Service, frames: readonly Uint8Array[]): Promise<void> {
  const before = await sealedEntries(running);
  while ((await sealedEntries(running)) === before) await ingest(running, frames.slice(0, FEW_FRAMES));
}

async function sealedEntries({ port, key }: Service): Promise<number> {
  const answer = await fetch(`http://127.0.0.1:${port}/metrics`, { headers: { "x-api-key": key } });
  return Number(/^boardlog_store_sealed_entries_total (\d+)$/m.exec(await answer.text())?.[1] ?? 0);
}

/** Pages of all sources from places spread over the log, over one connection. */
async function pageP99({ port, key }: Service, count: number): Promise<number> {
  const connection = await PageConnection.open(port, key);
  const took: number[] = [];
  let after = "";
  for (let index = 0; index < count; index++) {
    const startMs = performance.now();
    const query = `limit=1000&order=ascending${after === "" ? "" : `&after=${after}`}`;
    const text = await connection.get(`/v1/projects/default/entries?${query}`);
    took.push(performance.now() - startMs);
    const page = JSON.parse(text) as { readonly after: string; readonly end: boolean };
    after = page.end ? "" : page.after;
  }
  connection.close();
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
