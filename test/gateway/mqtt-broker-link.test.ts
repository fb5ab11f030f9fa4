import mqtt, { type MqttClient } from "mqtt";
import { afterEach, describe, expect, test } from "vitest";
import { GatewayCore } from "../../gateway/gateway-core.ts";
import { BadBrokerUrl, MqttBrokerLink, withoutCredentials } from "../../gateway/mqtt-broker-link.ts";
import { logFrame } from "../support/frames.ts";
import { realWorld, until } from "../support/gateway-world.ts";
import { ModelBoard } from "../support/model-board.ts";
import { Mosquitto } from "../support/mosquitto.ts";
import { requires } from "../support/requirements.ts";

const need = requires("mosquitto");

describe.skipIf(need.isMissing)(`an external broker, a real Mosquitto${need.note}`, () => {
  const ends: (() => Promise<unknown>)[] = [];
  afterEach(async () => {
    for (const end of ends.splice(0).reverse()) await end();
  });

  async function broker(): Promise<Mosquitto> {
    const mosquitto = new Mosquitto(need.path ?? "");
    await mosquitto.start();
    ends.push(() => mosquitto.dispose());
    return mosquitto;
  }

  async function gatewayAt(mosquitto: Mosquitto, keepaliveS = 60) {
    const world = realWorld();
    const core = new GatewayCore(world);
    const link = new MqttBrokerLink(world, {
      url: mosquitto.url,
      project: "default",
      clientId: "boardlog-test",
      keepaliveS,
    });
    await core.addTopics(link, { project: "default" });
    let isStopped = false;
    const stop = async (): Promise<void> => {
      if (isStopped) return;
      isStopped = true;
      await core.stop();
    };
    ends.push(stop);
    await until("connected", () => link.isConnected);
    return { ...world, world, link, stop };
  }

  async function client(mosquitto: Mosquitto): Promise<MqttClient> {
    const connected = await mqtt.connectAsync(mosquitto.url, { reconnectPeriod: 50 });
    connected.on("error", () => {}); // It reconnects; the test looks at what arrives.
    ends.push(async () => void connected.end(true)); // MQTT.js may wait for ever for a stream that is closed.
    return connected;
  }

  test("frames come in and acks go out", async () => {
    const mosquitto = await broker();
    const { uplink } = await gatewayAt(mosquitto);
    const board = await client(mosquitto);
    const heard: string[] = [];
    board.on("message", (_topic, payload) => heard.push(payload.toString()));
    await board.subscribeAsync("boardlog/default/kitchen/cmd");
    const frame = logFrame({ boot: "b", ack: true }, [{ id: 1, msg: "one" }]);
    await board.publishAsync("boardlog/default/kitchen/log", frame, { qos: 1 });
    await until("an ack", () => heard.length === 1);
    expect(heard[0]).toMatch(/^\{"v":1,"boot":"b","ack":1,"now":\d+\}$/);
    expect(uplink.texts("kitchen")).toEqual(["one"]);
  });

  test("what came while the gateway was away is there when it comes back", async () => {
    const mosquitto = await broker();
    const first = await gatewayAt(mosquitto);
    await first.stop();
    const board = await client(mosquitto);
    for (let id = 1; id <= 20; id++) {
      const plain = logFrame({}, [{ id, msg: `line ${id}` }]);
      await board.publishAsync("boardlog/default/kitchen/log", plain, { qos: 1 });
    }
    const { uplink } = await gatewayAt(mosquitto);
    await until("all", () => uplink.entries.length === 20);
    expect(uplink.texts("kitchen")).toEqual(Array.from({ length: 20 }, (_, index) => `line ${index + 1}`));
  });

  test("a frame that gets no ack of its own is not acked to the broker before it is durable", async () => {
    const mosquitto = await broker();
    const first = await gatewayAt(mosquitto);
    first.uplink.isAway = true;
    const board = await client(mosquitto);
    const plain = logFrame({}, [{ id: 1, msg: "plain" }]);
    await board.publishAsync("boardlog/default/kitchen/log", plain, { qos: 1 });
    await until("it waits", () => (first.counters.values().gateway_frames_total ?? 0) === 1);
    await first.stop();
    expect(first.uplink.entries).toEqual([]);
    const second = await gatewayAt(mosquitto);
    await until("it came again", () => second.uplink.entries.length === 1);
    expect(second.uplink.texts("kitchen")).toEqual(["plain"]);
  });

  test("a service that is away for longer than the keepalive costs no connection", async () => {
    const mosquitto = await broker();
    const { uplink, counters } = await gatewayAt(mosquitto, 1);
    uplink.isAway = true;
    const board = await client(mosquitto);
    const plain = logFrame({}, [{ id: 1, msg: "plain" }]);
    for (let count = 0; count < 3; count++) {
      await board.publishAsync("boardlog/default/kitchen/log", plain, { qos: 1 });
    }
    await new Promise((resolve) => setTimeout(resolve, 3_500));
    uplink.isAway = false;
    await until("all", () => uplink.entries.length === 3, 20_000);
    expect(counters.values().mqtt_broker_connects_total).toBe(1);
  }, 40_000);

  test("a retained frame is ignored and counted, a topic of another project too", async () => {
    const mosquitto = await broker();
    const board = await client(mosquitto);
    const frame = logFrame({ boot: "b", ack: true }, [{ id: 1, msg: "old" }]);
    await board.publishAsync("boardlog/default/kitchen/log", frame, { qos: 1, retain: true });
    const { uplink, counters } = await gatewayAt(mosquitto);
    await board.publishAsync("boardlog/other/kitchen/log", frame, { qos: 1 });
    const next = logFrame({ boot: "b", ack: true }, [{ id: 1, msg: "new" }]);
    await board.publishAsync("boardlog/default/kitchen/log", next, { qos: 1 });
    await until("the new one", () => uplink.entries.length === 1);
    expect(uplink.texts("kitchen")).toEqual(["new"]);
    expect(counters.values().mqtt_retained_messages_total).toBe(1);
  });

  test("the same frames again, as a broker redelivers them, are duplicates", async () => {
    const mosquitto = await broker();
    const { uplink, counters } = await gatewayAt(mosquitto);
    const board = await client(mosquitto);
    const frame = logFrame({ boot: "b", ack: true }, [{ id: 1, msg: "one" }]);
    for (let time = 0; time < 5; time++) {
      await board.publishAsync("boardlog/default/kitchen/log", frame, { qos: 1 });
    }
    await until("all", () => counters.values().gateway_duplicate_seqs_total === 4);
    expect(uplink.texts("kitchen")).toEqual(["one"]);
    expect(uplink.duplicateCount).toBe(0);
  });

  test("a broker killed and started again three times in the middle: nothing lost, nothing twice, in order", async () => {
    const mosquitto = await broker();
    const { uplink } = await gatewayAt(mosquitto);
    const connected = await client(mosquitto);
    const board = new ModelBoard("kitchen", "b", 1_000_000);
    connected.on("message", (_topic, payload) => {
      const { ack, resend = false } = JSON.parse(payload.toString()) as { ack: number; resend?: boolean };
      board.onAck(ack, resend);
    });
    connected.on("connect", () => connected.subscribe("boardlog/default/kitchen/cmd"));
    connected.subscribe("boardlog/default/kitchen/cmd");
    const logging = setInterval(() => {
      for (let count = 0; count < 20; count++) board.log();
      if (connected.connected) {
        connected.publish("boardlog/default/kitchen/log", board.nextFrame(25), { qos: 1 });
      }
    }, 5);
    const resending = setInterval(() => board.goBack(), 200);
    ends.push(async () => {
      clearInterval(logging);
      clearInterval(resending);
    });
    for (let kill = 0; kill < 3; kill++) {
      const before = uplink.entries.length;
      await until("progress", () => uplink.entries.length > before + 300);
      await (kill === 1 ? mosquitto.stop() : mosquitto.kill());
      await mosquitto.start();
    }
    clearInterval(logging);
    const asking = setInterval(() => {
      connected.publish("boardlog/default/kitchen/log", board.nextFrame(500), { qos: 1 });
    }, 20);
    ends.push(async () => clearInterval(asking));
    await until("everything acked", () => board.acked === board.seq, 20_000);
    clearInterval(asking);
    const texts = uplink.texts("kitchen");
    expect(texts).toEqual(Array.from({ length: board.seq }, (_, index) => board.textOf(index + 1)));
    expect(uplink.duplicateCount).toBe(0);
    expect(uplink.texts("kitchen", "loss")).toEqual([]);
  }, 60_000);
});

describe("a broker that is not there", () => {
  test("is waited for, complained about once, and no password reaches the log", async () => {
    const world = realWorld();
    const link = new MqttBrokerLink(world, {
      url: "mqtt://user:geheim@127.0.0.1:1",
      project: "default",
      clientId: "x",
    });
    await link.start(() => {});
    await until("a complaint", () => world.log.lines.length > 0);
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    await link.stop();
    expect(world.log.text).not.toContain("geheim");
    expect(world.log.lines.map(({ text }) => text)).toEqual([expect.stringContaining("ECONNREFUSED")]);
  });

  test.each(["localhost", "http://localhost", "mqtt:", "user:geheim@host"])(
    "%s is no broker",
    async (url) => {
      const link = new MqttBrokerLink(realWorld(), { url, project: "default", clientId: "x" });
      const error = await link.start(() => {}).catch((caught: unknown) => caught);
      expect(error).toBeInstanceOf(BadBrokerUrl);
      expect(String(error)).not.toContain("geheim");
    },
  );

  test("a URL is shown without its credentials, and nonsense not at all", () => {
    expect(withoutCredentials("mqtts://u:p@host:8883")).toBe("mqtts://host:8883");
    expect(withoutCredentials("u:p@")).not.toContain("p@");
  });
});
