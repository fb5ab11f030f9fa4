import { describe, expect, test } from "vitest";
import { Committer } from "../../gateway/committer.ts";
import { GatewayStopping, Pauses } from "../../gateway/pauses.ts";
import type { Reply } from "../../gateway/reply.ts";
import { SourceHistories } from "../../gateway/source-histories.ts";
import { SourceSession } from "../../gateway/source-session.ts";
import { WallClock } from "../../gateway/wall-clock.ts";
import { decodeFrameText } from "../../protocol/frame-decoder.ts";
import { type FrameParts, type LogLine, logFrame } from "../support/frames.ts";
import { virtualWorld } from "../support/gateway-world.ts";

const BOOT = { text: "b1", json: '"b1"' };

function frameOf(text: string) {
  const decoded = decodeFrameText(text);
  if (!decoded.ok) throw new Error(decoded.problem.text);
  return decoded.value;
}

function setUp() {
  const world = virtualWorld();
  const { time, uplink, random, counters } = world;
  const committer = new Committer(world);
  const pauses = new Pauses(time);
  const histories = new SourceHistories(world, async () => true);
  const wallClock = new WallClock(world);
  const session = new SourceSession(
    { pauses, random, uplink, counters, committer, histories, wallClock },
    { project: "default", src: "kitchen", boot: BOOT },
  );
  const replies: Reply[] = [];
  const receiveText = (text: string) =>
    session.receive(frameOf(text), wallClock.receipt(), (reply) => replies.push(reply));
  const receive = (parts: FrameParts, ...lines: LogLine[]) => {
    return receiveText(logFrame({ boot: "b1", ...parts }, lines));
  };
  return { ...world, session, pauses, replies, receive, receiveText };
}

function line(id: number, more: object = {}): LogLine {
  return { id, msg: `line ${id}`, ...more };
}

describe("acks", () => {
  test("come only when the commit is done, one for all frames of a commit", async () => {
    const { uplink, time, replies, receive, session } = setUp();
    let open = (): void => {};
    uplink.gate = () => new Promise((resolve) => (open = resolve));
    await receive({ ack: true }, line(1));
    await time.advanceAsync(0);
    await receive({ ack: true }, line(2));
    await receive({ ack: true }, line(3));
    await time.advanceAsync(5_000);
    expect(replies).toEqual([]);
    expect(session.isIdle).toBe(false);
    open();
    await time.advanceAsync(0);
    expect(replies).toEqual([{ type: "ack", ack: { boot: BOOT, seq: 1 } }]);
    open();
    await time.advanceAsync(0);
    expect(replies.slice(1)).toEqual([{ type: "none" }, { type: "ack", ack: { boot: BOOT, seq: 3 } }]);
    expect(session.isIdle).toBe(true);
  });

  test("a duplicate of what is still being committed waits for that commit", async () => {
    const { uplink, time, replies, receive } = setUp();
    let open = (): void => {};
    uplink.gate = () => new Promise((resolve) => (open = resolve));
    await receive({ ack: true }, line(1));
    await time.advanceAsync(0);
    await receive({ ack: true }, line(1));
    await time.advanceAsync(0);
    expect(replies).toEqual([]);
    open();
    await time.advanceAsync(0);
    expect(replies.at(-1)).toEqual({ type: "ack", ack: { boot: BOOT, seq: 1 } });
    expect(uplink.texts("kitchen")).toEqual(["line 1"]);
    expect(uplink.duplicateCount).toBe(0);
  });

  test("a gap repeats the mark and asks for the rest again; go-back-N fills it", async () => {
    const { uplink, time, replies, receive } = setUp();
    await receive({ ack: true, first: 1 }, line(1));
    await receive({ ack: true, first: 1 }, line(3));
    await time.advanceAsync(0);
    expect(replies.at(-1)).toEqual({ type: "ack", ack: { boot: BOOT, seq: 1, resend: true } });
    await receive({ ack: true, first: 2 }, line(2), line(3));
    await time.advanceAsync(0);
    expect(replies.at(-1)).toEqual({ type: "ack", ack: { boot: BOOT, seq: 3 } });
    expect(uplink.texts("kitchen")).toEqual(["line 1", "line 2", "line 3"]);
  });

  test("a question is acked with the mark that stands, asked from the service once", async () => {
    const { uplink, time, replies, receive } = setUp();
    await uplink.commit([
      {
        project: "default",
        entries: [
          {
            src: "kitchen",
            stream: "console",
            msg: '"x"',
            timestamp: 1,
            received: 1,
            clock: "server",
            boot: "b1",
            seq: 41,
          },
        ],
      },
    ]);
    await receive({ ack: true });
    await receive({});
    await time.advanceAsync(0);
    const mark = { type: "ack", ack: { boot: BOOT, seq: 41 } };
    expect(replies).toEqual([mark, mark]);
    await receive({ ack: true, first: 41 }, line(41), line(42));
    await time.advanceAsync(0);
    expect(replies.at(-1)).toEqual({ type: "ack", ack: { boot: BOOT, seq: 42 } });
    expect(uplink.texts("kitchen")).toEqual(["x", "line 42"]);
  });

  test("a link without acks gets none, and its gaps are recorded at once", async () => {
    const { uplink, time, replies, receive } = setUp();
    await receive({ ack: false }, line(1));
    await receive({ ack: false }, line(5));
    await time.advanceAsync(0);
    expect(replies).toEqual([{ type: "none" }, { type: "none" }]);
    expect(uplink.entries.map(({ seq, lost }) => seq ?? lost)).toEqual([
      1,
      { boot: "b1", first: 2, last: 4 },
      5,
    ]);
  });

  test("while the service is away the mark is asked again, and nothing is acked", async () => {
    const { uplink, time, replies, receive } = setUp();
    uplink.isAway = true;
    void receive({ ack: true }, line(1));
    void receive({ ack: true }, line(2));
    await time.advanceAsync(30_000);
    expect(replies).toEqual([]);
    uplink.isAway = false;
    await time.advanceAsync(10_000);
    expect(replies.at(-1)).toEqual({ type: "ack", ack: { boot: BOOT, seq: 2 } });
    expect(uplink.texts("kitchen")).toEqual(["line 1", "line 2"]);
  });

  test("a stop while the mark is being asked refuses the frame and leaves no timer", async () => {
    const { uplink, time, receive, pauses, session } = setUp();
    uplink.isAway = true;
    const first = expect(receive({ ack: true }, line(1))).rejects.toBeInstanceOf(GatewayStopping);
    const second = expect(receive({ ack: true }, line(2))).rejects.toBeInstanceOf(GatewayStopping);
    await time.advanceAsync(1_000);
    pauses.end();
    await Promise.all([first, second]);
    await time.advanceAsync(0);
    expect(time.pendingCount).toBe(0);
    expect(session.isIdle).toBe(true);
  });
});

