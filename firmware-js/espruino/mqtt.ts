/**
 * Espruino over MQTT (docs/protocol.md 8), with Espruino's own module `MQTT` or a client that the app brings. The build
 * makes the bundle a function `start(options)`.
 */
import { agent } from "../agent/handle.ts";
import { type BoardOptions, bootId } from "./board.ts";

export { now, ringBytesLimit, save, saved, setClock } from "./board.ts";

interface MqttOptions extends BoardOptions {
  /** The board's name, as it stands in the topics. */
  readonly device: string;
  readonly project?: string;
  /** The app's own client; the app connects it and keeps it connected. */
  readonly client?: EspruinoMqtt;
  /** Host name of the broker, where there is no `client`. */
  readonly server?: string;
  /** What `require("MQTT").create` takes: `port`, `username`, `password`, `client_id`, ... */
  readonly mqtt?: object;
  readonly qos?: number;
  /** How often a lost connection is tried again, ms; without `client`. */
  readonly reconnectMs?: number;
}

declare const options: MqttOptions;

export const settings = options;
export const boot = options.boot ?? bootId();
export const ackTimeoutMsMin = options.ackTimeoutMs ?? 1000;
export const frameBytesMax = options.frameBytesMax ?? 1024;

const base = `boardlog/${options.project ?? "default"}/${options.device}/`;
const qos = { qos: options.qos ?? 1 };
const client = options.client ?? require("MQTT").create(options.server ?? "localhost", options.mqtt);

function onConnected(): void {
  client.subscribe(`${base}cmd`, qos);
  agent.restart();
}

/** The socket's buffer is bounded by the frames that the agent lets be in flight. */
export function send(frame: string): boolean {
  if (!client.connected) {
    return false;
  }
  client.publish(`${base}log`, frame, qos);
  return true;
}

/** The module tells of no failed attempt, so that only asking helps. */
function connect(): void {
  if (!client.connected) {
    client.disconnect();
    client.connect();
  }
}

client.on("connected", onConnected);
client.on("message", (topic, text) => {
  if (topic === `${base}cmd`) {
    agent.receive(text);
  }
});
if (!options.client) {
  connect();
  setInterval(connect, options.reconnectMs ?? 15000);
} else if (client.connected) {
  setTimeout(onConnected, 0);
}
