/**
 * Moddable over MQTT (docs/protocol.md 8), by ECMA-419's client. The build makes the bundle a module that exports
 * `start(options)`.
 */
import { agent } from "../agent/handle.ts";
import { type BoardOptions, bootId } from "./board.ts";

export { now, ringBytesLimit, save, saved, setClock } from "./board.ts";

export interface Client {
  read(count: number): ArrayBuffer | undefined;
  write(data: ArrayBuffer | null, options?: object): number;
  close(): void;
}

export interface ClientClass {
  new (
    options: object & {
      readonly host: string;
      readonly id: string;
      readonly keepAlive: number;
      readonly onControl: (this: Client, packet: { readonly operation: number }) => void;
      readonly onReadable: (
        this: Client,
        count: number,
        packet: { readonly more: boolean; readonly topic?: string },
      ) => void;
      readonly onWritable: (this: Client, count: number) => void;
      readonly onError: (this: Client) => void;
      readonly onClose: (this: Client) => void;
    },
  ): Client;
  readonly CONNACK: number;
  readonly SUBSCRIBE: number;
}

interface MqttOptions extends BoardOptions {
  /** The board's name, as it stands in the topics. */
  readonly device: string;
  readonly project?: string;
  /** Host name or address of the broker. */
  readonly server?: string;
  /** What the client's constructor takes beside that: `port`, `user`, `password`, `id`, `keepAlive`, ... */
  readonly mqtt?: { readonly io?: ClientClass };
  readonly qos?: number;
  /** How long after a loss, or a failed attempt, the next begins, ms. */
  readonly reconnectMs?: number;
}

declare const options: MqttOptions;

/** What stands around topic and payload in a PUBLISH, at most. */
const HEAD_BYTES = 9;
const DOWN_BYTES_MAX = 1024;
const KEEP_ALIVE_MS = 60_000;
const PACKET_ID_MAX = 65_535;

function missing(): never {
  throw new Error(
    "boardlog: this board has no device.network.mqtt: import mqttclient/config first, or give the constructor as `mqtt.io`",
  );
}

const host = (
  globalThis as { readonly device?: { readonly network?: { readonly mqtt?: { readonly io?: ClientClass } } } }
).device?.network?.mqtt;
const Client: ClientClass = options.mqtt?.io ?? host?.io ?? missing();
export const settings = options;
export const boot = options.boot ?? bootId();
export const ackTimeoutMsMin = options.ackTimeoutMs ?? 1000;
export const frameBytesMax = options.frameBytesMax ?? 1024;

const base = `boardlog/${options.project ?? "default"}/${options.device}/`;
const topic = `${base}log`;
const qos = options.qos ?? 1;
const reconnectMs = options.reconnectMs ?? 15_000;

let client: Client | undefined;
let connected = false;
/** Bytes that the client takes now. */
let free = 0;
let packetId = 0;
/** Rest of a frame that did not fit at once. */
let output: ArrayBuffer | undefined;
let refused = false;
let input = "";
let inputTopic = "";

function connect(): void {
  client = new Client({
    keepAlive: KEEP_ALIVE_MS,
    id: options.device,
    ...host,
    ...options.mqtt,
    host: options.server ?? "localhost",
    onControl(packet) {
      if (packet.operation === Client.CONNACK) {
        free = this.write(null, {
          operation: Client.SUBSCRIBE,
          items: [{ topic: `${base}cmd`, QoS: qos }],
        });
        connected = true;
        agent.restart();
      }
    },
    onReadable(count, packet) {
      if (packet.topic !== undefined) {
        inputTopic = packet.topic;
        input = "";
      }
      const bytes = this.read(count);
      if (bytes && input.length <= DOWN_BYTES_MAX) {
        input += textOf(bytes);
      }
      if (!packet.more && inputTopic === `${base}cmd`) {
        agent.receive(input);
      }
    },
    onWritable(count) {
      free = count;
      if (output) {
        writeRest(output);
      }
      if (refused && !output) {
        refused = false;
        agent.ready();
      }
    },
    onError: lost,
    onClose: lost,
  });
}

/** An ack is ASCII; what is no UTF-8 throws, and is counted as what is no ack. */
function textOf(bytes: ArrayBuffer): string {
  try {
    return String.fromArrayBuffer(bytes);
  } catch (_) {
    return "?";
  }
}

/** The client closes itself; what was not acked is sent again once it is back. */
function lost(): void {
  if (client) {
    client = undefined;
    connected = false;
    output = undefined;
    free = 0;
    setTimeout(reconnect, reconnectMs);
  }
}

function reconnect(): void {
  try {
    connect();
  } catch (_) {
    setTimeout(reconnect, reconnectMs);
  }
}

function writeRest(rest: ArrayBuffer): void {
  const count = Math.min(free, rest.byteLength);
  output = count < rest.byteLength ? rest.slice(count) : undefined;
  try {
    free = (client as Client).write(rest.slice(0, count));
  } catch (_) {
    output = undefined;
  }
}

/** A frame that is larger than the socket's buffer goes in pieces of one PUBLISH. */
export function send(frame: string): boolean {
  const room = free - topic.length - HEAD_BYTES;
  refused = !connected || !!output || (room < frame.length && room < frameBytesMax / 4);
  if (refused) {
    return false;
  }
  const bytes = ArrayBuffer.fromString(frame);
  const count = Math.min(room, bytes.byteLength);
  packetId = (packetId % PACKET_ID_MAX) + 1;
  free = (client as Client).write(bytes.slice(0, count), {
    topic,
    id: packetId,
    QoS: qos,
    byteLength: bytes.byteLength,
  });
  output = count < bytes.byteLength ? bytes.slice(count) : undefined;
  return true;
}

connect();
