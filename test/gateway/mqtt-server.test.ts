import { once } from "node:events";
import { connect, createServer, type Server, type Socket } from "node:net";
import { afterEach, describe, expect, test } from "vitest";
import { lengthBytes } from "../../gateway/answer-packets.ts";
import { type Demand, TopicOutcome } from "../../gateway/link.ts";
import { type MqttPolicy, MqttServer } from "../../gateway/mqtt-server.ts";
import { MqttFault, type ReturnCode, type ServerPublish } from "../../gateway/mqtt-server-connection.ts";
import { TopicSubscriptions } from "../../gateway/topic-subscriptions.ts";
import { CounterTable } from "../../host/counters.ts";
import { VirtualTime } from "../../sim/virtual-time.ts";
import { until } from "../support/gateway-world.ts";

const text = (value: string): number[] => {
  const bytes = Buffer.from(value, "utf8");
  return [bytes.length >> 8, bytes.length & 0xff, ...bytes];
};
const packet = (head: number, ...body: number[]): Buffer =>
  Buffer.from([head, ...lengthBytes(body.length), ...body]);
const CONNECT_HEAD = [0, 4, 0x4d, 0x51, 0x54, 0x54, 4];
const connectPacket = (clientId: string, keepaliveS = 60): Buffer =>
  packet(0x10, ...CONNECT_HEAD, 2, 0, keepaliveS, ...text(clientId));
const publish = (qos: number, packetId: number, payload: string, topic = "t"): Buffer =>
  packet(
    0x30 | (qos << 1),
    ...text(topic),
    ...(qos === 0 ? [] : [packetId >> 8, packetId & 0xff]),
    ...Buffer.from(payload),
  );
const CONNACK = [0x20, 2, 0, 0];

/** Holds every publish until `answer` is called. */
class Policy implements MqttPolicy<string> {
  readonly published: { readonly topic: string; readonly payload: string; readonly client: string }[] = [];
  readonly faults: string[] = [];
  readonly waiting: ((outcome: TopicOutcome) => void)[] = [];
  holds = false;
  onPublish: () => void = () => {};
  async admit(): Promise<string | ReturnCode> {
    return "admitted";
  }
  scopeOf(): string {
    return "scope";
  }
  publishFrom(
    client: string,
    _clientId: string,
    message: ServerPublish,
    done: (outcome: TopicOutcome) => void,
  ): void {
    this.onPublish();
    this.published.push({ topic: message.topic, payload: message.payload.toString(), client });
    if (this.holds) this.waiting.push(done);
    else done(TopicOutcome.Done);
  }
  maySubscribe(_client: string, filter: string): boolean {
    return filter !== "forbidden";
  }
  stays = true;
  mayStay(): boolean {
    return this.stays;
  }
  keepsWill(topic: string): boolean {
    return topic === "will";
  }
  onFault(fault: string): void {
    this.faults.push(fault);
  }
}

/** Opens and ends at a word. */
class HandDemand implements Demand {
  isOpen = true;
  #listener: () => void = () => {};
  onOpen(listener: () => void): void {
    this.#listener = listener;
  }
  open(): void {
    this.isOpen = true;
    this.#listener();
  }
}

