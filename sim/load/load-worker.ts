import { parentPort, workerData } from "node:worker_threads";
import { systemClock, systemTimers } from "../../host/system-clock.ts";
import { compileAgent } from "../board.ts";
import { LatencyTable } from "./latency-table.ts";
import { LoadDevice, type LoadTarget } from "./load-device.ts";

export interface LoadWorkerData {
  readonly agentText: string;
  readonly target: LoadTarget;
  readonly boot: string;
  /** Devices of this worker: indexes from `firstIndex` on. */
  readonly firstIndex: number;
  readonly deviceCount: number;
  readonly ringBytesMax: number;
  /** Lines that one device logs at once, and how long until it does so again. */
  readonly burstLines: number;
  readonly periodMs: number;
  /** New connections a second. */
  readonly connectsPerSecond: number;
}

export type ToWorker =
  | { readonly type: "load"; readonly on: boolean }
  | { readonly type: "cut"; readonly share: number }
  | { readonly type: "report" }
  | { readonly type: "end" };

/** What a worker says every half second. */
export interface WorkerState {
  readonly connected: number;
  readonly logged: number;
  readonly acked: number;
  readonly dropped: number;
  readonly reconnects: number;
  /** Counts of `LatencyTable` since the last report. */
  readonly latency: readonly number[];
  /** CPU of this thread's event loop, as a share of the time since the last report. */
  readonly busyShare: number;
}

/** Each device's own seqs, for the verdict. */
export interface WorkerTotals {
  readonly seqs: readonly number[];
  readonly acked: readonly number[];
  readonly dropped: readonly number[];
}

export type FromWorker =
  | { readonly type: "state"; readonly state: WorkerState }
  | { readonly type: "totals"; readonly totals: WorkerTotals };

const STATE_MS = 500;
const TICK_MS = 20;

const port = parentPort;
if (port === null) throw new Error("this file runs as a worker");
const data = workerData as LoadWorkerData;
const program = compileAgent(data.agentText);
const world = { clock: systemClock, timers: systemTimers, latency: new LatencyTable() };
const devices = Array.from(
  { length: data.deviceCount },
  (_, offset) =>
    new LoadDevice(world, program, data.target, {
      index: data.firstIndex + offset,
      boot: data.boot,
      ringBytesMax: data.ringBytesMax,
    }),
);

let connectedUpTo = 0;
const connecting = setInterval(() => {
  const count = Math.ceil((data.connectsPerSecond * TICK_MS) / 1000);
  for (const device of devices.slice(connectedUpTo, connectedUpTo + count)) device.connect();
  connectedUpTo += count;
  if (connectedUpTo >= devices.length) clearInterval(connecting);
}, TICK_MS);

let isLoading = false;
let loadStartMs = 0;
let burstsDone = 0;
/** Devices take turns, spread evenly over the period. */
setInterval(() => {
  if (!isLoading) return;
  const due = Math.floor(((performance.now() - loadStartMs) / data.periodMs) * devices.length);
  for (; burstsDone < due; burstsDone++) devices[burstsDone % devices.length]?.log(data.burstLines);
}, TICK_MS);

let utilization = performance.eventLoopUtilization();
setInterval(() => {
  const now = performance.eventLoopUtilization();
  const busyShare = performance.eventLoopUtilization(now, utilization).utilization;
  utilization = now;
  const state = { connected: 0, logged: 0, acked: 0, dropped: 0, reconnects: 0 };
  for (const device of devices) {
    device.keepAlive();
    const { seq, acked, dropped } = device.stats;
    state.connected += device.isConnected ? 1 : 0;
    state.logged += seq;
    state.acked += acked;
    state.dropped += dropped;
    state.reconnects += Math.max(0, device.connectCount - 1);
  }
  const message: FromWorker = {
    type: "state",
    state: { ...state, latency: world.latency.take(), busyShare },
  };
  port.postMessage(message);
}, STATE_MS);

port.on("message", (message: ToWorker) => {
  if (message.type === "load") {
    isLoading = message.on;
    loadStartMs = performance.now();
    burstsDone = 0;
  } else if (message.type === "cut") {
    for (const device of devices) if (Math.random() < message.share) device.cut();
  } else if (message.type === "report") {
    const stats = devices.map((device) => device.stats);
    const totals: WorkerTotals = {
      seqs: stats.map(({ seq }) => seq),
      acked: stats.map(({ acked }) => acked),
      dropped: stats.map(({ dropped }) => dropped),
    };
    port.postMessage({ type: "totals", totals } satisfies FromWorker);
  } else {
    for (const device of devices) device.end();
    process.exit(0);
  }
});