describe("answers to plain frames with boot", () => {
  test("0 for durable and for a duplicate, 409 with the expected seq after a gap, 400 for what is wrong", async () => {
    const { time, replies, receive } = setUp();
    await receive({}, line(1), line(2));
    await receive({}, line(2), { id: 3, msg: 7 }, line(5));
    await time.advanceAsync(0);
    expect(replies).toEqual([
      {
        type: "answers",
        answers: [
          { id: 1, status: 0 },
          { id: 2, status: 0 },
        ],
      },
      {
        type: "answers",
        answers: [
          { id: 2, status: 0 },
          { id: 3, status: 400, text: "msg: must be a string, an object or an array" },
          { id: 5, status: 409, text: "id: after a gap; seq 4 of boot b1 is expected next" },
        ],
      },
    ]);
  });

  test("a refused command uses up its seq and becomes a loss record that says why", async () => {
    const { uplink, time, receive, counters } = setUp();
    await receive({ ack: true }, line(1), { id: 2, msg: "x", level: "loud" }, line(3));
    await time.advanceAsync(0);
    expect(uplink.entries.map(({ stream, seq }) => [stream, seq])).toEqual([
      ["console", 1],
      ["loss", 2],
      ["console", 3],
    ]);
    expect(JSON.parse(uplink.entries[1]?.msg ?? "")).toEqual({
      boot: "b1",
      first: 2,
      last: 2,
      count: 1,
      where: "gateway",
      why: "refused: level: must be debug, info, warn or error",
    });
    expect(counters.values().gateway_refused_seqs_total).toBe(1);
  });

  test("nobody logs as somebody else over his own link", async () => {
    const { uplink, time, replies, receive } = setUp();
    await receive({}, line(1, { src: "cellar" }), line(2, { src: "//any/kitchen" }));
    await time.advanceAsync(0);
    expect(replies[0]).toMatchObject({
      answers: [
        { id: 1, status: 403 },
        { id: 2, status: 0 },
      ],
    });
    expect(uplink.entries.map(({ src, stream }) => [src, stream])).toEqual([
      ["kitchen", "loss"],
      ["kitchen", "console"],
    ]);
  });
});

describe("losses", () => {
  test("a drop notice of the board is a loss record in its place", async () => {
    const { uplink, time, receive, replies } = setUp();
    const msg = { first: 2, last: 4, count: 3, where: "agent", why: "ring full" };
    await receive({ ack: true }, line(1), { id: 4, stream: "loss", msg }, line(5));
    await time.advanceAsync(0);
    expect(uplink.entries.map(({ seq, lost }) => [seq, lost])).toEqual([
      [1, undefined],
      [4, { boot: "b1", first: 2, last: 4 }],
      [5, undefined],
    ]);
    expect(replies.at(-1)).toEqual({ type: "ack", ack: { boot: BOOT, seq: 5 } });
  });

  test("what the board no longer holds is recorded as lost on the link", async () => {
    const { uplink, time, receive, counters } = setUp();
    await receive({ ack: true, first: 10 }, line(10));
    await time.advanceAsync(0);
    expect(uplink.entries[0]).toMatchObject({ stream: "loss", lost: { first: 1, last: 9 }, level: "warn" });
    expect(counters.values().gateway_lost_on_link_seqs_total).toBe(9);
  });
});

