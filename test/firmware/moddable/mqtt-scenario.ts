/** Runs on Node and on XS: the MQTT bundle on a client whose socket takes 400 bytes at a time and throws beyond. */

import { start } from "boardlog";
import { advance, bytesOf, preferences, report, textOf } from "./stand-ins.ts";

const SOCKET_BYTES = 400;

interface ClientOptions {
  readonly host: string;
  readonly port?: number;
  readonly keepAlive: number;
  onControl(this: Client, packet: { operation: number }): void;
  onReadable(this: Client, count: number, packet: { more: boolean; topic?: string }): void;
  onWritable(this: Client, count: number): void;
  onError(this: Client): void;
}

interface Packet {
  readonly operation?: number;
  readonly topic?: string;
  readonly id?: number;
  readonly QoS?: number;
  readonly byteLength?: number;
  readonly items?: object[];
}

const clients: Client[] = [];
const published: { topic: string; text: string; id: number; qos: number }[] = [];
const subscribed: object[] = [];

class Client {
  static CONNACK = 2;
  static SUBSCRIBE = 8;
  readonly options: ClientOptions;
  #free = SOCKET_BYTES;
  #missing = 0;
  #input: ArrayBuffer | undefined;
  constructor(options: ClientOptions) {
    this.options = options;
    clients.push(this);
  }
  connected(): void {
    this.options.onControl.call(this, { operation: Client.CONNACK });
  }
  drain(): void {
    this.#free = SOCKET_BYTES;
    this.options.onWritable.call(this, SOCKET_BYTES - 8);
  }
  write(data: ArrayBuffer | null, packet?: Packet): number {
    if (packet?.operation === Client.SUBSCRIBE) subscribed.push(...(packet.items ?? []));
    else {
      const bytes = data as ArrayBuffer;
      if (packet === undefined ? bytes.byteLength > this.#missing : this.#missing > 0)
        throw new Error("state");
      const length = bytes.byteLength + (packet === undefined ? 0 : (packet.topic?.length ?? 0) + 9);
      if (length > this.#free) throw new Error("overflow");
      this.#free -= length;
      if (packet === undefined) {
        const last = published.at(-1);
        if (last) last.text += textOf(bytes);
        this.#missing -= bytes.byteLength;
      } else {
        published.push({
          topic: packet.topic ?? "",
          text: textOf(bytes),
          id: packet.id ?? 0,
          qos: packet.QoS ?? 0,
        });
        this.#missing = (packet.byteLength ?? bytes.byteLength) - bytes.byteLength;
      }
    }
    return Math.max(0, this.#free - 8);
  }
  read(count: number): ArrayBuffer | undefined {
    const bytes = this.#input?.slice(0, count);
    this.#input = this.#input?.slice(count);
    return bytes;
  }
  down(topic: string, text: string): void {
    this.#input = bytesOf(text);
    const half = Math.floor(text.length / 2);
    this.options.onReadable.call(this, half, { topic, more: true });
    this.options.onReadable.call(this, text.length - half, { more: false });
  }
  fail(): void {
    this.options.onError.call(this);
  }
}

const agent = start({
  server: "10.0.0.2",
  device: "pump-1",
  project: "lab",
  boot: "7-c0ffee",
  // So that a frame is more than the socket takes at once.
  ringBytesMax: 4096,
  mqtt: { io: Client, port: 1884, user: "lab" },
});
const { console } = globalThis as unknown as { console: { log(text: string): void } };
console.log("before the network");
advance(1000);
const early = published.length;
clients[0]?.connected();
clients[0]?.drain();
advance(100);
clients[0]?.down("boardlog/lab/other/cmd", '{"v":1,"boot":"7-c0ffee","ack":1}');
const other = agent.look().acked;
clients[0]?.down("boardlog/lab/pump-1/cmd", '{"v":1,"boot":"7-c0ffee","ack":1}');
const own = agent.look().acked;
for (let index = 0; index < 10; index++) console.log(`line ${index} ${"y".repeat(60)}`);
for (let turn = 0; turn < 20; turn++) {
  advance(50);
  clients[0]?.drain();
}
const whole = published.length;
clients[0]?.fail();
console.log("while away");
advance(14_000);
const waiting = clients.length;
advance(2000);
clients[1]?.connected();
for (let turn = 0; turn < 10; turn++) {
  clients[1]?.drain();
  advance(50);
}
report({
  early,
  other,
  own,
  whole,
  waiting,
  clients: clients.map((one) => [one.options.host, one.options.port, one.options.keepAlive]),
  subscribed,
  published,
  preferences: [...preferences],
});
