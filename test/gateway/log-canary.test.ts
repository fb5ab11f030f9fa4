import { expect, test } from "vitest";
import { GatewayCore } from "../../gateway/gateway-core.ts";
import type { TopicListener } from "../../gateway/link.ts";
import { BOARD_ROUTES, TopicKind } from "../../gateway/topic-route.ts";
import { TopicTemplate } from "../../gateway/topic-template.ts";
import { logFrame, logLine } from "../support/frames.ts";
import { virtualWorld } from "../support/gateway-world.ts";
import { HandByteLink } from "../support/hand-byte-link.ts";

const CANARY = "canary-7f3a9c";

test("what boards log never stands in the gateway's own log, good or bad, by serial line or MQTT", async () => {
  const world = virtualWorld();
  const core = new GatewayCore(world);
  const serial = new HandByteLink();
  core.addSerial(serial, { project: "default" });
  let topics: TopicListener | undefined;
  const routes = [
    ...BOARD_ROUTES,
    { template: TopicTemplate.of("<device>/log"), kind: TopicKind.MongooseOs },
  ];
  const broker = {
    senderWaits: true,
    publish: () => {},
    stop: async () => {},
    start: async (listener: TopicListener) => {
      topics = listener;
    },
  };
  await core.addTopics(broker, { project: "default", routes });
  const entry = { id: 1, msg: `${CANARY} password=x` };
  const good = logLine({ boot: "b", src: "pump", ack: true }, [entry]);
  const foreign = logLine({ boot: "c", src: "other", ack: true }, [entry]);
  for (const line of [
    good,
    foreign,
    good.replace("canary", "kanary"),
    `${CANARY}\n`,
    good.slice(0, 60),
    "\n",
  ])
    serial.say(Buffer.from(line));
  const payloads = [
    logFrame({ boot: "b" }, [entry]),
    `${CANARY}{`,
    `{"v":9,"x":"${CANARY}"}`,
    `dev 1 2.3 4|${CANARY}`,
  ];
  for (const payload of payloads) {
    for (const topic of ["boardlog/default/pump/log", "pump/log", "pump/log/else"]) {
      for (const retained of [false, true]) {
        await new Promise((resolve) => topics?.({ topic, payload: Buffer.from(payload), retained }, resolve));
      }
    }
  }
  await world.time.advanceAsync(1_000);
  world.uplink.isAway = true;
  serial.say(Buffer.from(`${CANARY} again\n`));
  await world.time.advanceAsync(5_000);
  expect(world.uplink.entries.filter(({ msg }) => msg.includes(CANARY)).length).toBeGreaterThan(3);
  expect(world.log.lines.length).toBeGreaterThan(3);
  expect(world.log.text).not.toContain(CANARY);
});
