import { describe, expect, test } from "vitest";
import { Bench, msgsOf, seqsOf } from "./agent-bench.ts";

function filled(count: number, settings = {}): Bench {
  const board = new Bench({ settings: { ringBytesMax: 8192, frameBytesMax: 400, ...settings } });
  for (let i = 1; i <= count; i++) board.console.log(`line ${i}`.padEnd(60, "."));
  return board;
}

describe("sending", () => {
  test("a lone line leaves within the flush delay, a burst fills frames", () => {
    const board = new Bench();
    board.console.log("lone");
    board.time.advance(39);
    expect(board.sent.length).toBe(0);
    board.time.advance(1);
    expect(board.sent.length).toBe(1);
    board.takeFrames();
    board.ack(1);
    for (let i = 2; i <= 9; i++) board.console.log(`line ${i}`);
    board.time.advance(40);
    expect(board.takeFrames().map(seqsOf)).toEqual([[2, 3, 4, 5, 6, 7, 8, 9]]);
  });

  test("flush sends at once", () => {
    const board = new Bench();
    board.console.log("now");
    board.agent.flush();
    expect(msgsOf(board.takeFrames()[0])).toEqual(["now"]);
    expect(board.time.advance(500)).toBeUndefined();
    expect(board.sent.length).toBe(0);
  });

  test("a frame says who, which boot, what is still held, and that it wants an ack", () => {
    const board = new Bench({ src: "//lab/pump 1", boot: "3-deadbeef" });
    board.console.log("x");
    board.time.advance(40);
    expect(board.takeFrames()[0]).toEqual({
      v: 1,
      src: "//lab/pump 1",
      boot: "3-deadbeef",
      ack: true,
      first: 1,
      clock: "uptime",
      now: 40,
      cmds: [{ cmd: "/v1/Log.Log", id: 1, args: { msg: "x", uptime: 0 } }],
    });
    expect(board.sent.length).toBe(0);
  });

  test("one frame until somebody answers, then a window of frames, each within its bound", () => {
    const board = filled(40);
    board.time.advance(40);
    expect(board.sent.length).toBe(1);
    const last = seqsOf(board.takeFrames()[0]).at(-1) ?? 0;
    board.ack(last);
    expect(board.sent.length).toBe(4);
    for (const text of board.sent) expect(text.length).toBeLessThanOrEqual(400);
    expect(board.takeFrames().flatMap(seqsOf)[0]).toBe(last + 1);
  });

  test("a link that takes nothing now is asked again when it is ready, not before", () => {
    let open = false;
    let asked = 0;
    const board = new Bench({
      send: () => {
        asked++;
        return open;
      },
    });
    board.console.log("a");
    board.time.advance(40);
    board.console.log("b");
    board.time.advance(60_000);
    expect(asked).toBe(1);
    open = true;
    board.agent.ready();
    board.ack(1);
    expect(board.takeFrames().map(msgsOf)).toEqual([["a"], ["b"]]);
    expect(board.agent.stats).toMatchObject({ frames: 2, resentFrames: 0 });
  });
});

