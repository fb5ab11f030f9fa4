/*
 * Publishes of many boards over MQTT, QoS 1, and how long each PUBACK takes. A process of its own, so that its CPU is not its
 * server's. Phases come as lines of JSON on standard input, `{"publishes":N}`; each is answered by a line on standard output.
 * node load --port N [--username U --password P] [--connections N] [--entries N a publish] [--window N] [--rate N a second] [--objects]
 * With --objects a publish is a JSON object of one entry, as boards send it to anything else.
 */
import { connect, type Socket } from "node:net";
import { createInterface } from "node:readline";
import { parseArgs } from "node:util";
import {
  connectPacket,
  publishPacket,
  readPackets,
  subscribePacket,
  topicBytes,
} from "../../sim/load/mqtt-wire.ts";
import { readLines } from "../store/corpus.ts";

const { values } = parseArgs({
  options: {
    port: { type: "string" },
    username: { type: "string" },
    password: { type: "string" },
    connections: { type: "string", default: "500" },
    entries: { type: "string", default: "1" },
    window: { type: "string", default: "20" },
    rate: { type: "string", default: "0" },
    corpus: { type: "string" },
    subscribe: { type: "boolean", default: false },
    objects: { type: "boolean", default: false },
    prefix: { type: "string", default: "dev" },
  },
});
const connectionCount = Number(values.connections);
const entriesPerPublish = Number(values.entries);
const windowPublishes = Number(values.window);
const ratePerSecond = Number(values.rate);
const lines = readLines(values.corpus);
const LEVELS = ["", "debug", "info", "warn", "error"];
/** As the agent writes them: level and JSON of a line. */
const bodies = lines.map(({ level, msg }) => ({
  level: Math.max(0, LEVELS.indexOf(level ?? "")),
  levelName: level,
  json: JSON.stringify(msg),
}));
/** Connections under way at once: a listener's backlog is short. */
const CONNECTING_MAX = 100;
const TICK_MS = 10;
/** Packet ids go up to 65,535 [2.3.1]. */
const PACKET_IDS = 65_535;

class Device {
  readonly #topic: Buffer;
  readonly #name: string;
  readonly #boot: string;
  readonly #sentAt: number[] = [];
  #socket: Socket | undefined;
  #rest: Buffer | undefined;
  #seq = 0;
  #packetId = 0;
  #line: number;
  inFlight = 0;

  constructor(index: number) {
    this.#name = `${values.prefix}-${String(index).padStart(4, "0")}`;
    this.#boot = `${index}-${process.pid.toString(16)}`;
    this.#topic = topicBytes(`boardlog/default/${this.#name}/log`);
    this.#line = index * 7;
  }

  connect(): Promise<void> {
    return new Promise((resolve, reject) => {
      const socket = connect(Number(values.port), "127.0.0.1");
      this.#socket = socket;
      socket.setNoDelay(true);
      socket.once("connect", () =>
        socket.write(
          connectPacket({
            clientId: this.#name,
            ...(values.username !== undefined && { username: values.username }),
            ...(values.password !== undefined && { password: values.password }),
          }),
        ),
      );
      socket.on("error", reject);
      socket.on("close", () => reject(new Error(`${this.#name}: the server closed the connection`)));
      const events = {
        onConnack: (code: number) => {
          if (code !== 0) return reject(new Error(`${this.#name}: refused with code ${code}`));
          if (!values.subscribe) return resolve();
          socket.write(subscribePacket(`boardlog/default/${this.#name}/cmd`));
        },
        onSuback: () => resolve(),
        onPuback: () => this.#acked(),
        onPublish: () => {},
      };
      socket.on("data", (bytes: Buffer) => {
        const whole = this.#rest === undefined ? bytes : Buffer.concat([this.#rest, bytes]);
        this.#rest = readPackets(whole, events);
      });
    });
  }

  publish(): void {
    const payload = values.objects ? this.#object() : this.#frame();
    this.#packetId = (this.#packetId % PACKET_IDS) + 1;
    this.inFlight += 1;
    this.#sentAt.push(performance.now());
    const packet = publishPacket(this.#topic, this.#packetId, payload);
    sentBytes += packet.length;
    this.#socket?.write(packet);
  }

  #object(): string {
    const line = bodies[this.#line++ % bodies.length];
    return `{"ts":${Date.now()},"src":"${this.#name}","lvl":"${line?.levelName}","msg":${line?.json}}`;
  }

  /** A compact frame on a link without acks of its own (docs/protocol.md 12.2), so that the PUBACK is the ack. */
  #frame(): string {
    const now = Date.now();
    const body: string[] = [];
    let level = 0;
    for (let index = 0; index < entriesPerPublish; index++) {
      const line = bodies[this.#line++ % bodies.length];
      if (line === undefined) break;
      if (line.level !== level) body.push(String(line.level));
      level = line.level;
      body.push(line.json);
    }
    const first = this.#seq + 1;
    this.#seq += entriesPerPublish;
    return `["~${this.#boot}",${first},0,${now},0,${body.join(",")}]`;
  }

  #acked(): void {
    this.inFlight -= 1;
    latenciesMs.push(performance.now() - (this.#sentAt.shift() ?? 0));
    onAck(this);
  }
}

let latenciesMs: number[] = [];
let sentBytes = 0;
let onAck: (device: Device) => void = () => {};

const devices = Array.from({ length: connectionCount }, (_, index) => new Device(index));
for (let at = 0; at < devices.length; at += CONNECTING_MAX) {
  await Promise.all(devices.slice(at, at + CONNECTING_MAX).map((device) => device.connect()));
}
console.log(JSON.stringify({ connected: connectionCount }));

for await (const line of createInterface({ input: process.stdin })) {
  const { publishes } = JSON.parse(line) as { readonly publishes: number };
  console.log(JSON.stringify(await phase(publishes)));
}
process.exit(0);

async function phase(publishes: number): Promise<object> {
  latenciesMs = [];
  sentBytes = 0;
  let toSend = publishes;
  const cpu = process.cpuUsage();
  const start = performance.now();
  await new Promise<void>((resolve) => {
    const send = (device: Device): void => {
      toSend -= 1;
      device.publish();
    };
    onAck = (device) => {
      if (latenciesMs.length === publishes) resolve();
      else if (ratePerSecond === 0 && toSend > 0) send(device);
    };
    if (ratePerSecond > 0) {
      let turn = 0;
      const timer = setInterval(() => {
        const due = Math.floor(((performance.now() - start) * ratePerSecond) / 1000);
        while (toSend > 0 && publishes - toSend < due) {
          const device = devices[turn++ % devices.length];
          if (device !== undefined) send(device);
        }
        if (toSend <= 0) clearInterval(timer);
      }, TICK_MS);
    } else {
      for (let round = 0; round < windowPublishes; round++) {
        for (const device of devices) if (toSend > 0) send(device);
      }
    }
  });
  const ms = performance.now() - start;
  const { user, system } = process.cpuUsage(cpu);
  const sorted = latenciesMs.sort((left, right) => left - right);
  const at = (share: number): number =>
    sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
  return {
    ms,
    entries: publishes * entriesPerPublish,
    sentBytes,
    generatorCpuUs: user + system,
    ackMsP50: at(0.5),
    ackMsP99: at(0.99),
  };
}
