import { describe, expect, test } from "vitest";
import { Bench, seqsOf } from "./agent-bench.ts";

const loss = (first: number, last: number) => ({
  where: "agent",
  first,
  last,
  count: last - first + 1,
  why: "ring full",
});

/** Two of them share a chunk: 280 characters, about 420 bytes in the ring. */
const long = (mark: string | number) => `${mark}`.padEnd(280, ".");
/** Holds four of them, and the notice that always fits. */
const ringBytesMax = 2400;

function logged(count: number, settings = {}): Bench {
  const board = new Bench({ settings: { ringBytesMax, ...settings } });
  for (let i = 1; i <= count; i++) board.console.info(long(i));
  return board;
}

describe("a full ring", () => {
  test("drops the oldest unsent lines, in place, as one notice that says which, and counts them by level", () => {
    const board = logged(6);
    expect(board.agent.stats).toMatchObject({ seq: 6, droppedOldest: 2, droppedNewest: 0 });
    expect(board.agent.look().dropped).toEqual([
      [0, 0, 2, 0, 0],
      [0, 0, 0, 0, 0],
    ]);
    board.time.advance(20);
    board.agent.receive('{"v":1,"hello":1}');
    const cmds = board.takeFrames().flatMap((frame) => frame.cmds);
    expect(cmds[0]).toMatchObject({ id: 2, args: { stream: "loss", msg: loss(1, 2) } });
    expect(cmds.map((one) => one.id)).toEqual([2, 3, 4, 5, 6]);
  });

  test("drops short lines a chunk at a time, each counted with its own level", () => {
    const board = new Bench({ settings: { ringBytesMax } });
    for (let i = 0; i < 200; i++) {
      if (i % 2) board.console.error(`error ${i}`);
      else board.console.debug(`debug ${i}`);
    }
    const [[, debug = 0, , , error = 0] = []] = board.agent.look().dropped;
    expect(board.agent.stats.droppedOldest).toBe(debug + error);
    expect(Math.abs(debug - error)).toBeLessThanOrEqual(1);
    board.agent.receive('{"v":1,"hello":1}');
    board.time.advance(100);
    const cmds = board.takeFrames().flatMap((frame) => frame.cmds);
    expect(cmds[0]?.args.msg).toEqual(loss(1, debug + error));
    expect(cmds.slice(1).map((one) => one.args.msg)).toEqual(
      Array.from({ length: 200 - debug - error }, (_, k) => {
        const i = k + debug + error;
        return `${i % 2 ? "error" : "debug"} ${i}`;
      }),
    );
  });

  test("drops the newest where the setting says so", () => {
    const board = logged(6, { drop: "newest" });
    expect(board.agent.stats).toMatchObject({ seq: 6, droppedOldest: 0, droppedNewest: 2 });
    board.time.advance(100);
    board.ack(2);
    board.ack(4);
    const seen = board.takeFrames().flatMap((frame) => frame.cmds);
    expect(seen.at(-1)).toMatchObject({ id: 6, args: { msg: loss(5, 6) } });
  });

  test("what was sent is never dropped: it comes again as it was, and the loss behind it is told", () => {
    const board = logged(3);
    board.agent.receive('{"v":1,"hello":1}');
    expect(board.takeFrames().flatMap(seqsOf)).toEqual([1, 2, 3]);
    for (let i = 4; i <= 50; i++) board.console.log(long(i));
    const { ringBytes, droppedOldest, droppedNewest } = board.agent.stats;
    expect(ringBytes).toBeLessThanOrEqual(ringBytesMax);
    expect(droppedOldest + droppedNewest).toBeGreaterThan(40);
    board.time.advance(1000);
    board.agent.receive('{"v":1,"hello":1}');
    expect(board.takeFrames().flatMap(seqsOf)).toContain(3);
    board.ack(3);
    for (let turn = 0; turn < 3; turn++) board.time.advance(1000);
    const rest = board.takeFrames().flatMap((frame) => frame.cmds);
    expect(rest.find((one) => one.args.stream === "loss")).toMatchObject({ args: { msg: { first: 4 } } });
    board.ack(50);
    expect(board.agent.stats).toMatchObject({ acked: 50, ringBytes: 0 });
  });

  test("a notice is resent until it is acked, and one that was sent is never extended", () => {
    const board = logged(6);
    board.time.advance(50);
    expect(board.takeFrames()[0]?.cmds[0]).toMatchObject({ id: 2, args: { msg: loss(1, 2) } });
    for (let i = 7; i <= 12; i++) board.console.log(long(i));
    board.time.advance(1000);
    expect(board.takeFrames()[0]?.cmds[0]).toMatchObject({ id: 2, args: { msg: loss(1, 2) } });
  });

  test("memory given back by acks is used again, for as long as one likes", () => {
    const board = new Bench({ settings: { ringBytesMax } });
    for (let i = 1; i <= 2000; i++) {
      board.console.log(`line ${i}`);
      board.time.advance(50);
      board.ack(i);
    }
    expect(board.agent.stats).toMatchObject({
      seq: 2000,
      acked: 2000,
      ringBytes: 0,
      droppedOldest: 0,
      droppedNewest: 0,
    });
  });
});

describe("a link without acks", () => {
  test("a line is forgotten once it was sent, and nothing is sent twice", () => {
    const board = new Bench({ settings: { ack: false } });
    board.console.log("a");
    board.time.advance(50);
    board.console.log("b");
    board.time.advance(60_000);
    const frames = board.takeFrames();
    expect(frames.map(seqsOf)).toEqual([[1], [2]]);
    expect(frames.map((frame) => [frame.ack, frame.first])).toEqual([
      [false, 1],
      [false, 2],
    ]);
    expect(board.agent.stats).toMatchObject({ acked: 2, ringBytes: 0, resentFrames: 0 });
  });

  test("what the link does not take now is kept and dropped by the same rule", () => {
    let open = false;
    const board = new Bench({ settings: { ack: false, ringBytesMax }, send: () => open });
    for (let i = 1; i <= 6; i++) board.console.log(long(i));
    board.time.advance(60_000);
    expect(board.sent).toEqual([]);
    open = true;
    board.agent.ready();
    const cmds = board.takeFrames().flatMap((frame) => frame.cmds);
    expect(cmds[0]?.args.msg).toEqual(loss(1, 2));
    expect(cmds.slice(1).map((one) => one.args.msg)).toEqual([3, 4, 5, 6].map(long));
    expect(board.agent.stats).toMatchObject({ droppedOldest: 2, ringBytes: 0 });
  });
});
