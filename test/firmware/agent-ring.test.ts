import { describe, expect, test } from "vitest";
import { Bench, msgsOf, seqsOf } from "./agent-bench.ts";

const loss = (first: number, last: number) => ({
  where: "agent",
  first,
  last,
  count: last - first + 1,
  why: "ring full",
});

/** 100 bytes in the ring: 32 of bookkeeping, `0u0,` and two quotes. */
const line100 = (mark: string) => mark.padEnd(62, ".");

describe("a full ring", () => {
  test("drops the oldest unsent lines, in place, as one notice that says which", () => {
    const board = new Bench({ settings: { ringBytesMax: 464 } });
    for (let i = 1; i <= 6; i++) board.console.log(line100(`${i}`));
    expect(board.agent.stats).toMatchObject({ seq: 6, droppedOldest: 2, droppedNewest: 0, ringBytes: 432 });
    board.time.advance(100);
    const [frame] = board.takeFrames();
    expect(seqsOf(frame)).toEqual([2, 3, 4, 5, 6]);
    expect(frame?.first).toBe(1);
    expect(frame?.cmds[0]?.args).toMatchObject({ stream: "loss", msg: loss(1, 2), uptime: 0 });
  });

  test("drops the newest where the setting says so", () => {
    const board = new Bench({ settings: { ringBytesMax: 440, drop: "newest" } });
    for (let i = 1; i <= 6; i++) board.console.log(line100(`${i}`));
    expect(board.agent.stats).toMatchObject({ seq: 6, droppedOldest: 0, droppedNewest: 2, ringBytes: 432 });
    board.time.advance(100);
    // The notice stands in the ring's reserve until an ack makes room for another.
    expect(seqsOf(board.takeFrames()[0])).toEqual([1, 2, 3, 4]);
    board.ack(4);
    const [frame] = board.takeFrames();
    expect(seqsOf(frame)).toEqual([6]);
    expect(frame?.cmds[0]?.args.msg).toEqual(loss(5, 6));
  });

  test("that was sent whole and not acked drops the newest, and never touches what was sent", () => {
    const board = new Bench({ settings: { ringBytesMax: 440 } });
    for (let i = 1; i <= 4; i++) board.console.log(line100(`${i}`));
    board.time.advance(50);
    expect(seqsOf(board.takeFrames()[0])).toEqual([1, 2, 3, 4]);
    for (let i = 5; i <= 50; i++) board.console.log(line100(`${i}`));
    expect(board.agent.stats).toMatchObject({ droppedOldest: 0, droppedNewest: 46, ringBytes: 432 });
    board.time.advance(1000);
    expect(msgsOf(board.takeFrames()[0])).toEqual([1, 2, 3, 4].map((i) => line100(`${i}`)));
    board.ack(4);
    expect(board.takeFrames()[0]?.cmds[0]).toMatchObject({ id: 50, args: { msg: loss(5, 50) } });
    board.ack(50);
    expect(board.agent.stats).toMatchObject({ acked: 50, ringBytes: 0 });
  });

  test("a notice is resent until it is acked, and one that was sent is never extended", () => {
    const board = new Bench({ settings: { ringBytesMax: 464 } });
    for (let i = 1; i <= 7; i++) board.console.log(line100(`${i}`));
    board.time.advance(50);
    expect(seqsOf(board.takeFrames()[0])).toEqual([3, 4, 5, 6, 7]);
    for (let i = 8; i <= 9; i++) board.console.log(line100(`${i}`));
    board.time.advance(1000);
    const [again] = board.takeFrames();
    expect(again?.cmds[0]).toMatchObject({ id: 3, args: { msg: loss(1, 3) } });
    board.ack(7);
    expect(board.takeFrames()[0]?.cmds[0]).toMatchObject({ id: 9, args: { msg: loss(8, 9) } });
  });

  test("a line that no dropping could make room for is dropped itself and costs no other line", () => {
    const board = new Bench({ settings: { ringBytesMax: 464 } });
    for (let i = 1; i <= 3; i++) board.console.log(line100(`${i}`));
    board.time.advance(50);
    board.takeFrames();
    board.console.log("small");
    board.console.log("z".repeat(200));
    expect(board.agent.stats).toMatchObject({ droppedOldest: 0, droppedNewest: 1 });
    board.ack(3);
    board.time.advance(50);
    expect(board.takeFrames()[0]?.cmds.map((one) => one.args.msg)).toEqual(["small", loss(5, 5)]);
  });

  test("notices that come to stand side by side unsent become one", () => {
    const board = new Bench({ settings: { ringBytesMax: 480 } });
    board.console.log(line100("1"));
    board.time.advance(50);
    board.takeFrames();
    for (let i = 2; i <= 4; i++) board.console.log(line100(`${i}`));
    for (let i = 5; i <= 6; i++) board.console.log("w".repeat(350));
    for (let i = 7; i <= 9; i++) board.console.log(line100(`${i}`));
    board.ack(1);
    board.time.advance(50);
    const [frame] = board.takeFrames();
    expect(seqsOf(frame)).toEqual([6, 7, 8, 9]);
    expect(frame?.cmds[0]?.args.msg).toEqual(loss(2, 6));
    expect(board.agent.stats).toMatchObject({ droppedOldest: 3, droppedNewest: 2 });
  });

  test("memory given back by acks is used again, for as long as one likes", () => {
    const board = new Bench({ settings: { ringBytesMax: 1024 } });
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
    for (let i = 1; i <= 30; i++) board.console.log(line100(`${i}`));
    expect(board.agent.stats.droppedOldest).toBeGreaterThan(15);
    expect(board.agent.stats.droppedNewest).toBe(0);
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
    const board = new Bench({ settings: { ack: false, ringBytesMax: 464 }, send: () => open });
    for (let i = 1; i <= 6; i++) board.console.log(line100(`${i}`));
    board.time.advance(60_000);
    expect(board.sent).toEqual([]);
    open = true;
    board.agent.ready();
    expect(seqsOf(board.takeFrames()[0])).toEqual([2, 3, 4, 5, 6]);
    expect(board.agent.stats).toMatchObject({ droppedOldest: 2, ringBytes: 0 });
  });
});
