import { once } from "node:events";
import { connect, type Socket } from "node:net";
import mqtt, { type IClientOptions, type IConnackPacket, type MqttClient } from "mqtt";
import { afterEach, describe, expect, test } from "vitest";
import type { BrokerAuth } from "../../gateway/broker-rules.ts";
import {
  BrokerListenError,
  EmbeddedBroker,
  type EmbeddedBrokerOptions,
} from "../../gateway/embedded-broker.ts";
import { GatewayCore } from "../../gateway/gateway-core.ts";
import { BOARD_ROUTES, TopicKind } from "../../gateway/topic-route.ts";
import { TopicTemplate } from "../../gateway/topic-template.ts";
import { logFrame } from "../support/frames.ts";
import { realWorld, until } from "../support/gateway-world.ts";

const KEYS: Readonly<Record<string, string>> = { default: "key-of-default", other: "key-of-other" };
/** Boards with secrets of their own, in project `default`. */
const DEVICES: Record<string, string> = { kitchen: "secret-of-kitchen", cellar: "secret-of-cellar" };
const revoked = new Set<string>();
const auth: BrokerAuth = {
  authenticate: async (userName, password) => {
    if (Object.hasOwn(KEYS, userName) && KEYS[userName] === password) return { project: userName };
    const isBoard = Object.hasOwn(DEVICES, userName) && DEVICES[userName] === password;
    return isBoard ? { project: "default", device: userName } : undefined;
  },
  isStillGood: ({ device }) => device === undefined || !revoked.has(device),
};

const CREDENTIALS = { username: "default", password: "key-of-default" };
const LOG = "boardlog/default/kitchen/log";
const CMD = "boardlog/default/kitchen/cmd";

function closing(client: MqttClient): Promise<void> {
  return new Promise((resolve) => client.once("close", resolve));
}