describe("acks", () => {
  test("resends from the oldest with a doubling timeout up to its limit, one frame a turn, and starts again at the least", () => {
    const board = filled(0, { shared: true, silenceMs: 1e9 });
    board.agent.receive('{"v":1,"hello":1}');
    for (let i = 1; i <= 12; i++) board.console.log(`line ${i}`.padEnd(60, "."));
    board.time.advance(40);
    board.takeFrames();
    const times: number[] = [];
    let before = board.time.monotonicMs();
    let lastSeq = 0;
    for (let turn = 0; turn < 8; turn++) {
      while (board.sent.length === 0) board.time.advance(10);
      const frames = board.takeFrames();
      expect(frames.length).toBe(1);
      expect(seqsOf(frames[0])[0]).toBe(1);
      lastSeq = seqsOf(frames[0]).at(-1) ?? 0;
      times.push(Math.round((board.time.monotonicMs() - before) / 1000));
      before = board.time.monotonicMs();
    }
    expect(times).toEqual([1, 2, 4, 8, 16, 30, 30, 30]);
    board.ack(lastSeq);
    board.takeFrames();
    before = board.time.monotonicMs();
    while (board.sent.length === 0) board.time.advance(10);
    expect(board.time.monotonicMs() - before).toBeLessThanOrEqual(1010);
    expect(seqsOf(board.takeFrames()[0])[0]).toBe(lastSeq + 1);
  });

  test("after a timeout it is one frame at a time again, until an ack", () => {
    const board = filled(40);
    board.agent.receive('{"v":1,"hello":1}');
    expect(board.takeFrames().length).toBe(4);
    board.time.advance(1000);
    const frames = board.takeFrames();
    expect(frames.length).toBe(1);
    board.ack(seqsOf(frames[0]).at(-1) ?? 0);
    expect(board.takeFrames().length).toBe(4);
  });

  test("an ack is cumulative; a late or repeated one does no harm", () => {
    const board = new Bench();
    board.agent.receive('{"v":1,"hello":1}');
    for (let i = 1; i <= 6; i++) {
      board.console.log(`line ${i}`);
      if (i % 2 === 0) board.time.advance(40);
    }
    board.ack(4);
    board.ack(2);
    board.ack(4);
    expect(board.agent.stats.acked).toBe(4);
    board.takeFrames();
    board.time.advance(1000);
    const [frame] = board.takeFrames();
    expect(seqsOf(frame)).toEqual([5, 6]);
    expect(frame?.first).toBe(5);
    board.ack(6);
    expect(board.time.pendingCount).toBe(0);
  });

  test("resend goes back at once, and the same call from the frames behind goes back once only", () => {
    const board = filled(40);
    board.time.advance(40);
    const end = seqsOf(board.takeFrames()[0]).at(-1) ?? 0;
    board.ack(end);
    board.takeFrames();
    for (let i = 0; i < 3; i++) board.ack(end, { resend: true });
    const again = board.takeFrames();
    expect(again.length).toBe(4);
    expect(seqsOf(again[0])[0]).toBe(end + 1);
    expect(board.agent.stats.resentFrames).toBe(4);
    board.time.advance(1000);
    board.takeFrames();
    board.ack(end, { resend: true });
    expect(board.takeFrames().length).toBeGreaterThan(0);
  });

  test("an ack for another boot, or above what was ever sent, is no ack", () => {
    const board = filled(3);
    board.time.advance(40);
    board.agent.receive('{"v":1,"boot":"6-c0ffee","ack":3}');
    board.agent.receive(`{"v":1,"boot":"${board.boot}","ack":4}`);
    expect(board.agent.stats).toMatchObject({ acked: 0, badDownlinks: 2 });
  });

  test("a gateway that says hello gets what is not acked at once, whatever the back-off", () => {
    const board = filled(3);
    board.time.advance(40_000);
    board.takeFrames();
    board.agent.receive('{"v":1,"hello":1}');
    expect(board.takeFrames().flatMap(seqsOf)).toEqual([1, 2, 3]);
    board.agent.restart();
    expect(board.takeFrames().flatMap(seqsOf)).toEqual([1, 2, 3]);
  });
});

describe("a wire shared with the console (docs/protocol.md 7.7)", () => {
  const shared = { settings: { shared: true } };

  test("asks at boot, prints plainly and uses no seq until somebody is heard", () => {
    const board = new Bench(shared);
    expect(board.takeFrames()[0]).toMatchObject({ boot: board.boot, ack: true, first: 1, cmds: [] });
    board.console.log("plain");
    board.time.advance(60_000);
    expect(board.takeFrames().map(seqsOf)).toEqual([[], []]);
    expect(board.printed).toEqual(["plain"]);
    expect(board.agent.stats.seq).toBe(0);
    expect(board.time.pendingCount).toBe(0);
  });

  test.each([
    ["a hello", '{"v":1,"hello":1}'],
    ["an ack", '{"v":1,"boot":"7-c0ffee","ack":0}'],
  ])("after %s a line goes as a frame instead of text", (_, text) => {
    const board = new Bench(shared);
    board.console.log("text");
    board.agent.receive(text);
    board.takeFrames();
    board.console.log("framed");
    board.time.advance(40);
    expect(board.takeFrames().flatMap(msgsOf)).toEqual(["framed"]);
    expect(board.printed).toEqual(["text"]);
    expect(board.agent.stats.seq).toBe(1);
  });

  test("prints text again when nobody answers for the silence limit, and sends what it still holds when heard again", () => {
    const board = new Bench(shared);
    board.ack(0);
    board.console.log("framed 1");
    board.time.advance(14_000);
    board.console.log("framed 2");
    board.time.advance(10_000);
    board.console.log("text");
    expect(board.printed).toEqual(["text"]);
    board.takeFrames();
    board.time.advance(100_000);
    // Questions, and no line.
    expect(board.takeFrames().flatMap(msgsOf)).toEqual([]);
    board.agent.receive('{"v":1,"hello":1}');
    expect(board.takeFrames().flatMap(msgsOf)).toEqual(["framed 1", "framed 2"]);
    board.ack(2);
    expect(board.agent.stats).toMatchObject({ seq: 2, acked: 2, ringBytes: 0 });
  });

  test("a wire that is quiet because nothing was logged is not silence", () => {
    const board = new Bench(shared);
    board.ack(0);
    board.time.advance(3_600_000);
    board.console.log("after an hour");
    board.time.advance(2000);
    board.console.log("no answer yet");
    board.time.advance(1000);
    board.ack(1);
    board.console.log("next");
    board.time.advance(100);
    expect(board.printed).toEqual([]);
    expect(board.takeFrames().flatMap(msgsOf)).toContain("next");
  });
});