describe("time", () => {
  test("uptime becomes UTC that never falls within the boot, with the uptime beside it", async () => {
    const { uplink, time, receive } = setUp();
    await time.advanceAsync(100_000);
    const bootWallMs = time.wallMs() - 60_000;
    // The first frame took 800 ms, the second 20 ms: the second shows that the first came late.
    await receive({ clock: "uptime", now: 59_200, ack: true }, line(1, { uptime: 59_000 }));
    await time.advanceAsync(300);
    await receive(
      { clock: "uptime", now: 60_280, ack: true },
      line(2, { uptime: 59_100 }),
      line(3, { uptime: 60_200 }),
    );
    await time.advanceAsync(0);
    expect(
      uplink.entries.map(({ timestamp, uptime, clock }) => [timestamp - bootWallMs, uptime, clock]),
    ).toEqual([
      [59_800, 59_000, "estimated"],
      [59_800, 59_100, "estimated"],
      [60_220, 60_200, "estimated"],
    ]);
  });

  test("a board that knows UTC is believed, and the receipt is kept beside it", async () => {
    const { uplink, time, receive } = setUp();
    await receive({ ack: true }, line(1, { timestamp: 5 }), line(2));
    await time.advanceAsync(0);
    expect(uplink.entries).toMatchObject([
      { timestamp: 5, clock: "device", received: time.wallMs() },
      { timestamp: time.wallMs(), clock: "server" },
    ]);
  });
});

describe("compact frames", () => {
  test("are stored as the same lines in plain frames are, in any order of the two", async () => {
    const { uplink, time, replies, receiveText, receive } = setUp();
    const now = time.wallMs();
    await receiveText(`["@b1",1,0,${now},0,2,"line 1",null,"net",3,"line 2"]`);
    await receive({ ack: true }, line(3, { timestamp: now, level: "warn" }));
    await receiveText(`["@b1",4,0,${now},0,"line 4",10,"line 5"]`);
    await time.advanceAsync(0);
    const common = { src: "kitchen", stream: "console", received: now, clock: "device", boot: "b1" };
    expect(uplink.entries).toEqual([
      { ...common, seq: 1, msg: '"line 1"', timestamp: now, level: "info" },
      { ...common, seq: 2, msg: '"line 2"', timestamp: now, level: "warn", module: "net" },
      { ...common, seq: 3, msg: '"line 3"', timestamp: now, level: "warn" },
      { ...common, seq: 4, msg: '"line 4"', timestamp: now },
      { ...common, seq: 5, msg: '"line 5"', timestamp: now + 2 },
    ]);
    expect(replies.at(-1)).toEqual({ type: "ack", ack: { boot: expect.objectContaining(BOOT), seq: 5 } });
  });

  test("that come again are duplicates, in part or whole; behind a gap they come again", async () => {
    const { uplink, time, receiveText, counters, replies } = setUp();
    await receiveText('["@b1",1,0,1763784000000,0,"line 1","line 2"]');
    await receiveText('["@b1",1,0,1763784000000,0,"line 1","line 2"]');
    await receiveText('["@b1",2,0,1763784000000,0,"line 2","line 3"]');
    await receiveText('["@b1",3,2,1763784000000,0,"line 5"]');
    await time.advanceAsync(0);
    expect(uplink.texts("kitchen")).toEqual(["line 1", "line 2", "line 3"]);
    expect(replies.at(-1)).toMatchObject({ type: "ack", ack: { seq: 3, resend: true } });
    expect(counters.values().gateway_duplicate_seqs_total).toBe(3);
    expect(counters.values().gateway_conflicting_seqs_total).toBeUndefined();
    expect(replies.length).toBe(4);
  });

  test("are known again in plain frames, by what their lines say", async () => {
    const { time, receiveText, receive, counters } = setUp();
    await receiveText('["@b1",1,0,1763784000000,0,2,"line 1",3,"line 2","line 3"]');
    await receive(
      { ack: true },
      line(1, { level: "info" }),
      line(2, { level: "info" }),
      line(3, { level: "warn", module: "net" }),
    );
    await time.advanceAsync(0);
    expect(counters.values().gateway_duplicate_seqs_total).toBe(3);
    expect(counters.values().gateway_conflicting_seqs_total).toBe(2);
  });

  test("with uptimes are dated by the board's clock", async () => {
    const { uplink, time, receiveText } = setUp();
    await time.advanceAsync(100_000);
    const bootWallMs = time.wallMs() - 60_000;
    await receiveText('["@b1",1,0,59000,1000,"line 1",2500,"line 2"]');
    await time.advanceAsync(0);
    expect(
      uplink.entries.map(({ timestamp, uptime, clock }) => [timestamp - bootWallMs, uptime, clock]),
    ).toEqual([
      [59_000, 59_000, "estimated"],
      [59_500, 59_500, "estimated"],
    ]);
  });
});