describe("the server side of MQTT", () => {
  const ends: (() => void)[] = [];
  afterEach(() => {
    for (const end of ends.splice(0)) end();
  });

  async function started(inFlightBytesMax = 1024 * 1024) {
    const time = new VirtualTime();
    const policy = new Policy();
    const demand = new HandDemand();
    const mqtt = new MqttServer(
      { clock: time, timers: time, counters: new CounterTable(), policy, demand },
      {
        packetBytesMax: 1000,
        connectTimeoutMs: 10_000,
        drainTimeoutMs: 10_000,
        keepaliveSMax: 600,
        inFlightBytesMax,
      },
    );
    let handledCount = 0;
    const handle = (socket: Socket): void => {
      mqtt.handle(socket);
      handledCount += 1;
    };
    const server: Server = createServer(handle).listen(0, "127.0.0.1");
    await once(server, "listening");
    const address = server.address();
    const port = typeof address === "object" && address !== null ? address.port : 0;
    ends.push(() => {
      mqtt.stop();
      server.close();
    });
    const open = async (
      ...first: Buffer[]
    ): Promise<{ socket: Socket; heard: number[]; isClosed: () => boolean }> => {
      const socket = connect(port, "127.0.0.1");
      const heard: number[] = [];
      let isClosed = false;
      socket.on("data", (bytes) => heard.push(...bytes));
      socket.on("error", () => {});
      socket.on("close", () => {
        isClosed = true;
      });
      await once(socket, "connect");
      for (const bytes of first) socket.write(bytes);
      return { socket, heard, isClosed: () => isClosed };
    };
    return { time, policy, demand, mqtt, open, handled: () => handledCount };
  }

  test("answers go out in the order of the publishes, whichever is durable first", async () => {
    const { policy, open } = await started();
    policy.holds = true;
    const { heard } = await open(connectPacket("c"), publish(1, 1, "a"), publish(1, 2, "b"));
    await until("both taken", () => policy.waiting.length === 2);
    policy.waiting[1]?.(TopicOutcome.Done);
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(heard).toEqual(CONNACK);
    policy.waiting[0]?.(TopicOutcome.Done);
    await until("both acks", () => heard.length === 12);
    expect(heard.slice(4)).toEqual([0x40, 2, 0, 1, 0x40, 2, 0, 2]);
  });

  test("a QoS 2 publish that is repeated before its release is handed on once", async () => {
    const { policy, open } = await started();
    const release = packet(0x62, 0, 5);
    const { heard } = await open(
      connectPacket("c"),
      publish(2, 5, "once"),
      publish(2, 5, "once"),
      release,
      publish(2, 5, "new"),
    );
    await until("all answers", () => heard.length === 20);
    expect(policy.published.map(({ payload }) => payload)).toEqual(["once", "new"]);
    const answers = [heard.slice(4, 8), heard.slice(8, 12), heard.slice(12, 16), heard.slice(16)];
    expect(answers.map(([type]) => (type ?? 0) >> 4).sort()).toEqual([5, 5, 5, 7]);
  });

  test("a sender whose publishes wait is read no further than the window, and goes on after", async () => {
    const { policy, open } = await started();
    policy.holds = true;
    const many = Array.from({ length: 1000 }, (_, index) => publish(1, index + 1, String(index)));
    const { heard } = await open(connectPacket("c"), Buffer.concat(many));
    await until("the window is full", () => policy.waiting.length === 256);
    await new Promise((resolve) => setTimeout(resolve, 30));
    expect(policy.waiting.length).toBe(256);
    for (let index = 0; index < 1000; index++) {
      await until(`publish ${index}`, () => policy.waiting.length > index);
      policy.waiting[index]?.(TopicOutcome.Done);
    }
    await until("all acks", () => heard.length === 4 + 4 * 1000);
    expect(policy.published.map(({ payload }) => Number(payload))).toEqual(many.map((_, index) => index));
  });

  test("while the publishes of all are many, each sender may have a few: none waits for another, and all are answered", async () => {
    const { policy, open } = await started(40 * 300);
    policy.holds = true;
    const many = Array.from({ length: 100 }, (_, index) => publish(1, index + 1, String(index)));
    const greedy = await open(connectPacket("greedy"), Buffer.concat(many));
    await until("its share of all", () => policy.waiting.length > 40);
    await new Promise((resolve) => setTimeout(resolve, 30));
    const greedyCount = policy.waiting.length;
    expect(greedyCount).toBeLessThan(60);
    const modest = await Promise.all(
      ["a", "b", "c"].map((clientId) => open(connectPacket(clientId), Buffer.concat(many))),
    );
    await until("a few of each other", () => policy.waiting.length === greedyCount + 3 * 4);
    await new Promise((resolve) => setTimeout(resolve, 30));
    expect(policy.waiting.length).toBe(greedyCount + 3 * 4);
    for (let index = 0; index < 400; index++) {
      await until(`publish ${index}`, () => policy.waiting.length > index);
      policy.waiting[index]?.(TopicOutcome.Done);
    }
    for (const { heard } of [greedy, ...modest]) await until("its acks", () => heard.length === 4 + 4 * 100);
  });

  const abc = (from: string): Buffer => Buffer.concat([1, 2, 3].map((id) => publish(1, id, `${from}${id}`)));
  const payloads = (policy: Policy): string[] => policy.published.map(({ payload }) => payload);

  /** Two are in, nothing more is wanted, and the first has sent all the same. */
  async function firstInLine() {
    const { policy, demand, open } = await started();
    const senders = [await open(connectPacket("a")), await open(connectPacket("b"))];
    for (const { heard } of senders) await until("it is in", () => heard.length === 4);
    demand.isOpen = false;
    senders[0]?.socket.write(abc("a"));
    await new Promise((resolve) => setTimeout(resolve, 30));
    return { policy, demand, senders };
  }

  test("what nobody wants yet waits as it came, and one sender after the other has its turn with all it sent meanwhile", async () => {
    const { policy, demand, open } = await started();
    const senders = [await open(connectPacket("a")), await open(connectPacket("b"))];
    for (const { heard } of senders) await until("it is in", () => heard.length === 4);
    demand.isOpen = false;
    for (const [index, { socket }] of senders.entries()) {
      const bytes = abc("ab".charAt(index));
      // In pieces, as networks have it, and with a ping among them.
      socket.write(bytes.subarray(0, 5));
      await new Promise((resolve) => setTimeout(resolve, 20));
      socket.write(bytes.subarray(5));
      socket.write(packet(0xc0));
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(policy.published).toEqual([]);
    demand.open();
    for (const { heard } of senders) await until("acks and pong", () => heard.length === 4 + 3 * 4 + 2);
    expect(payloads(policy)).toEqual(["a1", "a2", "a3", "b1", "b2", "b3"]);
  });

  test("whose turn ends with the demand goes on first, and nothing comes twice or is left", async () => {
    const { policy, demand, senders } = await firstInLine();
    senders[1]?.socket.write(abc("b"));
    await new Promise((resolve) => setTimeout(resolve, 30));
    policy.onPublish = () => {
      demand.isOpen = false;
    };
    for (let count = 1; count <= 6; count++) {
      demand.open();
      await until(`${count} publishes`, () => policy.published.length === count);
    }
    for (const { heard } of senders) await until("its acks", () => heard.length === 4 + 3 * 4);
    expect(payloads(policy)).toEqual(["a1", "a2", "a3", "b1", "b2", "b3"]);
  });

  test("who sends when more is wanted again does not go before those in line", async () => {
    const { policy, demand, senders } = await firstInLine();
    // Nobody has been called yet.
    demand.isOpen = true;
    senders[1]?.socket.write(abc("b"));
    await new Promise((resolve) => setTimeout(resolve, 30));
    expect(policy.published).toEqual([]);
    demand.open();
    for (const { heard } of senders) await until("its acks", () => heard.length === 4 + 3 * 4);
    expect(payloads(policy)).toEqual(["a1", "a2", "a3", "b1", "b2", "b3"]);
  });

  test("far more than is kept in line is all taken in the end, in order", async () => {
    const { policy, demand, open } = await started();
    const { socket, heard } = await open(connectPacket("c"));
    await until("it is in", () => heard.length === 4);
    demand.isOpen = false;
    const many = Array.from({ length: 1000 }, (_, index) => publish(1, index + 1, `${index}`.padEnd(900)));
    socket.write(Buffer.concat(many));
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(policy.published).toEqual([]);
    demand.open();
    await until("all acks", () => heard.length === 4 + 4 * 1000);
    expect(payloads(policy).map(Number)).toEqual(many.map((_, index) => index));
  });

  test("what a client said before it went is taken, though its turn had not come", async () => {
    const { policy, demand, open } = await started();
    const { socket, heard, isClosed } = await open(connectPacket("c"));
    await until("it is in", () => heard.length === 4);
    demand.isOpen = false;
    socket.end(Buffer.concat([publish(0, 0, "last"), publish(0, 0, "words"), packet(0xe0)]));
    await until("closed", isClosed);
    await until("both", () => policy.published.length === 2);
    expect(payloads(policy)).toEqual(["last", "words"]);
    demand.open();
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(policy.published.length).toBe(2);
  });

  test("what comes right behind CONNECT waits until it is known who that is", async () => {
    const { policy, open } = await started();
    let letIn: (client: string) => void = () => {};
    policy.admit = () => new Promise((resolve) => (letIn = resolve));
    const { heard } = await open(Buffer.concat([connectPacket("c"), publish(1, 1, "a")]));
    await new Promise((resolve) => setTimeout(resolve, 30));
    expect(policy.published).toEqual([]);
    letIn("late");
    await until("the ack", () => heard.length === 8);
    expect(policy.published).toEqual([{ topic: "t", payload: "a", client: "late" }]);
  });

  test.each([
    ["a publish before CONNECT", [publish(1, 1, "a")], MqttFault.NoConnect],
    ["a second CONNECT", [connectPacket("c"), connectPacket("c")], MqttFault.Unexpected],
    ["QoS 3", [connectPacket("c"), publish(3, 1, "a")], MqttFault.Malformed],
    ["packet id 0", [connectPacket("c"), publish(1, 0, "a")], MqttFault.Malformed],
    ["a topic longer than its packet", [connectPacket("c"), packet(0x32, 0, 9, 0x74)], MqttFault.Malformed],
    ["an empty topic", [connectPacket("c"), publish(1, 1, "a", "")], MqttFault.BadTopic],
    ["a wildcard in a topic", [connectPacket("c"), publish(1, 1, "a", "a/+")], MqttFault.BadTopic],
    ["a packet over the limit", [connectPacket("c"), Buffer.from([0x30, 0xff, 0x7f])], MqttFault.TooLarge],
    ["an empty SUBSCRIBE", [connectPacket("c"), packet(0x82, 0, 1)], MqttFault.Malformed],
  ])("%s closes the connection", async (_what, packets, fault) => {
    const { policy, open } = await started();
    const { isClosed } = await open(...packets);
    await until("closed", isClosed);
    expect(policy.faults).toEqual([fault]);
    expect(policy.published).toEqual([]);
  });

  test("a client that says nothing for one and a half times its keep-alive is cut off, one that pings is not", async () => {
    const { time, open } = await started();
    const silent = await open(connectPacket("silent", 10));
    const pinging = await open(connectPacket("pinging", 10));
    await until("both are in", () => silent.heard.length === 4 && pinging.heard.length === 4);
    await time.advanceAsync(9_000);
    pinging.socket.write(packet(0xc0));
    await until("PINGRESP", () => pinging.heard.length === 6);
    await time.advanceAsync(9_000);
    await until("the silent one is closed", silent.isClosed);
    expect(pinging.isClosed()).toBe(false);
  });

  test("a connection that never says who it is, is cut off", async () => {
    const { time, open, handled } = await started();
    const { isClosed } = await open();
    await until("it is taken", () => handled() === 1);
    await time.advanceAsync(12_000);
    await until("closed", isClosed);
  });

  test("the older connection of the same client ends, and its subscriptions with it", async () => {
    const { mqtt, open } = await started();
    const subscribe = packet(0x82, 0, 1, ...text("news"), 1);
    const older = await open(connectPacket("same"), subscribe);
    await until("subscribed", () => older.heard.length === 9);
    const newer = await open(connectPacket("same"), subscribe);
    await until("the older is closed", older.isClosed);
    await until("subscribed again", () => newer.heard.length === 9);
    mqtt.forward("news", Buffer.from("x"));
    await until("the news", () => newer.heard.length > 9);
    expect(newer.heard.slice(9)).toEqual([...publish(0, 0, "x", "news")]);
  });

  test("a will is published when its client goes without goodbye, and not when it says goodbye", async () => {
    const { policy, open } = await started();
    const withWill = (clientId: string): Buffer =>
      packet(
        0x10,
        ...CONNECT_HEAD,
        0x06,
        0,
        60,
        ...text(clientId),
        ...text("will"),
        ...text(`gone ${clientId}`),
      );
    const polite = await open(withWill("polite"), packet(0xe0));
    await until("the polite one is closed", polite.isClosed);
    const cut = await open(withWill("cut"));
    await until("in", () => cut.heard.length === 4);
    cut.socket.destroy();
    await until("the will", () => policy.published.length === 1);
    expect(policy.published[0]?.payload).toBe("gone cut");
  });

  test("a will is what its client said, also where the client came in pieces and others sent theirs before it was let in", async () => {
    const { policy, open } = await started();
    let letIn: (client: string) => void = () => {};
    policy.admit = () => new Promise((resolve) => (letIn = resolve));
    const connecting = packet(
      0x10,
      ...CONNECT_HEAD,
      0x06,
      0,
      60,
      ...text("c"),
      ...text("will"),
      ...text("gone"),
    );
    const { socket, heard } = await open(connecting.subarray(0, 20));
    await new Promise((resolve) => setTimeout(resolve, 30));
    socket.write(connecting.subarray(20));
    await new Promise((resolve) => setTimeout(resolve, 30));
    await open(connectPacket("x".repeat(100)).subarray(0, 90));
    await new Promise((resolve) => setTimeout(resolve, 30));
    letIn("late");
    await until("in", () => heard.length === 4);
    socket.destroy();
    await until("the will", () => policy.published.length === 1);
    expect(policy.published[0]?.payload).toBe("gone");
  });

  test("a filter that is not allowed is refused in its place, and unsubscribing ends a subscription", async () => {
    const { mqtt, open } = await started();
    const both = packet(0x82, 0, 1, ...text("forbidden"), 1, ...text("a/+"), 2);
    const { socket, heard } = await open(connectPacket("c"), both);
    await until("SUBACK", () => heard.length === 10);
    expect(heard.slice(4)).toEqual([0x90, 4, 0, 1, 0x80, 1]);
    socket.write(packet(0xa2, 0, 2, ...text("a/+")));
    await until("UNSUBACK", () => heard.length === 14);
    mqtt.forward("a/b", Buffer.from("x"));
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(heard.slice(10)).toEqual([0xb0, 2, 0, 2]);
  });
});

test("a topic finds its subscribers by name and by wildcards, each once", () => {
  const table = new TopicSubscriptions<string>();
  for (const [filter, who] of [
    ["a/b", "exact"],
    ["a/+", "plus"],
    ["a/#", "rest"],
    ["#", "all"],
    ["a/b", "all"],
    ["+/b/c", "long"],
  ] as const) {
    table.add(filter, who);
  }
  const of = (topic: string): string[] => [...table.of(topic)].sort();
  expect(of("a/b")).toEqual(["all", "exact", "plus", "rest"]);
  expect(of("a")).toEqual(["all", "rest"]);
  expect(of("x/b/c")).toEqual(["all", "long"]);
  expect(of("$SYS/b/c")).toEqual([]);
  table.remove("a/+", "plus");
  table.remove("a/#", "rest");
  expect(of("a/b")).toEqual(["all", "exact"]);
});
