import { expect, test } from "vitest";
import { SimulatedBoard } from "../../sim/board.ts";
import { VirtualTime } from "../../sim/virtual-time.ts";
import { builtAgent } from "./agent-program.ts";

test("a board on a shared wire that gave up on the gateway keeps asking while lines wait, and sends them once it is answered", async () => {
  const program = await builtAgent();
  const time = new VirtualTime();
  const sent: string[] = [];
  const link = {
    send: (frame: string) => {
      sent.push(frame);
      return true;
    },
    print: () => {},
  };
  const board = new SimulatedBoard({ clock: time, timers: time }, program, link, {
    boot: "b",
    knowsUtc: true,
    settings: { shared: true },
  });
  board.agent.receive('{"v":1,"hello":1}');
  board.console.log("kept");
  // Nobody answers; the gateway's hellos were lost too. The agent prints text by now.
  time.advance(120_000);
  board.console.log("printed as text");
  expect(board.stats.seq).toBe(1);
  sent.length = 0;
  time.advance(120_000);
  expect(sent.length).toBeGreaterThan(0);
  expect(sent.some((frame) => frame.includes("kept"))).toBe(false);
  // Any ack of this boot will do.
  board.agent.receive('{"v":1,"boot":"b","ack":0}');
  time.advance(1000);
  expect(sent.some((frame) => frame.includes("kept"))).toBe(true);
  board.agent.receive('{"v":1,"boot":"b","ack":1}');
  sent.length = 0;
  time.advance(600_000);
  expect(sent).toEqual([]);
});