describe("the embedded broker, with a real MQTT client", () => {
  const ends: (() => Promise<unknown>)[] = [];
  afterEach(async () => {
    for (const end of ends.splice(0).reverse()) await end();
  });

  async function started(options: Partial<EmbeddedBrokerOptions> = {}) {
    const world = realWorld();
    const core = new GatewayCore(world);
    const broker = new EmbeddedBroker(
      { ...world, auth, seldomLog: core.seldomLog },
      { host: "127.0.0.1", port: 0, ...options },
    );
    const { routes } = options;
    await core.addTopics(broker, routes === undefined ? {} : { routes });
    ends.push(() => core.stop());
    const port = broker.address?.port ?? 0;
    const count = (name: string): number => world.counters.values()[name] ?? 0;
    return { ...world, core, broker, port, count };
  }

  async function client(port: number, options: IClientOptions = {}): Promise<MqttClient> {
    const connected = await mqtt.connectAsync(
      `mqtt://127.0.0.1:${port}`,
      { ...CREDENTIALS, reconnectPeriod: 0, ...options },
      false,
    );
    ends.push(async () => void connected.end(true)); // MQTT.js may wait for ever for a stream that is closed.
    connected.on("error", () => {}); // What a refusal does is looked at by `close`.
    return connected;
  }

  function rawConnection(port: number): Socket {
    const socket = connect(port, "127.0.0.1");
    socket.on("error", () => {});
    ends.push(async () => socket.destroy());
    return socket;
  }

  test("PUBACK comes after the commit and not before", async () => {
    const { uplink, port } = await started();
    let open = (): void => {};
    uplink.gate = () => new Promise((resolve) => (open = resolve));
    const board = await client(port);
    let isAcked = false;
    const published = board.publishAsync(LOG, logFrame({}, [{ id: 1, msg: "one" }]), { qos: 1 }).then(() => {
      isAcked = true;
      expect(uplink.entries.length).toBe(1);
    });
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(isAcked).toBe(false);
    expect(uplink.entries).toEqual([]);
    open();
    await published;
    expect(uplink.texts("kitchen")).toEqual(["one"]);
  });

  test("many publishes under way share commits, and stay in order", async () => {
    const { uplink, port, count } = await started();
    const board = await client(port);
    const texts = Array.from({ length: 2_000 }, (_, index) => `line ${index}`);
    uplink.gate = async () => {
      // More than one commit can hold; the window of a connection holds more.
      const wanted = Math.min(texts.length, uplink.entries.length + 100);
      await until("more under way", () => count("gateway_frames_total") >= wanted);
    };
    await Promise.all(
      texts.map((msg, index) => board.publishAsync(LOG, logFrame({}, [{ id: index, msg }]), { qos: 1 })),
    );
    expect(uplink.texts("kitchen")).toEqual(texts);
    expect(uplink.commits.length).toBeLessThan(200);
  });

  test("while the service is away nothing is acked, and the connection lives on", async () => {
    const { uplink, port } = await started();
    uplink.isAway = true;
    const board = await client(port);
    const published = board.publishAsync(LOG, logFrame({ boot: 1, ack: true }, [{ id: 1, msg: "one" }]), {
      qos: 1,
    });
    await new Promise((resolve) => setTimeout(resolve, 500));
    expect(board.connected).toBe(true);
    uplink.isAway = false;
    await published;
    expect(uplink.texts("kitchen")).toEqual(["one"]);
  });

  test.each([
    ["a wrong key", { username: "default", password: "wrong" }, 4],
    ["the key of another project", { username: "default", password: "key-of-other" }, 4],
    ["an unknown user name", { username: "__proto__", password: "x" }, 4],
    ["no credentials at all", { username: undefined, password: undefined }, 5],
  ])("%s is refused with the right code and words, and no password is logged", async (_what, shown, code) => {
    const { port, log, count } = await started();
    const error = await client(port, shown as IClientOptions).catch((caught: unknown) => caught);
    expect(error).toMatchObject({ code });
    expect(count("mqtt_refused_connects_total")).toBe(1);
    expect(log.lines.at(-1)?.text).toContain("a board's name and its own secret");
    for (const secret of ["wrong", "key-of"]) expect(log.text).not.toContain(secret);
  });

  test("MQTT 3.1 is spoken; MQTT 5 gets return code 1 and a log line that helps", async () => {
    const { port, uplink, log } = await started();
    const old = await client(port, { protocolId: "MQIsdp", protocolVersion: 3 });
    await old.publishAsync(LOG, logFrame({}, [{ id: 1, msg: "old" }]), { qos: 1 });
    expect(uplink.texts("kitchen")).toEqual(["old"]);

    const socket = rawConnection(port);
    // CONNECT, "MQTT", level 5, clean, keepalive 60, no properties, client id "c".
    socket.write(Uint8Array.from([0x10, 14, 0, 4, 0x4d, 0x51, 0x54, 0x54, 5, 2, 0, 60, 0, 0, 1, 0x63]));
    const [connack] = (await once(socket, "data")) as [Buffer];
    expect([...connack]).toEqual([0x20, 2, 0, 1]);
    await once(socket, "close");
    expect(log.text).toContain("set the client to protocol version 4");
  });

  test.each([
    ["another project's topic", "boardlog/other/kitchen/log"],
    ["a command topic", CMD],
    ["a topic of nobody", "home/temperature"],
    ["$SYS", "$SYS/x"],
    ["a topic of a hundred thousand levels", "/".repeat(60_000)],
    ["a NUL in the device", "boardlog/default/kit\0chen/log"],
    ["an empty device", "boardlog/default//log"],
    ["a control character in the device", "boardlog/default/kit\u0085chen/log"],
  ])("a publish on %s closes that connection only, and stores nothing", async (_what, topic) => {
    const { port, uplink } = await started();
    const good = await client(port);
    const bad = await client(port);
    const closed = closing(bad);
    bad.publish(topic, logFrame({}, [{ id: 1, msg: "x" }]), { qos: 1 });
    await closed;
    await good.publishAsync(LOG, logFrame({}, [{ id: 1, msg: "fine" }]), { qos: 1 });
    expect(uplink.entries.map(({ msg }) => msg)).toEqual(['"fine"']);
  });

  test.each([
    ["wildcards", "boardlog/default/+/log"],
    ["only a wildcard", "#"],
    ["no topic at all", ""],
    ["64 KiB", `boardlog/default/${"k".repeat(65_500)}/log`],
    ["bytes that are no UTF-8", "boardlog/default/\xff\xfe/log"],
  ])("a hand-made publish on a topic with %s closes that connection only", async (_what, topic) => {
    const { port, uplink } = await started();
    const good = await client(port);
    const socket = rawConnection(port);
    const field = (text: string): Buffer => {
      const bytes = Buffer.from(text, "latin1");
      return Buffer.concat([Buffer.from([bytes.length >> 8, bytes.length & 255]), bytes]);
    };
    const packet = (head: number, body: Buffer): Buffer => {
      const length: number[] = [];
      for (let rest = body.length; length.length === 0 || rest > 0; rest >>= 7)
        length.push((rest & 127) | (rest > 127 ? 128 : 0));
      return Buffer.concat([Buffer.from([head, ...length]), body]);
    };
    const { username, password } = CREDENTIALS;
    const head = Buffer.from([4, 0xc2, 0, 60]);
    const connect = [field("MQTT"), head, field("raw"), field(username), field(password)];
    socket.write(packet(0x10, Buffer.concat(connect)));
    const [connack] = (await once(socket, "data")) as [Buffer];
    expect(connack[3]).toBe(0);
    const closed = once(socket, "close");
    const payload = Buffer.from(logFrame({}, [{ id: 1, msg: "x" }]));
    socket.write(packet(0x32, Buffer.concat([field(topic), Buffer.from([0, 1]), payload])));
    await closed;
    await good.publishAsync(LOG, logFrame({}, [{ id: 1, msg: "fine" }]), { qos: 1 });
    expect(uplink.entries.map(({ msg }) => msg)).toEqual(['"fine"']);
  });

  test("a board with a secret of its own speaks and hears as itself alone", async () => {
    const { port, uplink, count } = await started();
    const kitchen = await client(port, { username: "kitchen", password: "secret-of-kitchen" });
    const heard: string[] = [];
    kitchen.on("message", (topic) => heard.push(topic));
    const granted = async (filter: string): Promise<boolean> =>
      (await kitchen.subscribeAsync(filter).catch(() => [{ qos: 128 }]))[0]?.qos !== 128;
    expect(await granted("boardlog/default/+/cmd")).toBe(false);
    expect(await granted("boardlog/default/cellar/cmd")).toBe(false);
    expect(await granted(CMD)).toBe(true);
    await kitchen.publishAsync(LOG, logFrame({ boot: 1, ack: true }, [{ id: 1, msg: "mine" }]), { qos: 1 });
    await until("its ack", () => heard.length === 1);
    const closed = closing(kitchen);
    kitchen.publish("boardlog/default/cellar/log", logFrame({}, [{ id: 1, msg: "not mine" }]), { qos: 1 });
    await closed;
    expect(uplink.entries.map(({ src, msg }) => [src, msg])).toEqual([["kitchen", '"mine"']]);
    expect(count("mqtt_refused_publishes_total")).toBe(1);
    const wrong = await client(port, { username: "cellar", password: "secret-of-kitchen" }).catch(
      (error: unknown) => error,
    );
    expect(wrong).toMatchObject({ code: 4 });
  });

  test("a revoked secret ends at the next contact, and the line that came with it is not acked", async () => {
    const { port, uplink, count } = await started();
    ends.push(async () => revoked.clear());
    const board = await client(port, { username: "kitchen", password: "secret-of-kitchen" });
    await board.publishAsync(LOG, logFrame({}, [{ id: 1, msg: "before" }]), { qos: 1 });
    revoked.add("kitchen");
    const closed = closing(board);
    board.publish(LOG, logFrame({}, [{ id: 2, msg: "after" }]), { qos: 1 });
    await closed;
    expect(uplink.texts("kitchen")).toEqual(["before"]);
    expect(count("mqtt_revoked_connections_total")).toBe(1);
  });

  test("a revoked secret ends a connection that only listens, too", async () => {
    const { port, count } = await started();
    ends.push(async () => revoked.clear());
    const board = await client(port, { username: "kitchen", password: "secret-of-kitchen" });
    await board.subscribeAsync(CMD);
    const other = await client(port, { username: "cellar", password: "secret-of-cellar" });
    const closed = closing(board);
    revoked.add("kitchen");
    await closed;
    expect(count("mqtt_revoked_connections_total")).toBe(1);
    expect(other.connected).toBe(true);
  });

  test("names without end on one connection are stopped, and a board that was there goes on", async () => {
    const { port, uplink, count } = await started();
    const bridge = await client(port);
    bridge.on("error", () => {});
    const closed = closing(bridge);
    for (let index = 0; index <= 1_000; index++) {
      bridge.publish(`boardlog/default/b${index}/log`, logFrame({}, [{ id: 1, msg: "x" }]), { qos: 1 });
    }
    await closed;
    expect(count("mqtt_sources_over_limit_total")).toBe(1);
    expect(uplink.texts("b1000")).toEqual([]);
    const board = await client(port);
    await board.publishAsync("boardlog/default/b1/log", logFrame({}, [{ id: 2, msg: "y" }]), { qos: 1 });
    expect(uplink.texts("b1").at(-1)).toBe("y");
  });

  test("a will on the presence topic says that a board went; a good-bye does not", async () => {
    const { port, uplink, core } = await started();
    const will = (name: string): IClientOptions => ({
      username: name,
      password: `secret-of-${name}`,
      will: {
        topic: `boardlog/default/${name}/state`,
        payload: Buffer.from("offline"),
        qos: 1,
        retain: true,
      },
    });
    const kitchen = await client(port, will("kitchen"));
    const cellar = await client(port, will("cellar"));
    for (const [name, board] of [
      ["kitchen", kitchen],
      ["cellar", cellar],
    ] as const)
      await board.publishAsync(`boardlog/default/${name}/state`, "online", { qos: 1, retain: true });
    expect(core.presence.counts).toEqual({ online: 2, offline: 0 });
    await cellar.endAsync();
    kitchen.stream.destroy();
    await until("the will", () => uplink.texts("kitchen", "presence").length === 2);
    expect(uplink.texts("kitchen", "presence")).toEqual(["online", "offline"]);
    expect(uplink.texts("cellar", "presence")).toEqual(["online"]);
  });

  test("devices without the agent are heard on topics of their own, as the credential says", async () => {
    const routes = [
      ...BOARD_ROUTES,
      { template: TopicTemplate.of("<device>/debug/log"), kind: TopicKind.Shelly },
      {
        template: TopicTemplate.of("boardlog/rpc"),
        kind: TopicKind.Frames,
        answers: TopicTemplate.of("<device>/rpc"),
      },
    ];
    const { port, uplink } = await started({ routes });
    const kitchen = await client(port, { username: "kitchen", password: "secret-of-kitchen" });
    const heard: string[] = [];
    kitchen.on("message", (topic, payload) => heard.push(`${topic} ${payload.toString()}`));
    await kitchen.subscribeAsync("kitchen/rpc");
    await kitchen.publishAsync("kitchen/debug/log", "kitchen 0 1.000 2|started", { qos: 1 });
    const frame = logFrame({ src: "//any.host/kitchen" }, [{ id: 7, msg: "by clubby" }]);
    await kitchen.publishAsync("boardlog/rpc", frame, { qos: 1 });
    await until("the answer", () => heard.length === 1);
    expect(heard[0]).toMatch(/^kitchen\/rpc .*"id":7,"status":0/);
    expect(uplink.texts("kitchen")).toEqual(["started", "by clubby"]);
    const foreign = logFrame({ src: "cellar" }, [{ id: 8, msg: "not mine" }]);
    await kitchen.publishAsync("boardlog/rpc", foreign, { qos: 1 });
    expect(uplink.texts("cellar")).toEqual([]);
  });

  test("a retained frame is refused and counted, and nothing is kept for later subscribers", async () => {
    const { port, uplink, count } = await started();
    const board = await client(port);
    const closed = closing(board);
    board.publish(LOG, logFrame({ boot: 1, ack: true }, [{ id: 1, msg: "x" }]), { qos: 1, retain: true });
    await closed;
    expect(uplink.entries).toEqual([]);
    expect(count("mqtt_retained_messages_total")).toBe(1);
  });

  test("no session outlives its connection, so that nothing piles up for boards that never come back", async () => {
    const { port } = await started();
    const first = await client(port, { clean: false, clientId: "board" });
    await first.subscribeAsync(CMD);
    await first.endAsync();
    const second = mqtt.connect(`mqtt://127.0.0.1:${port}`, {
      ...CREDENTIALS,
      clean: false,
      clientId: "board",
      reconnectPeriod: 0,
    });
    ends.push(async () => void second.end(true));
    const connack = await new Promise<IConnackPacket>((resolve) => second.once("connect", resolve));
    expect(connack.sessionPresent).toBe(false);
  });

  test("a will never becomes an entry", async () => {
    const { port, uplink } = await started();
    const payload = logFrame({}, [{ id: 1, msg: "will" }]);
    const board = await client(port, {
      will: { topic: LOG, payload: Buffer.from(payload), qos: 1, retain: false },
    });
    board.stream.destroy();
    const other = await client(port);
    await other.publishAsync(LOG, logFrame({}, [{ id: 1, msg: "fine" }]), { qos: 1 });
    expect(uplink.texts("kitchen")).toEqual(["fine"]);
  });

  test("subscriptions are for the own project's command topics, and + may stand for the device", async () => {
    const { port, count } = await started();
    const board = await client(port);
    const grants: Record<string, number> = {};
    for (const filter of [
      CMD,
      "boardlog/default/+/cmd",
      "boardlog/other/kitchen/cmd",
      "boardlog/+/kitchen/cmd",
      "boardlog/default/#",
      "boardlog/default/+/log",
      "#",
      "$SYS/#",
      "+/+/+/+",
    ]) {
      const granted = await board
        .subscribeAsync(filter, { qos: 1 })
        .catch(() => [{ topic: filter, qos: 128 }]);
      grants[filter] = granted[0]?.qos ?? 128;
    }
    expect(Object.entries(grants).filter(([, qos]) => qos < 128)).toEqual([
      [CMD, 1],
      ["boardlog/default/+/cmd", 1],
    ]);
    expect(count("mqtt_refused_subscriptions_total")).toBe(7);
  });

  test("a board hears its own acks and not those of another project", async () => {
    const { port } = await started();
    const board = await client(port);
    const stranger = await client(port, { username: "other", password: "key-of-other" });
    const heard: string[] = [];
    for (const [name, listener] of [
      ["board", board],
      ["stranger", stranger],
    ] as const) {
      listener.on("message", (topic) => heard.push(`${name} ${topic}`));
    }
    await board.subscribeAsync("boardlog/default/+/cmd");
    await stranger.subscribeAsync("boardlog/other/+/cmd");
    await stranger.publishAsync(
      "boardlog/other/kitchen/log",
      logFrame({ boot: 1, ack: true }, [{ id: 1, msg: "x" }]),
    );
    await board.publishAsync(LOG, logFrame({ boot: 1, ack: true }, [{ id: 1, msg: "x" }]));
    await until("both acks", () => heard.length === 2);
    expect(heard.sort()).toEqual([
      "board boardlog/default/kitchen/cmd",
      "stranger boardlog/other/kitchen/cmd",
    ]);
  });

  test("a frame that says another src is answered 403 and counted", async () => {
    const { port, uplink, count } = await started();
    const board = await client(port);
    const heard: string[] = [];
    board.on("message", (_topic, payload) => heard.push(payload.toString()));
    await board.subscribeAsync(CMD);
    await board.publishAsync(LOG, logFrame({ src: "cellar" }, [{ id: 1, msg: "x" }]), { qos: 1 });
    await board.publishAsync(LOG, logFrame({ src: "//any.host/kitchen" }, [{ id: 2, msg: "y" }]), { qos: 1 });
    await until("both answers", () => heard.length === 2);
    expect(heard.map((text) => (JSON.parse(text) as { resp: { status: number }[] }).resp[0]?.status)).toEqual(
      [403, 0],
    );
    expect(count("mqtt_foreign_source_frames_total")).toBe(1);
    expect(uplink.texts("kitchen")).toEqual(["y"]);
  });

  test("what is no frame is counted and the connection stays", async () => {
    const { port, uplink, count } = await started();
    const board = await client(port);
    for (const payload of ["", "not json", '{"v":1}', "[".repeat(100_000), Buffer.from([0xa1, 0xff])]) {
      await board.publishAsync(LOG, payload, { qos: 1 });
    }
    await board.publishAsync(LOG, logFrame({}, [{ id: 1, msg: "fine" }]), { qos: 1 });
    expect(count("mqtt_bad_frames_total")).toBe(5);
    expect(uplink.texts("kitchen")).toEqual(["fine"]);
  });

  test("a packet that is too large is not collected: the connection is closed at its head", async () => {
    const { port, count } = await started({ packetBytesMax: 10_000 });
    const board = await client(port);
    await board.publishAsync(LOG, logFrame({}, [{ id: 1, msg: "x".repeat(9_000) }]), { qos: 1 });
    const closed = closing(board);
    board.publish(LOG, logFrame({}, [{ id: 2, msg: "x".repeat(10_000) }]), { qos: 1 });
    await closed;
    expect(count("mqtt_oversize_packets_total")).toBe(1);

    const socket = rawConnection(port);
    socket.write(Uint8Array.from([0x10, 0xff, 0xff, 0xff, 0x7f]));
    await once(socket, "close");
    expect(count("mqtt_oversize_packets_total")).toBe(2);
  });

  test("noise instead of MQTT closes that connection only", async () => {
    const { port, uplink } = await started();
    for (const noise of ["GET / HTTP/1.1\r\n\r\n", "\0\0\0\0", "\xff".repeat(1000), '{"v":1}\n']) {
      const socket = rawConnection(port);
      socket.write(Buffer.from(noise, "latin1"));
      await once(socket, "close");
    }
    const board = await client(port);
    await board.publishAsync(LOG, logFrame({}, [{ id: 1, msg: "fine" }]), { qos: 1 });
    expect(uplink.texts("kitchen")).toEqual(["fine"]);
  });

  test("connections beyond the limit are dropped and counted", async () => {
    const { port, count } = await started({ connectionsMax: 2 });
    await client(port);
    await client(port);
    const third = rawConnection(port);
    await once(third, "close");
    expect(count("mqtt_connections_over_limit_total")).toBe(1);
  });

  test("a taken port is an error that says so, or the next free one where that was allowed", async () => {
    const { port } = await started();
    await expect(started({ port })).rejects.toMatchObject({ name: "BrokerListenError", code: "EADDRINUSE" });
    await expect(started({ port })).rejects.toBeInstanceOf(BrokerListenError);
    const next = await started({ port, portsBeyond: 20 });
    expect(next.port).toBeGreaterThan(port);
  });

  test("stops within a second with sockets open and commits that never end", async () => {
    const world = realWorld();
    const core = new GatewayCore(world);
    const broker = new EmbeddedBroker(
      { ...world, auth, seldomLog: core.seldomLog },
      { host: "127.0.0.1", port: 0 },
    );
    world.uplink.gate = () => new Promise(() => {});
    await core.addTopics(broker);
    const port = broker.address?.port ?? 0;
    const silent = rawConnection(port);
    await once(silent, "connect");
    const board = await client(port);
    board.publish(LOG, logFrame({}, [{ id: 1, msg: "x" }]), { qos: 1 });
    await until("taken", () => core.queuedEntries === 1);
    expect(await world.timers.sumDuring(() => broker.stop())).toBeLessThan(1_000);
    expect(await world.timers.sumDuring(() => core.stop())).toBeLessThan(2_000);
  });
});
