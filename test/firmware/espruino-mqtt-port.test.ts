import { expect, test } from "vitest";
import { frameOf } from "./agent-bench.ts";
import { mqttText, StandIn } from "./espruino-stand-in.ts";

/** As Espruino's module `MQTT`: events by name, nothing published while not connected. */
class FakeMqtt {
  connected = false;
  attempts = 0;
  readonly published: [topic: string, text: string, options: object][] = [];
  readonly subscribed: [topic: string, options: object][] = [];
  readonly #listeners = new Map<string, (...args: string[]) => void>();

  on(event: string, action: (...args: string[]) => void): void {
    this.#listeners.set(event, action);
  }
  connect(): void {
    this.attempts++;
  }
  disconnect(): void {}
  subscribe(topic: string, options: object): void {
    this.subscribed.push([topic, options]);
  }
  publish(topic: string, text: string, options: object): void {
    if (this.connected) this.published.push([topic, text, options]);
  }
  emit(event: string, ...args: string[]): void {
    if (event === "connected") this.connected = true;
    this.#listeners.get(event)?.(...args);
  }
}

test("frames go to the board's log topic, acks come from its cmd topic, and only from there", () => {
  const client = new FakeMqtt();
  const standIn = new StandIn();
  const agent = standIn.start(mqttText, { client, device: "pump-1", project: "lab" });
  standIn.log("a");
  standIn.time.advance(100);
  expect(client.published).toEqual([]);
  client.emit("connected");
  expect(client.subscribed).toEqual([["boardlog/lab/pump-1/cmd", { qos: 1 }]]);
  const [[topic, text, options] = ["", "{}", {}]] = client.published;
  expect([topic, options]).toEqual(["boardlog/lab/pump-1/log", { qos: 1 }]);
  const { boot } = frameOf(text);
  const ack = JSON.stringify({ v: 1, boot, ack: 1 });
  client.emit("message", "boardlog/lab/other/cmd", ack);
  expect(agent.look().acked).toBe(0);
  client.emit("message", "boardlog/lab/pump-1/cmd", ack);
  expect(agent.look().acked).toBe(1);
  expect(client.attempts).toBe(0);
});

test("what was not acked is sent again at once when the broker is back", () => {
  const client = new FakeMqtt();
  client.connected = true;
  const standIn = new StandIn();
  standIn.start(mqttText, { client, device: "pump-1" });
  standIn.time.advance(1);
  expect(client.subscribed.length).toBe(1);
  standIn.log("a");
  standIn.time.advance(100);
  client.connected = false;
  standIn.log("b");
  standIn.time.advance(60_000);
  expect(client.published.length).toBe(1);
  client.emit("connected");
  const sent = client.published.slice(1).map(([, text]) => frameOf(text));
  expect(sent.flatMap((one) => one.cmds.map(({ args }) => args.msg))).toEqual(["a", "b"]);
});

test("without a client of the app's, the port makes one and tries until it is connected", () => {
  const client = new FakeMqtt();
  const standIn = new StandIn();
  const created: unknown[][] = [];
  const storage = standIn.globals.require as (name: string) => unknown;
  const create = (...args: unknown[]) => {
    created.push(args);
    return client;
  };
  standIn.globals.require = (name: string) => (name === "MQTT" ? { create } : storage(name));
  standIn.start(mqttText, { server: "10.0.0.2", device: "d", mqtt: { username: "lab" } });
  expect(created).toEqual([["10.0.0.2", { username: "lab" }]]);
  standIn.time.advance(31_000);
  expect(client.attempts).toBe(3);
  client.emit("connected");
  standIn.time.advance(60_000);
  expect(client.attempts).toBe(3);
  client.connected = false;
  standIn.time.advance(15_000);
  expect(client.attempts).toBe(4);
});
