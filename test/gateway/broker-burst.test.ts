import { once } from "node:events";
import { connect } from "node:net";
import { expect, test } from "vitest";
import type { BrokerAuth } from "../../gateway/broker-rules.ts";
import { EmbeddedBroker } from "../../gateway/embedded-broker.ts";
import { GatewayCore } from "../../gateway/gateway-core.ts";
import { connectPacket, subscribePacket } from "../../sim/load/mqtt-wire.ts";
import { realWorld, until } from "../support/gateway-world.ts";

const auth: BrokerAuth = {
  authenticate: async (userName) => ({ project: userName }),
  isStillGood: () => true,
};
const ACKS = 30_000;
const PACKET = Buffer.alloc(16 * 1024, 0x20);

test("tens of thousands of acks behind a board that stopped reading do not end the process", async () => {
  const world = realWorld();
  const core = new GatewayCore(world);
  const broker = new EmbeddedBroker(
    { ...world, auth, seldomLog: core.seldomLog },
    { host: "127.0.0.1", port: 0 },
  );
  await core.addTopics(broker);
  const errors: unknown[] = [];
  const onError = (error: unknown): void => void errors.push(error);
  process.on("uncaughtException", onError);
  const socket = connect(broker.address?.port ?? 0, "127.0.0.1");
  try {
    await once(socket, "connect");
    let received = 0;
    socket.on("data", (bytes) => {
      received += bytes.length;
    });
    socket.write(connectPacket({ clientId: "stuck", username: "default", password: "key" }));
    await until("CONNACK", () => received >= 4);
    socket.write(subscribePacket("boardlog/default/stuck/cmd"));
    await until("SUBACK", () => received >= 9);
    socket.pause();
    for (let count = 0; count < 1000; count++) broker.publish("boardlog/default/stuck/cmd", PACKET);
    await new Promise((resolve) => setTimeout(resolve, 100));
    for (let count = 0; count < ACKS; count++) broker.publish(`boardlog/default/board-${count}/cmd`, PACKET);
    await new Promise((resolve) => setTimeout(resolve, 100));
    socket.destroy();
    await new Promise((resolve) => setTimeout(resolve, 500));
    expect(errors).toEqual([]);
  } finally {
    process.off("uncaughtException", onError);
    socket.destroy();
    await core.stop();
  }
});
