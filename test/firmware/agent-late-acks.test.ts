import { describe, expect, test } from "vitest";
import { VirtualTime } from "../../sim/virtual-time.ts";
import { Bench, frameOf, msgsOf, seqsOf } from "./agent-bench.ts";

/** A board whose one line was acked so late. */
function ackedAfter(lateMs: number): Bench {
  const board = new Bench({ settings: { ringBytesMax: 8192 } });
  board.console.log("first");
  board.time.advance(lateMs);
  board.takeFrames();
  board.ack(1);
  return board;
}

describe("acks that come late, since the link queues (docs/protocol.md 5.6)", () => {
  test("a line is sent again after twice the time that the ack before took, and no sooner", () => {
    const board = ackedAfter(3000);
    board.console.log("second");
    board.time.advance(40);
    expect(board.takeFrames().map(msgsOf)).toEqual([["second"]]);
    board.time.advance(5990);
    expect(board.sent).toEqual([]);
    board.time.advance(20);
    expect(board.takeFrames().map(msgsOf)).toEqual([["second"]]);
  });

  test("one quick ack, and it is the least time again", () => {
    const board = ackedAfter(3000);
    board.console.log("second");
    board.time.advance(100);
    board.ack(2);
    board.takeFrames();
    board.console.log("third");
    board.time.advance(40);
    expect(board.takeFrames().map(msgsOf)).toEqual([["third"]]);
    board.time.advance(1000);
    expect(board.takeFrames().map(msgsOf)).toEqual([["third"]]);
  });

  test("however late an ack was, it is waited for 30 s at most", () => {
    const board = ackedAfter(3_600_000);
    board.console.log("second");
    board.time.advance(40);
    board.takeFrames();
    board.time.advance(30_000);
    expect(board.takeFrames().map(msgsOf)).toEqual([["second"]]);
  });

  test("an ack of what was acked before, as a line sent twice brings it, sends nothing and shortens no wait", () => {
    const board = ackedAfter(100);
    for (const line of ["second", "third", "fourth"]) {
      board.console.log(line);
      board.time.advance(40);
    }
    // Lone frames: 2, 3 and 4; then 2 again, and once more.
    board.time.advance(2920);
    expect(board.takeFrames().map(seqsOf)).toEqual([[2], [3], [4], [2], [2]]);
    for (let i = 0; i < 5; i++) board.ack(1);
    expect(board.sent).toEqual([]);
    board.time.advance(3900);
    expect(board.sent).toEqual([]);
    board.time.advance(200);
    expect(board.takeFrames().map(seqsOf)).toEqual([[2]]);
  });

  test("lines that come one by one meanwhile wait for each other, and go with the ack, or when a frame is full", () => {
    const board = ackedAfter(2000);
    for (const line of ["second", "third", "fourth"]) {
      board.console.log(line);
      board.time.advance(500);
    }
    expect(board.takeFrames().map(msgsOf)).toEqual([["second"]]);
    board.ack(2);
    expect(board.takeFrames().map(msgsOf)).toEqual([["third", "fourth"]]);
    for (let i = 5; i <= 40; i++) board.console.log(`line ${i} ${"x".repeat(60)}`);
    board.time.advance(40);
    expect(board.takeFrames().length).toBe(3);
  });

  test("on a wire of its own a board goes by its least time, however late an ack was", () => {
    const board = new Bench({ settings: { shared: true, silenceMs: 1e9 } });
    board.agent.receive('{"v":1,"hello":1}');
    board.console.log("first");
    board.time.advance(3000);
    board.ack(1);
    board.takeFrames();
    for (const line of ["second", "third"]) {
      board.console.log(line);
      board.time.advance(40);
    }
    expect(board.takeFrames().map(msgsOf)).toEqual([["second"], ["third"]]);
    board.time.advance(1000);
    expect(board.takeFrames().map(msgsOf)).toEqual([["second"]]);
  });
});

describe("many boards on one gateway that stands still for a while", () => {
  /** Boards that log a lone line now and then, and a gateway that takes their frames one by one, in the order they came. */
  function stalled(stallMs: number): { lagMs: number; framesSent: number; lines: number } {
    const [boards, periodMs, serveMs, loadMs] = [50, 1000, 12, 120_000];
    const time = new VirtualTime();
    const queue: { board: number; frame: string }[] = [];
    let framesSent = 0;
    let [isOn, lines] = [true, 0];
    const marks = Array.from({ length: boards }, () => 0);
    const all = marks.map(
      (_, board) =>
        new Bench({
          time,
          boot: `${board}-a`,
          send: (frame) => {
            framesSent++;
            queue.push({ board, frame });
            return true;
          },
        }),
    );
    time.every(serveMs, () => {
      const next = isOn ? queue.shift() : undefined;
      if (next === undefined) return;
      const { board, frame } = next;
      const seqs = seqsOf(frameOf(frame));
      const [first = 0, last = 0] = [seqs[0], seqs.at(-1)];
      const mark = marks[board] ?? 0;
      if (first <= mark + 1) marks[board] = Math.max(mark, last);
      all[board]?.ack(marks[board] ?? 0, first > mark + 1 ? { resend: true } : {});
    });
    for (let elapsedMs = 0; elapsedMs < loadMs; elapsedMs += periodMs / boards) {
      if (elapsedMs === 20_000) isOn = false;
      if (elapsedMs === 20_000 + stallMs) isOn = true;
      all[lines++ % boards]?.console.log("a lone line");
      time.advance(periodMs / boards);
    }
    return { lagMs: queue.length * serveMs, framesSent, lines };
  }

  test.each([0, 4_000, 20_000])(
    "it works off what came meanwhile, and is on time again: %d ms",
    (stallMs) => {
      const { lagMs, framesSent, lines } = stalled(stallMs);
      expect(lagMs).toBeLessThan(100);
      expect(framesSent).toBeLessThan(1.1 * lines);
    },
  );
});
