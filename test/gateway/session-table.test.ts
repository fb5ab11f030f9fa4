import { describe, expect, test } from "vitest";
import { Committer } from "../../gateway/committer.ts";
import { Pauses } from "../../gateway/pauses.ts";
import { SeldomLog } from "../../gateway/seldom-log.ts";
import { SessionTable } from "../../gateway/session-table.ts";
import { SourceHistories } from "../../gateway/source-histories.ts";
import { WallClock } from "../../gateway/wall-clock.ts";
import { decodeFrameText } from "../../protocol/frame-decoder.ts";
import { logFrame } from "../support/frames.ts";
import { virtualWorld } from "../support/gateway-world.ts";

function setUp(sessionsMax: number) {
  const world = virtualWorld();
  const committer = new Committer(world);
  const histories = new SourceHistories(world, async () => true);
  const wallClock = new WallClock(world);
  const pauses = new Pauses(world.time);
  const table = new SessionTable({ ...world, committer, pauses, histories, wallClock }, { sessionsMax });
  const session = (src: string, boot = "b") =>
    table.get({ project: "default", src, boot: { text: boot, json: JSON.stringify(boot) } });
  return { ...world, table, session };
}

describe("the table of sessions", () => {
  test("keeps one session for each project, source and boot", () => {
    const { session } = setUp(10);
    expect(session("a")).toBe(session("a"));
    expect(session("a", "1")).not.toBe(session("a", "2"));
    expect(session("a b", "c")).not.toBe(session("a", "b c"));
  });

  test("boots of one source that are heard in turn keep their sessions", () => {
    const { session } = setUp(10);
    const [first, second] = [session("a", "1"), session("a", "2")];
    expect(session("a", "1")).toBe(first);
    expect(session("a", "2")).toBe(second);
  });

  test("endless boots do not grow it: the one not used for longest goes", () => {
    const { session, table, counters } = setUp(3);
    const [first, second] = [session("1"), session("2")];
    for (let index = 0; index < 1000; index++) {
      session("x", `${index}`);
      expect(session("1")).toBe(first);
    }
    expect(table.count).toBe(3);
    expect(session("2")).not.toBe(second);
    expect(counters.values().gateway_evicted_sessions_total).toBe(1000);
  });

  test("a session that waits for its commit is not forgotten; full of such, a new one is refused and counted", async () => {
    const { session, time, uplink, counters } = setUp(2);
    let open = (): void => {};
    uplink.gate = () => new Promise((resolve) => (open = resolve));
    const frame = decodeFrameText(logFrame({ boot: "b", ack: true }, [{ id: 1, msg: "x" }]));
    if (!frame.ok) throw new Error(frame.problem.text);
    const busy = [session("1"), session("2")];
    for (const each of busy)
      void each?.receive(frame.value, { wallMs: 1, monotonicMs: 1, isWallSet: true }, () => {});
    await time.advanceAsync(0);
    expect(session("3")).toBeUndefined();
    expect(counters.values().gateway_sessions_full_frames_total).toBe(1);
    open();
    await time.advanceAsync(0);
    expect(session("3")).toBeDefined();
  });
});

describe("warnings that bad input can cause", () => {
  test("each kind is said once a minute, with how many were held back", () => {
    const { log, time } = virtualWorld();
    const seldom = new SeldomLog(log, time);
    for (let index = 0; index < 100; index++) seldom.warn("a", { n: index }, "bad");
    seldom.warn("b", {}, "other");
    time.advance(60_000);
    seldom.warn("a", { n: 100 }, "bad");
    expect(log.lines.map(({ fields, text }) => [text, fields])).toEqual([
      ["bad", { n: 0 }],
      ["other", {}],
      ["bad", { n: 100, heldBackCount: 99 }],
    ]);
  });
});
