import { expect, test } from "vitest";
import { GatewayCore } from "../../gateway/gateway-core.ts";
import { logLine } from "../support/frames.ts";
import { virtualWorld } from "../support/gateway-world.ts";
import { HandByteLink } from "../support/hand-byte-link.ts";

test("frames and text of one read go into one commit, in their order, and get one ack", async () => {
  const world = virtualWorld();
  const link = new HandByteLink();
  new GatewayCore(world).addSerial(link, { project: "default", source: "pump" });
  const frame = (id: number): string => logLine({ boot: "b", ack: true }, [{ id, msg: `line ${id}` }]);
  link.say(frame(1));
  await world.time.advanceAsync(100);
  link.down.length = 0;
  const before = world.uplink.commits.length;
  link.say(`before\n${frame(2)}${frame(3)}between\n${frame(4)}after\n`);
  await world.time.advanceAsync(100);
  expect(world.uplink.commits.length - before).toBe(1);
  expect(world.uplink.entries.slice(1).map(({ msg }) => JSON.parse(msg))).toEqual([
    "before",
    "line 2",
    "line 3",
    "between",
    "line 4",
    "after",
  ]);
  expect(link.down.filter((line) => line.includes('"ack":'))).toEqual([expect.stringContaining('"ack":4,')]);
});
