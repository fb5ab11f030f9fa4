import mqtt, { type IClientOptions, type MqttClient } from "mqtt";
import { afterEach, describe, expect, test } from "vitest";
import { parseBrokerUrl, plainBroker, shownBroker } from "../../gateway/broker-setting.ts";
import { GatewayCore } from "../../gateway/gateway-core.ts";
import { MqttBrokerLink } from "../../gateway/mqtt-broker-link.ts";
import { MqttProtocol, type MqttTarget } from "../../gateway/mqtt-connection.ts";
import { logFrame } from "../support/frames.ts";
import { realWorld, until } from "../support/gateway-world.ts";
import { ModelBoard } from "../support/model-board.ts";
import { Mosquitto } from "../support/mosquitto.ts";
import { requires } from "../support/requirements.ts";

const need = requires("mosquitto");

function targetOf(url: string): MqttTarget {
  const target = parseBrokerUrl(url);
  if (!target.ok) throw new Error(target.problem.text);
  return target.value;
}

describe.skipIf(need.isMissing).each([
  ["3.1.1", MqttProtocol.V3_1_1],
  ["5", MqttProtocol.V5],
] as const)(`an external broker, a real Mosquitto, by version %s${need.note}`, (_name, protocol) => {
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

  async function gatewayAt(mosquitto: Mosquitto, { keepaliveS = 60, receiveMax = 1_000 } = {}) {
    const world = realWorld();
    const core = new GatewayCore(world);
    const link = new MqttBrokerLink(world, {
      ...plainBroker({ ...targetOf(mosquitto.url), protocol }),
      project: "default",
      clientId: "boardlog-test",
      keepaliveS,
      receiveMax,
    });
    await core.addTopics(link, { project: "default" });
    let isStopped = false;
    const stop = async (): Promise<void> => {
      if (isStopped) return;
      isStopped = true;
      await core.stop();
    };
    ends.push(stop);
    await until("connected", () => link.problem === undefined);
    return { ...world, world, core, link, stop };
  }

  async function client(mosquitto: Mosquitto, options: IClientOptions = {}): Promise<MqttClient> {
    const connected = await mqtt.connectAsync(mosquitto.url, { reconnectPeriod: 50, ...options });
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

  test("hundreds of frames without boot wait for one commit together, and PUBACKs come in order after it", async () => {
    const mosquitto = await broker();
    const { uplink, counters } = await gatewayAt(mosquitto);
    // Mosquitto itself sends 20 at once on 3.1.1.
    const windowFrames = protocol === MqttProtocol.V5 ? 40 : 20;
    const lines = Array.from({ length: 600 }, (_, index) => `line ${index}`);
    let commits = 0;
    uplink.gate = async () => {
      commits += 1;
      const wanted = Math.min(lines.length, uplink.entries.length + windowFrames);
      await until("a window under way", () => (counters.values().gateway_frames_total ?? 0) >= wanted);
    };
    const board = await client(mosquitto);
    for (const msg of lines) {
      board.publish("boardlog/default/kitchen/log", logFrame({}, [{ id: 1, msg }]), { qos: 1 });
    }
    await until("all", () => uplink.entries.length === lines.length);
    expect(uplink.texts("kitchen")).toEqual(lines);
    // One at a time it would be 600. Each takes all that waits: of two, the second ends a window's worth.
    expect(commits).toBeLessThanOrEqual((2 * lines.length) / windowFrames);
  });

  test("no more than the receive maximum is under way, and what is beyond waits in the broker", async () => {
    const mosquitto = await broker();
    const { uplink, counters } = await gatewayAt(mosquitto, { receiveMax: 5 });
    let open: () => void = () => {};
    uplink.gate = () => new Promise((resolve) => (open = resolve));
    const board = await client(mosquitto);
    const lines = Array.from({ length: 40 }, (_, index) => `line ${index}`);
    for (const msg of lines) {
      await board.publishAsync("boardlog/default/kitchen/log", logFrame({}, [{ id: 1, msg }]), { qos: 1 });
    }
    const frames = (): number => counters.values().gateway_frames_total ?? 0;
    await until("the first", () => frames() >= 5);
    await new Promise((resolve) => setTimeout(resolve, 200));
    // On 3.1.1 the broker may have sent a window of its own before the gateway stopped reading.
    expect(frames()).toBeLessThanOrEqual(protocol === MqttProtocol.V5 ? 5 : 25);
    uplink.gate = async () => {};
    open();
    await until("all", () => uplink.entries.length === lines.length);
    expect(uplink.texts("kitchen")).toEqual(lines);
  });

  test("a board's last will and its own word are presence: entries when they are news, numbers otherwise", async () => {
    const mosquitto = await broker();
    const watcher = await client(mosquitto);
    await watcher.publishAsync("boardlog/default/cellar/state", "online", { qos: 1, retain: true });
    const { uplink, core } = await gatewayAt(mosquitto);
    await until("what the broker kept", () => core.presence.counts.online === 1);
    const board = await client(mosquitto, {
      will: {
        topic: "boardlog/default/kitchen/state",
        payload: Buffer.from("offline"),
        qos: 1,
        retain: true,
      },
      reconnectPeriod: 0,
    });
    await board.publishAsync("boardlog/default/kitchen/state", '{"online":true}', { qos: 1, retain: true });
    await until("online", () => uplink.texts("kitchen", "presence").length === 1);
    board.stream.destroy();
    await until("offline", () => uplink.texts("kitchen", "presence").length === 2);
    expect(uplink.texts("kitchen", "presence")).toEqual(["online", "offline"]);
    expect(uplink.texts("cellar", "presence")).toEqual([]);
    expect(core.presence.counts).toEqual({ online: 1, offline: 1 });
  });

  test("a service that is away for longer than the keepalive costs no connection", async () => {
    const mosquitto = await broker();
    const { uplink, counters } = await gatewayAt(mosquitto, { keepaliveS: 1 });
    uplink.isAway = true;
    const board = await client(mosquitto);
    const plain = logFrame({}, [{ id: 1, msg: "plain" }]);
    for (let count = 0; count < 3; count++) {
      await board.publishAsync("boardlog/default/kitchen/log", plain, { qos: 1 });
    }
    await new Promise((resolve) => setTimeout(resolve, 3_500));
    uplink.isAway = false;
    await until("all", () => uplink.entries.length === 3);
    expect(counters.values().mqtt_broker_connects_total).toBe(1);
  });

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
    // By version 5 the broker is told not to send what it kept.
    expect(counters.values().mqtt_retained_messages_total ?? 0).toBe(protocol === MqttProtocol.V5 ? 0 : 1);
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
    await until("everything acked", () => board.acked === board.seq);
    clearInterval(asking);
    const texts = uplink.texts("kitchen");
    expect(texts).toEqual(Array.from({ length: board.seq }, (_, index) => board.textOf(index + 1)));
    expect(uplink.duplicateCount).toBe(0);
    expect(uplink.texts("kitchen", "loss")).toEqual([]);
  });
});

describe("a broker that is not there", () => {
  test("is waited for, complained about once, and no password reaches the log", async () => {
    const world = realWorld();
    const link = new MqttBrokerLink(world, {
      ...plainBroker(targetOf("mqtt://user:geheim@127.0.0.1:1")),
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

  test.each(["localhost", "http://localhost", "mqtt:", "user:geheim@host", "mqtt://h/topic", "mqtt://%zz@h"])(
    "%s is no broker",
    (url) => {
      const target = parseBrokerUrl(url);
      expect(target.ok).toBe(false);
      expect(JSON.stringify(target)).not.toContain("geheim");
    },
  );

  test("a broker is shown without its credentials", () => {
    expect(shownBroker(targetOf("mqtts://u:p@host"))).toBe("mqtts://host:8883");
    expect(shownBroker(targetOf("mqtt://[::1]"))).toBe("mqtt://[::1]:1883");
  });
});
