import { parentPort, workerData } from "node:worker_threads";
import { openPty } from "../../host/pty.ts";
import { systemClock, systemTimers } from "../../host/system-clock.ts";
import { compileAgent } from "../board.ts";
import { MqttDeviceWire, type MqttTarget, PtyDeviceWire } from "./device-wire.ts";
import { LatencyTable } from "./latency-table.ts";
import { type DeviceLife, deviceName, LoadDevice } from "./load-device.ts";
import type { LoadFaultName } from "./load-faults.ts";
import type { DeviceLogin } from "./load-options.ts";
import { type LoadScript, levelOf, messageOf, recordedDue } from "./load-script.ts";

export interface LoadWorkerData {
  readonly agentText: string;
  /** Over MQTT; absent: a pty each, whose path the worker tells. */
  readonly target?: MqttTarget;
  /** Of each of its devices, in their order; over MQTT alone. */
  readonly logins: readonly DeviceLogin[];
  readonly boot: string;
  /** Devices of this worker: indexes from `firstIndex` on. */
  readonly firstIndex: number;
  readonly deviceCount: number;
  readonly ringBytesMax: number;
  readonly script: LoadScript;
  /** Lines that one device logs at once, and how long until it does so again. */
  readonly burstLines: number;
  readonly periodMs: number;
  /** All of them at the same moment. */
  readonly isTogether: boolean;
  /** New connections a second. */
  readonly connectsPerSecond: number;
}

export type ToWorker =
  | { readonly type: "load"; readonly on: boolean }
  | {
      readonly type: "fault";
      readonly name: LoadFaultName;
      /** Of the devices, 0 to 1. */
      readonly share: number;
      readonly forMs: number;
    }
  | { readonly type: "report" };

/** What a worker says every half second. */
export interface WorkerState {
  readonly connected: number;
  /** The broker does not know their login. */
  readonly refused: number;
  readonly logged: number;
  readonly acked: number;
  readonly dropped: number;
  /** Lines that no ack came for and may still come. */
  readonly waiting: number;
  readonly reconnects: number;
  /** Since the oldest line without an ack was logged, ms. */
  readonly lagMs: number;
  /** Counts of `LatencyTable` since the last report. */
  readonly latency: readonly number[];
  /** CPU of this thread's event loop, as a share of the time since the last report. */
  readonly busyShare: number;
}

/** Each device's own seqs, for the verdict, by start of the board. */
export type WorkerTotals = readonly (readonly DeviceLife[])[];

export type FromWorker =
  | { readonly type: "ports"; readonly paths: readonly string[] }
  | { readonly type: "state"; readonly state: WorkerState }
  | { readonly type: "totals"; readonly totals: WorkerTotals };

const STATE_MS = 500;
const TICK_MS = 20;

const port = parentPort;
if (port === null) throw new Error("this file runs as a worker");
const data = workerData as LoadWorkerData;
const { target, script } = data;
const program = compileAgent(data.agentText);
const world = { clock: systemClock, timers: systemTimers, latency: new LatencyTable() };
const paths: string[] = [];
const devices = Array.from({ length: data.deviceCount }, (_, offset) => {
  const index = data.firstIndex + offset;
  const name = deviceName(index);
  return new LoadDevice(world, program, {
    index,
    boot: data.boot,
    ringBytesMax: data.ringBytesMax,
    message: (seq, utcMs) => messageOf(script, index, seq, utcMs),
    level: (seq) => levelOf(script, index, seq),
    ...(target === undefined && { src: name }),
    openWire: (events) => {
      const login = data.logins[offset] ?? {};
      if (target !== undefined) return new MqttDeviceWire(world, target, { name, login }, events);
      const pty = openPty();
      paths.push(pty.path);
      return new PtyDeviceWire(world, pty, events);
    },
  });
});
if (target === undefined) port.postMessage({ type: "ports", paths } satisfies FromWorker);

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
/** Lines of a recording that each device has logged. */
const linesDone = new Uint32Array(devices.length);

setInterval(() => {
  if (!isLoading) return;
  const elapsedMs = performance.now() - loadStartMs;
  if (script.type === "recording") {
    for (const [offset, device] of devices.entries()) {
      const due = recordedDue(script.boards, device.index, elapsedMs);
      device.log(due - (linesDone[offset] ?? 0));
      linesDone[offset] = due;
    }
    return;
  }
  // Devices take turns, spread evenly over the period, or all at its start.
  const turns = elapsedMs / data.periodMs;
  const due = data.isTogether ? Math.ceil(turns) * devices.length : Math.floor(turns * devices.length);
  for (; burstsDone < due; burstsDone++) devices[burstsDone % devices.length]?.log(data.burstLines);
}, TICK_MS);

let utilization = performance.eventLoopUtilization();
setInterval(() => {
  const now = performance.eventLoopUtilization();
  const busyShare = performance.eventLoopUtilization(now, utilization).utilization;
  utilization = now;
  const state = {
    ...{ connected: 0, refused: 0, reconnects: 0 },
    ...{ logged: 0, acked: 0, dropped: 0, waiting: 0, lagMs: 0 },
  };
  for (const device of devices) {
    device.keepAlive();
    const { logged, acked, dropped, waiting } = device.counts;
    state.connected += device.isConnected ? 1 : 0;
    state.refused += device.isRefused ? 1 : 0;
    state.logged += logged;
    state.acked += acked;
    state.dropped += dropped;
    state.waiting += waiting;
    state.lagMs = Math.max(state.lagMs, device.lagMs);
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
  } else if (message.type === "fault") {
    const { name, share, forMs } = message;
    for (const device of devices) if (Math.random() < share) device.fault(name, forMs);
  } else {
    port.postMessage({
      type: "totals",
      totals: devices.map((device) => device.lives),
    } satisfies FromWorker);
  }
});
