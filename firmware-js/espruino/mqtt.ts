/**
 * Espruino over MQTT (docs/protocol.md 8), with Espruino's own module `MQTT` or a client that the app brings. The build
 * makes this the start of a function `start(options)` and runs the core's text on the `env` it leaves behind.
 */
import type { AgentEnv } from "../agent/env.ts";
import { type BoardOptions, boardEnv } from "./board.ts";

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
declare let env: AgentEnv;

const base = `boardlog/${options.project ?? "default"}/${options.device}/`;
const qos = { qos: options.qos ?? 1 };
const client = options.client ?? require("MQTT").create(options.server ?? "localhost", options.mqtt);

function onConnected(): void {
  client.subscribe(`${base}cmd`, qos);
  env.agent?.restart();
}

function onMessage(topic: string, text: string): void {
  if (topic === `${base}cmd`) {
    env.agent?.receive(text);
  }
}

/** The socket's buffer is bounded by the frames that the agent lets be in flight. */
function send(frame: string): boolean {
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

env = boardEnv(options, send);
client.on("connected", onConnected);
client.on("message", onMessage);
if (!options.client) {
  connect();
  setInterval(connect, options.reconnectMs ?? 15000);
} else if (client.connected) {
  setTimeout(onConnected, 0);
}
