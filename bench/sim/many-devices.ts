import { mkdtempSync } from "node:fs";
import { readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { Fifo } from "../../gateway/fifo.ts";
import { GatewayCore } from "../../gateway/gateway-core.ts";
import type { TopicLink, TopicListener } from "../../gateway/link.ts";
import { CounterTable } from "../../host/counters.ts";
import { silentLog } from "../../host/process-log.ts";
import { systemClock, systemTimers } from "../../host/system-clock.ts";
import { systemRandom } from "../../host/system-random.ts";
import { commandTopic, logTopic } from "../../protocol/mqtt-topics.ts";
import { openStore } from "../../service/store/open-store.ts";
import { compileAgent, SimulatedBoard } from "../../sim/board.ts";
import { deviceName } from "../../sim/load/load-device.ts";
import { loadMessage, loggedAt } from "../../sim/load/load-line.ts";

/*
 * Boards with the real agent, the gateway and the store in one process without a socket: memory of a board, and a verdict.
 * node scripts/bench.mjs bench/sim/many-devices.ts [--devices N] [--lines N] [--ring BYTES]; prints one line of JSON.
 */
const { values } = parseArgs({
  options: {
    devices: { type: "string", default: "100000" },
    lines: { type: "string", default: "10" },
    ring: { type: "string", default: "2048" },
  },
});
const deviceCount = Number(values.devices);
const lineCount = Number(values.lines);
const PROJECT = "default";
/** Frames on their way at once: a broker hands on no more before the first are done. */
const IN_FLIGHT_MAX = 1_000;
const BOOT = "many";

// The gateway's own timers keep no process alive.
const alive = setInterval(() => {}, 1000);
setFlagsFromString("--expose-gc");
const collect = runInNewContext("gc") as () => void;
function heapBytes(): number {
  for (let round = 0; round < 3; round++) collect();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

/** Topics without a broker: boards call the gateway, and it calls them. */
class DirectTopics implements TopicLink {
  readonly senderWaits = true;
  listener: TopicListener | undefined;
  readonly receivers = new Map<string, (json: string) => void>();
  inFlightCount = 0;
  onRoom: () => void = () => {};

  get isFull(): boolean {
    return this.inFlightCount >= IN_FLIGHT_MAX;
  }

  async start(listener: TopicListener): Promise<void> {
    this.listener = listener;
  }

  send(topic: string, frame: string): void {
    this.inFlightCount += 1;
    this.listener?.({ topic, payload: Buffer.from(frame, "latin1"), retained: false }, () => {
      this.inFlightCount -= 1;
      this.onRoom();
    });
  }

  publish(topic: string, payload: Uint8Array): void {
    this.receivers.get(topic)?.(Buffer.from(payload).toString("latin1"));
  }

  async stop(): Promise<void> {}
}

const folder = mkdtempSync(join(tmpdir(), "boardlog-many-"));
const shared = {
  clock: systemClock,
  timers: systemTimers,
  random: systemRandom,
  counters: new CounterTable(),
};
const store = await openStore({ ...shared, dir: folder, log: silentLog });
const core = new GatewayCore(
  {
    ...shared,
    log: silentLog,
    uplink: {
      commit: async (batches) => void (await store.append(batches)),
      mark: (project, src, boot) => store.mark(project, src, boot),
    },
  },
  { devicesMax: deviceCount + 1 },
);
const topics = new DirectTopics();
await core.addTopics(topics, { project: PROJECT });

// Nothing is sent until all have logged.
topics.inFlightCount = IN_FLIGHT_MAX;
const program = compileAgent(await readFile(join(process.cwd(), "dist/firmware/agent.js"), "utf8"));
/** Boards whose link takes nothing just now, in turn; at first all. */
const waiting = new Fifo<number>();
const isWaiting = new Uint8Array(deviceCount);
const emptyBytes = heapBytes();
const startMs = performance.now();
const boards = Array.from({ length: deviceCount }, (_, index) => {
  const topic = logTopic(PROJECT, deviceName(index));
  const board = new SimulatedBoard(
    shared,
    program,
    {
      send: (frame) => {
        if (topics.isFull) {
          if (!isWaiting[index]) {
            isWaiting[index] = 1;
            waiting.push(index);
          }
          return false;
        }
        topics.send(topic, frame);
        return true;
      },
      print: () => {},
    },
    { boot: BOOT, knowsUtc: true, settings: { ringBytesMax: Number(values.ring) } },
  );
  topics.receivers.set(commandTopic(PROJECT, deviceName(index)), (json) => board.agent.receive(json));
  return board;
});
const idleBytes = heapBytes();
for (const [device, board] of boards.entries()) {
  for (let seq = 1; seq <= lineCount; seq++) {
    board.console.log(loadMessage("text", { device, seq, utcMs: Date.now() }));
  }
}
const ringBytes = boards.reduce((sum, board) => sum + board.stats.ringBytes, 0);
const fullBytes = heapBytes();

const cpu = process.cpuUsage();
const sendMs = performance.now();
topics.inFlightCount = 0;
topics.onRoom = () => {
  while (!topics.isFull) {
    const index = waiting.shift();
    if (index === undefined) return;
    isWaiting[index] = 0;
    boards[index]?.agent.ready();
  }
};
topics.onRoom();
let drainedCount = 0;
while (drainedCount < deviceCount) {
  if ((boards[drainedCount]?.stats.acked ?? 0) >= lineCount) drainedCount += 1;
  else await new Promise((resolve) => setTimeout(resolve, 20));
}
const drainedMs = performance.now() - sendMs;
const { user, system } = process.cpuUsage(cpu);

let wrong = 0;
for (let device = 0; device < deviceCount; device++) {
  const listed = await store.list({ project: PROJECT, src: deviceName(device), limit: lineCount + 1 });
  const isRight =
    listed.length === lineCount &&
    listed.every(({ seq, msg }, index) => {
      if (seq !== index + 1) return false;
      return loggedAt("text", { device, seq }, JSON.parse(msg)) !== undefined;
    });
  if (!isRight) wrong += 1;
}
for (const board of boards) board.agent.stop();
await core.stop();
await store.close();
await rm(folder, { recursive: true });
clearInterval(alive);
console.log(
  JSON.stringify({
    devices: deviceCount,
    lines: lineCount,
    idleBytes: Math.round((idleBytes - emptyBytes) / deviceCount),
    withLinesBytes: Math.round((fullBytes - emptyBytes) / deviceCount),
    ringBytes: Math.round(ringBytes / deviceCount),
    makeMs: Math.round(sendMs - startMs),
    drainedMs: Math.round(drainedMs),
    entriesPerSecond: Math.round((deviceCount * lineCount * 1000) / drainedMs),
    cpuMicrosecondsPerEntry: (user + system) / (deviceCount * lineCount),
    wrongDevices: wrong,
  }),
);
