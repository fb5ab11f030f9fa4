import { once } from "node:events";
import { connect } from "node:net";
import mqtt, { type MqttClient } from "mqtt";
import { afterEach, describe, expect, test } from "vitest";
import type { BrokerAuth } from "../../gateway/broker-rules.ts";
import { plainBroker } from "../../gateway/broker-setting.ts";
import { Gateway, type GatewayOptions } from "../../gateway/gateway.ts";
import { MqttProtocol } from "../../gateway/mqtt-connection.ts";
import { parseSerialSetting, type SerialSetting } from "../../gateway/serial-setting.ts";
import { openPty, type Pty } from "../../host/pty.ts";
import { logFrame, logLine } from "../support/frames.ts";
import { realWorld, until } from "../support/gateway-world.ts";
import { Mosquitto } from "../support/mosquitto.ts";
import { requires } from "../support/requirements.ts";

const need = requires("mosquitto");
const KEY = "key-of-default";
const brokerAuth: BrokerAuth = {
  authenticate: async (userName, password) =>
    userName === "default" && password === KEY ? { project: "default" } : undefined,
  isStillGood: () => true,
};

function serialSetting(text: string): SerialSetting {
  const parsed = parseSerialSetting(text);
  if (!parsed.ok) throw new Error(parsed.problem.text);
  return parsed.value;
}

