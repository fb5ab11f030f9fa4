/*
 * A gateway whose service is away: what boards feel of it before, meanwhile, while the backlog goes, and after (milliseconds from a
 * line to its ack), how fast the backlog goes, and what memory that takes. Service and gateway are processes of their own.
 * node scripts/bench.mjs bench/gateway/outage.ts [--minutes N] [--boards N] [--rate N]
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { BoardlogProcess, pause } from "../../test/support/boardlog-process.ts";
import { freePort } from "../../test/support/mosquitto.ts";
import { timedBoard } from "./timed-board.ts";

const { values } = parseArgs({
  options: {
    minutes: { type: "string", default: "1" },
    boards: { type: "string", default: "50" },
    rate: { type: "string", default: "1000" },
  },
});
const boardCount = Number(values.boards);
const rate = Number(values.rate);
const outageMs = Number(values.minutes) * 60_000;
const CALM_MS = 15_000;
const POLL_MS = 250;
const BIN = fileURLToPath(new URL("../../bin/boardlog.js", import.meta.url));

const folder = await mkdtemp(join(tmpdir(), "boardlog-outage-"));
const service = await BoardlogProcess.create(["--quiet"]);
await service.start();
const mqttPort = await freePort();
const statusPort = await freePort();
const key = await service.key();
await writeFile(join(folder, "key"), key);
await writeFile(
  join(folder, "gateway.yaml"),
  `id: bench
data: ${folder}/data
service: { url: "${service.url}", keyFile: ${folder}/key }
mqtt: { listen: "127.0.0.1:${mqttPort}", keyFile: ${folder}/key }
status: 127.0.0.1:${statusPort}
log: { level: error }
`,
);
const gateway = spawn(process.execPath, [BIN, "gateway", "--settings", join(folder, "gateway.yaml")], {
  stdio: ["ignore", "pipe", "inherit"],
});
await once(gateway.stdout, "data");

let latencies: number[] = [];
let rssMaxMb = 0;
const boards = await Promise.all(
  Array.from({ length: boardCount }, (_, index) =>
    timedBoard({ port: mqttPort, key, src: `board-${index}`, periodMs: (1000 * boardCount) / rate }, (ms) =>
      latencies.push(ms),
    ),
  ),
);
try {
  console.log(`${boardCount} boards, ${rate} lines/s in all, ${values.minutes} min without a service`);
  console.log("phase            s    lines/s   p50 ms   p99 ms   waiting   RSS MB");
  await phase("before", () => pause(CALM_MS));
  await service.end("SIGKILL");
  await phase("away", () => pause(outageMs));
  await service.start();
  let backlog = 0;
  let startMs = 0;
  const drain = await phase("drains", async () => {
    // The last wait between two tries is no part of the draining.
    for (let waiting = await gauge("spool_waiting_entries"); waiting >= backlog; ) {
      backlog = waiting;
      startMs = performance.now();
      await pause(20);
      waiting = await gauge("spool_waiting_entries");
    }
    while ((await gauge("spool_waiting_entries")) > rate / 2) await pause(POLL_MS);
  });
  const drainS = (performance.now() - startMs) / 1000;
  await phase("after", () => pause(CALM_MS));
  for (const board of boards) board.quiet();
  while (boards.some((board) => board.acked() < board.seq())) await pause(POLL_MS);
  while ((await gauge("spool_waiting_entries")) > 0) await pause(POLL_MS);
  const sent = boards.reduce((sum, board) => sum + board.seq(), 0);
  const forwardedRate = backlog / drainS + drain.rate;
  console.log(
    `backlog ${backlog} went in ${drainS.toFixed(1)} s: ${forwardedRate.toFixed(0)} entries/s, ${(forwardedRate / rate).toFixed(1)} times the live rate`,
  );
  console.log(`${sent} lines logged, ${await storedEntries()} stored; RSS at most ${rssMaxMb} MB`);
} finally {
  for (const board of boards) board.stop();
  gateway.kill("SIGTERM");
  await once(gateway, "exit");
  await service.remove();
  await rm(folder, { recursive: true });
}

async function phase(name: string, run: () => Promise<void>): Promise<{ readonly rate: number }> {
  latencies = [];
  const mine = latencies;
  const startMs = performance.now();
  const rssTimer = setInterval(noteRss, POLL_MS);
  await run();
  clearInterval(rssTimer);
  const tookS = (performance.now() - startMs) / 1000;
  mine.sort((a, b) => a - b);
  const at = (fraction: number): string =>
    (mine[Math.floor(mine.length * fraction)] ?? Number.NaN).toFixed(1);
  const shown = [
    name.padEnd(10),
    tookS.toFixed(1).padStart(7),
    (mine.length / tookS).toFixed(0).padStart(10),
    at(0.5).padStart(8),
    at(0.99).padStart(8),
    String(await gauge("spool_waiting_entries")).padStart(9),
    String(noteRss()).padStart(8),
  ];
  console.log(shown.join(" "));
  return { rate: mine.length / tookS };
}

function noteRss(): number {
  const kb = Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${gateway.pid}/status`, "utf8"))?.[1] ?? 0);
  const mb = Math.round(kb / 1024);
  rssMaxMb = Math.max(rssMaxMb, mb);
  return mb;
}

async function gauge(name: string): Promise<number> {
  const text = await (await fetch(`http://127.0.0.1:${statusPort}/metrics`)).text();
  return Number(new RegExp(`^boardlog_${name} (\\S+)$`, "m").exec(text)?.[1] ?? Number.NaN);
}

async function storedEntries(): Promise<number> {
  const answer = await fetch(`${service.url}/v1/projects/default/sources`, { headers: { "x-api-key": key } });
  const { sources } = (await answer.json()) as { sources: { src: string; entryCount: number }[] };
  return sources.reduce((sum, { entryCount }) => sum + entryCount, 0);
}
