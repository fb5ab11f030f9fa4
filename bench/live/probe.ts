/*
 * Publishes lines that say when, and hears them again over a WebSocket: how long each took. A process of its own, one clock.
 * node probe --mqtt PORT --ws URL [--username U --password P] [--readers N] [--entries N a frame] ; asked `{"lines":N,"rate":N a second}`
 */
import { createInterface } from "node:readline";
import { parseArgs } from "node:util";
import { connect as connectMqtt } from "mqtt";
import { WebSocket } from "ws";

const { values } = parseArgs({
  options: {
    mqtt: { type: "string" },
    ws: { type: "string" },
    username: { type: "string" },
    password: { type: "string" },
    readers: { type: "string", default: "1" },
    entries: { type: "string", default: "1" },
  },
});
const TICK_MS = 1;
/** One alone would be over the rate that a gateway takes of a board which hears no acks (docs/protocol.md 5.7). */
const BOARDS = 8;
const entriesPerFrame = Number(values.entries);
/** Sent, and not heard for so long: lost. */
const LOST_MS = 20_000;
const SENT = /sent=(\d+)\.(\d+)/;

let latenciesMs: number[] = [];
let heardCount = 0;
let onHeard: () => void = () => {};

const readers = await Promise.all(
  Array.from({ length: Number(values.readers) }, (_, index) => openReader(index === 0)),
);
const client = connectMqtt(`mqtt://127.0.0.1:${values.mqtt}`, {
  ...(values.username !== undefined && { username: values.username }),
  ...(values.password !== undefined && { password: values.password }),
  protocolVersion: 4,
});
await new Promise<void>((resolve, reject) => client.once("connect", () => resolve()).once("error", reject));
console.log(JSON.stringify({ readers: readers.length }));

let published = 0;
const seqs: number[] = new Array(BOARDS).fill(0);
for await (const line of createInterface({ input: process.stdin })) {
  const { lines, rate } = JSON.parse(line) as { readonly lines: number; readonly rate: number };
  console.log(JSON.stringify(await run(lines, rate)));
}
process.exit(0);

async function openReader(isTimed: boolean): Promise<WebSocket> {
  const socket = new WebSocket(values.ws ?? "");
  socket.on("message", (data: Buffer) => {
    heardCount += 1;
    if (isTimed) {
      const [, whole = "", part = ""] = SENT.exec(data.toString("latin1")) ?? [];
      if (whole !== "") latenciesMs.push(performance.now() - Number(`${whole}.${part}`));
    }
    onHeard();
  });
  await new Promise<void>((resolve, reject) => socket.once("open", () => resolve()).once("error", reject));
  return socket;
}

async function run(lines: number, rate: number): Promise<object> {
  latenciesMs = [];
  heardCount = 0;
  const start = performance.now();
  const wanted = lines * readers.length;
  let sent = 0;
  await new Promise<void>((resolve) => {
    const late = setTimeout(resolve, (lines / rate) * 1000 + LOST_MS);
    onHeard = () => {
      if (heardCount < wanted) return;
      clearTimeout(late);
      resolve();
    };
    const timer = setInterval(() => {
      const due = Math.min(lines, Math.floor(((performance.now() - start) * rate) / 1000));
      for (; sent + entriesPerFrame <= due; sent += entriesPerFrame) publish();
      if (sent === lines) clearInterval(timer);
    }, TICK_MS);
  });
  const sorted = latenciesMs.sort((left, right) => left - right);
  const at = (share: number): number =>
    sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
  return { lost: wanted - heardCount, p50: at(0.5), p99: at(0.99), ms: performance.now() - start };
}

function publish(): void {
  const text = `pump: state=run target=33.1 rpm=4597 current=1021 mA duty=56% sent=${performance.now().toFixed(3)}`;
  const body = Array.from({ length: entriesPerFrame }, () => JSON.stringify(text));
  const board = published++ % BOARDS;
  const first = (seqs[board] ?? 0) + 1;
  const frame = `["~live-${process.pid.toString(16)}",${first},0,${Date.now()},0,2,${body.join(",")}]`;
  seqs[board] = first - 1 + entriesPerFrame;
  client.publish(`boardlog/default/live-${board}/log`, frame, { qos: 1 });
}
