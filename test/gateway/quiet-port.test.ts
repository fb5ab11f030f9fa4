import { expect, test } from "vitest";
import { GatewayCore } from "../../gateway/gateway-core.ts";
import { virtualWorld } from "../support/gateway-world.ts";
import { HandByteLink } from "../support/hand-byte-link.ts";

function openPort() {
  const world = virtualWorld();
  const link = new HandByteLink();
  new GatewayCore(world).addSerial(link, { project: "default", source: "pump" });
  const pass = (ms: number): Promise<void> => world.time.advanceAsync(ms);
  const board = (line: string): void => link.say(Buffer.from(`${line}\n`));
  const hellos = (): number => link.down.splice(0).filter((line) => line.includes('"hello"')).length;
  return { pass, board, hellos };
}

const QUESTION = '{"v":1,"boot":"b","ack":true,"first":1,"cmds":[]}';

test("a port whose frames stop hears a hello again, so that a board that gave up on the gateway comes back", async () => {
  const { pass, board, hellos } = openPort();
  board(QUESTION);
  await pass(20_000);
  hellos();
  board("a line as plain text");
  await pass(30_000);
  expect(hellos()).toBe(3);
});

test("a port on which nobody ever spoke in frames hears three hellos and no more", async () => {
  const { pass, board, hellos } = openPort();
  board("> 1+1");
  await pass(120_000);
  expect(hellos()).toBe(3);
});

test("a port with frames all the time hears no more than the first hello", async () => {
  const { pass, board, hellos } = openPort();
  for (let round = 0; round < 20; round++) {
    board(QUESTION);
    await pass(5000);
  }
  expect(hellos()).toBe(1);
});