describe("the gateway", () => {
  const ends: (() => Promise<unknown>)[] = [];
  afterEach(async () => {
    for (const end of ends.splice(0).reverse()) await end();
  });

  async function started(options: Omit<GatewayOptions, "project">) {
    const world = realWorld();
    const gateway = new Gateway({ ...world, brokerAuth }, { project: "default", ...options });
    await gateway.start();
    ends.push(() => gateway.stop());
    return { ...world, gateway };
  }

  function board(): Pty {
    const pty = openPty();
    ends.push(() => pty.close());
    return pty;
  }

  async function client(port: number): Promise<MqttClient> {
    const connected = await mqtt.connectAsync(`mqtt://127.0.0.1:${port}`, {
      username: "default",
      password: KEY,
    });
    ends.push(async () => void connected.end(true)); // MQTT.js may wait for ever for a stream that is closed.
    return connected;
  }

  test("takes as many connections as it holds boards, drops further ones, and says which settings to raise", async () => {
    const { gateway, counters, log } = await started({ devicesMax: 2, mqtt: { host: "127.0.0.1", port: 0 } });
    const port = gateway.mqttAddress?.port ?? 0;
    await client(port);
    await client(port);
    const third = connect(port, "127.0.0.1");
    third.on("error", () => {});
    await once(third, "close");
    expect(counters.values().mqtt_connections_over_limit_total).toBe(1);
    expect(log.lines).toContainEqual({
      level: "warn",
      fields: { connectionsMax: 2 },
      text: expect.stringMatching(/mqtt\.connectionsMax, or devicesMax, higher/),
    });
  });

  test("more boards that wait for a commit than it holds: warns once, with the setting to raise", async () => {
    const { gateway, counters, log, uplink } = await started({
      devicesMax: 2,
      mqtt: { host: "127.0.0.1", port: 0 },
    });
    let open = (): void => {};
    uplink.gate = () => new Promise((resolve) => (open = resolve));
    const sender = await client(gateway.mqttAddress?.port ?? 0);
    for (const device of ["a", "b", "c", "d"])
      sender.publish(
        `boardlog/default/${device}/log`,
        logFrame({ boot: "b", ack: true }, [{ id: 1, msg: "x" }]),
      );
    await until("two frames are not taken", () => counters.values().gateway_sessions_full_frames_total === 2);
    open();
    expect(log.lines.filter(({ text }) => text.includes("set devicesMax higher"))).toEqual([
      { level: "warn", fields: { devicesMax: 2 }, text: expect.any(String) },
    ]);
  });

  test.skipIf(need.isMissing)(
    `says which ports are closed and which brokers do not answer, and why, until they are well${need.note}`,
    async () => {
      const pty = board();
      const mosquitto = new Mosquitto(need.path ?? "");
      ends.push(() => mosquitto.dispose());
      await mosquitto.start();
      await mosquitto.kill();
      const closedPort = mosquitto.port;
      const protocol = MqttProtocol.V3_1_1;
      const target = { host: "127.0.0.1", port: closedPort, protocol, userName: "default", password: KEY };
      const { gateway } = await started({
        clientId: "gw",
        serial: [
          { pattern: { type: "path", text: pty.path }, baud: 115_200 },
          { pattern: { type: "path", text: "/dev/no-such-port" }, baud: 115_200 },
          serialSetting("/dev/no-such-ports-*"),
        ],
        brokers: [plainBroker(target)],
      });
      const ofBroker = (): string | undefined =>
        gateway.problems.find((problem) => problem.startsWith("broker"));
      const isTried = (): boolean => !gateway.problems.some((problem) => problem.includes("not open yet"));
      await until("both ports are tried", () => gateway.problems.length === 2 && isTried());
      await until("the broker's reason", () => ofBroker()?.includes("REFUSED") === true);
      expect(gateway.problems).toEqual([
        expect.stringMatching(new RegExp(`^broker mqtt://127\\.0\\.0\\.1:${closedPort}: .*ECONNREFUSED`)),
        "serial port /dev/no-such-port: no such device; is the board plugged in?",
      ]);
      await mosquitto.start();
      await until("the broker", () => ofBroker() === undefined);
      expect(gateway.problems).toHaveLength(1);
    },
  );

  test.skipIf(need.isMissing)(
    `hears several brokers at once, answers each board where it is, and one that is away holds up no other${need.note}`,
    async () => {
      const brokers = await Promise.all(
        [1, 2, 3].map(async () => {
          const mosquitto = new Mosquitto(need.path ?? "");
          ends.push(() => mosquitto.dispose());
          await mosquitto.start();
          return mosquitto;
        }),
      );
      const [protocol, userName, password] = [MqttProtocol.V3_1_1, "default", KEY];
      const { uplink, gateway } = await started({
        clientId: "gw",
        brokers: brokers.map(({ port }) =>
          plainBroker({ host: "127.0.0.1", port, protocol, userName, password }),
        ),
      });
      await until("all three", () => gateway.problems.length === 0);
      const boards = await Promise.all(brokers.map(({ port }) => client(port)));
      const acks: string[] = [];
      const say = async (index: number, seq: number): Promise<void> => {
        const frame = logFrame({ boot: "b", ack: true, first: seq }, [{ id: seq, msg: `line ${seq}` }]);
        await boards[index]?.publishAsync(`boardlog/default/board-${index}/log`, frame, { qos: 1 });
      };
      for (const [index, board] of boards.entries()) {
        await board.subscribeAsync(`boardlog/default/board-${index}/cmd`);
        board.on("message", (_topic, payload) => {
          const { ack } = JSON.parse(payload.toString()) as { readonly ack: number };
          acks.push(`${index}: ${ack}`);
        });
        await say(index, 1);
      }
      await until("an ack for each", () => acks.length === 3);
      await brokers[1]?.kill();
      await say(0, 2);
      await say(2, 2);
      await until("the others go on", () => acks.length === 5);
      expect(acks.sort()).toEqual(["0: 1", "0: 2", "1: 1", "2: 1", "2: 2"]);
      expect([0, 1, 2].map((index) => uplink.texts(`board-${index}`).length)).toEqual([2, 1, 2]);
    },
  );

  test("takes frames and console text from a serial port and acks down the wire", async () => {
    const pty = board();
    let heard = "";
    pty.onData((bytes) => {
      heard += Buffer.from(bytes).toString("latin1");
    });
    const { uplink } = await started({
      serial: [{ pattern: { type: "path", text: pty.path }, baud: 115_200 }],
    });
    await until("hello", () => heard.includes('"hello":1'));
    pty.write("boot rom\r\n");
    pty.write(logLine({ boot: "b1", src: "kitchen", ack: true, first: 1 }, [{ id: 1, msg: "one" }]));
    pty.write("\u001b[31mpanic\u001b[0m\r\n");
    await until("ack", () => heard.includes('{"v":1,"boot":"b1","ack":1'));
    expect(heard.split("\n").find((line) => line.includes('"ack"'))).toMatch(/\}[0-9a-f]{8}$/);
    await until("text", () => uplink.entries.length === 3);
    expect(uplink.entries.map(({ src, stream, msg }) => [src, stream, msg])).toEqual([
      [pty.path.slice(5).replaceAll("/", "-"), "uart", '"boot rom"'],
      ["kitchen", "console", '"one"'],
      ["kitchen", "uart", '"\\u001b[31mpanic\\u001b[0m"'],
    ]);
  });

  test("takes frames from its own broker and answers on the board's topic", async () => {
    const { gateway, uplink } = await started({ mqtt: { host: "127.0.0.1", port: 0 } });
    const connected = await client(gateway.mqttAddress?.port ?? 0);
    const answers: string[] = [];
    connected.on("message", (topic, payload) => answers.push(`${topic} ${payload.toString()}`));
    await connected.subscribeAsync("boardlog/default/kitchen/cmd");
    await connected.publishAsync(
      "boardlog/default/kitchen/log",
      logFrame({ boot: 7, ack: true }, [
        { id: 1, msg: "one" },
        { id: 2, msg: { two: 2 } },
      ]),
      { qos: 1 },
    );
    await until("an ack", () => answers.length === 1);
    expect(answers[0]).toMatch(/^boardlog\/default\/kitchen\/cmd \{"v":1,"boot":7,"ack":2,"now":\d+\}$/);
    await connected.publishAsync("boardlog/default/kitchen/log", logFrame({}, [{ id: 5, msg: "plain" }]), {
      qos: 1,
    });
    await until("an answer", () => answers.length === 2);
    expect(answers[1]).toBe(
      'boardlog/default/kitchen/cmd {"v":1,"src":"//boardlog","resp":[{"id":5,"status":0}]}',
    );
    expect(uplink.texts("kitchen")).toEqual(["one", '{"two":2}', "plain"]);
  });

  test("stops within 2 s with sockets and ports open", async () => {
    const pty = board();
    const { gateway, timers } = await started({
      serial: [{ pattern: { type: "path", text: pty.path }, baud: 115_200 }],
      mqtt: { host: "127.0.0.1", port: 0 },
    });
    await client(gateway.mqttAddress?.port ?? 0);
    expect(await timers.sumDuring(() => gateway.stop())).toBeLessThan(2_000);
  });
});
