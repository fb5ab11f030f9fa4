/*
 * What quiet boards feel of one that floods: milliseconds from a line to its ack, without the flood, with it, and with it where no
 * source has a rate. The flood is a process of its own, on a connection of its own.
 * node scripts/bench.mjs bench/gateway/flood.ts [--boards N] [--seconds N]
 */
import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { parseArgs, promisify } from "node:util";
import { BoardlogProcess } from "../../test/support/boardlog-process.ts";
import { LineProcess } from "../harness/line-process.ts";
import { timedBoard } from "./timed-board.ts";

const { values } = parseArgs({
  options: { boards: { type: "string", default: "50" }, seconds: { type: "string", default: "15" } },
});
const boardCount = Number(values.boards);
const runMs = Number(values.seconds) * 1000;
/** Of each quiet board. */
const LINE_PERIOD_MS = 200;
const CREDENTIALS_MS = 3_000;
/** For the flood's burst to be over. */
const SETTLE_MS = 3_000;
const BIN = fileURLToPath(new URL("../../bin/boardlog.js", import.meta.url));

const folder = await mkdtemp(join(tmpdir(), "boardlog-flood-"));
const noRate = join(folder, "no-rate.yaml");
await writeFile(noRate, "sourceRate: { entriesPerSecond: 1000000, burstEntries: 10000000 }\n");
try {
  const alone = await measure([], false);
  const beside = await measure([], true);
  const unlimited = await measure(["--settings", noRate], true);
  console.log(
    `${boardCount} quiet boards, a line each ${LINE_PERIOD_MS} ms, ${values.seconds} s a run; ms from line to ack`,
  );
  console.log("run                     p50      p99    p50 as a ratio    p99 as a ratio");
  for (const [name, run] of Object.entries({
    "no flood": alone,
    flood: beside,
    "flood, no rate": unlimited,
  })) {
    const shown = [run.p50, run.p99, run.p50 / alone.p50, run.p99 / alone.p99].map((value) =>
      value.toFixed(2),
    );
    console.log(
      `${name.padEnd(18)} ${shown[0]?.padStart(8)} ${shown[1]?.padStart(8)} ${shown[2]?.padStart(17)} ${shown[3]?.padStart(17)}`,
    );
  }
  console.log(
    `flood stored: ${beside.floodPerSecond.toFixed(0)} entries/s with a rate, ${unlimited.floodPerSecond.toFixed(0)} without`,
  );
} finally {
  await rm(folder, { recursive: true });
}

async function measure(args: readonly string[], hasFlood: boolean) {
  const boardlog = await BoardlogProcess.create(["--quiet", ...args]);
  await boardlog.start();
  const key = await boardlog.key();
  const login = ["--data", boardlog.dataFolder];
  const { stdout } = await promisify(execFile)(process.execPath, [BIN, "devices", "add", "flood", ...login]);
  const credentials = ["--username", "flood", "--password", stdout.trim()];
  // The server rereads its credentials once in a while.
  await pause(CREDENTIALS_MS);
  const floodArgs = ["--port", `${boardlog.mqttPort}`, ...credentials];
  const flood = hasFlood ? await LineProcess.start("bench/gateway/flooding-board.ts", floodArgs) : undefined;
  try {
    const said = await flood?.next<{ connected: number }>();
    if ((said?.connected ?? 0) !== 0) throw new Error(`the flood's CONNACK is ${said?.connected}`);
    const latencies: number[] = [];
    let isMeasuring = false;
    const onLatency = (ms: number): void => {
      if (isMeasuring) latencies.push(ms);
    };
    const boards = await Promise.all(
      Array.from({ length: boardCount }, (_, index) =>
        timedBoard(
          { port: boardlog.mqttPort, key, src: `quiet-${index}`, periodMs: LINE_PERIOD_MS },
          onLatency,
        ),
      ),
    );
    await pause(SETTLE_MS);
    const storedBefore = await floodEntries(boardlog.url, key);
    isMeasuring = true;
    await pause(runMs);
    const stored = (await floodEntries(boardlog.url, key)) - storedBefore;
    for (const board of boards) board.stop();
    latencies.sort((a, b) => a - b);
    const at = (fraction: number): number => latencies[Math.floor(latencies.length * fraction)] ?? Number.NaN;
    return { p50: at(0.5), p99: at(0.99), floodPerSecond: (stored * 1000) / runMs };
  } finally {
    await flood?.stop();
    await boardlog.end("SIGTERM");
    await boardlog.remove();
  }
}

async function floodEntries(url: string, key: string): Promise<number> {
  const answer = await fetch(`${url}/v1/projects/default/sources`, { headers: { "x-api-key": key } });
  const { sources } = (await answer.json()) as { sources: { src: string; entryCount: number }[] };
  return sources.find(({ src }) => src === "flood")?.entryCount ?? 0;
}
