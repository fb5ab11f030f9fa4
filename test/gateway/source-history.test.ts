import { describe, expect, test } from "vitest";
import { GatewayCore } from "../../gateway/gateway-core.ts";
import type { Timers } from "../../host/clock.ts";
import { FaultyDisk } from "../../sim/faulty-disk.ts";
import { ProcessLife } from "../../sim/process-life.ts";
import type { LogLine } from "../support/frames.ts";
import { virtualWorld } from "../support/gateway-world.ts";
import { HandLink } from "../support/hand-link.ts";

type World = Omit<ReturnType<typeof virtualWorld>, "timers"> & {
  readonly timers: Timers;
  readonly disk?: FaultyDisk;
};

async function gateway(world: World = virtualWorld()) {
  const core = new GatewayCore(world);
  const link = new HandLink();
  await core.addTopics(link);
  const { time, uplink, counters } = world;
  const say = async (boot: string, lines: readonly LogLine[], first = 1): Promise<void> => {
    void link.frame("pump", { boot, ack: true, first }, lines);
    await time.advanceAsync(10);
  };
  const losses = () =>
    uplink.entries.filter(({ stream }) => stream === "loss").map(({ msg }) => JSON.parse(msg));
  const count = (name: string): number => counters.values()[name] ?? 0;
  return { ...world, core, link, say, losses, count };
}

/** A gateway's processes one after the other, on one disk. */
function gatewayLives() {
  const world = virtualWorld();
  const disk = new FaultyDisk(world.random);
  let life: ProcessLife | undefined;
  return {
    disk,
    begin: () => {
      life = new ProcessLife(world.time);
      return gateway({ ...world, timers: life, disk });
    },
    /** kill -9. */
    kill: () => {
      life?.kill();
      disk.kill();
    },
  };
}

function line(id: number, msg = `line ${id}`, more: object = {}): LogLine {
  return { id, msg, ...more };
}

describe("two lines under one seq", () => {
  test("the first is kept, and a record says under which seq another one came", async () => {
    const { say, uplink, losses, count, link } = await gateway();
    await say("b", [line(1), line(2), line(3)]);
    await say("b", [line(1, "other 1"), line(2, "other 2"), line(3)]);
    expect(uplink.texts("pump")).toEqual(["line 1", "line 2", "line 3"]);
    expect(losses()).toEqual([
      {
        boot: "b",
        first: 1,
        last: 2,
        count: 2,
        where: "gateway",
        why: expect.stringContaining("two boards with one name and boot"),
      },
    ]);
    expect(count("gateway_conflicting_seqs_total")).toBe(2);
    expect(link.ackOf("pump", "b")).toBe(3);
  });

  test("is told once for each seq, and for so many seqs of a boot; the counter goes on", async () => {
    const { say, losses, count } = await gateway();
    const own = Array.from({ length: 100 }, (_, index) => line(index + 1));
    const others = Array.from({ length: 100 }, (_, index) => line(index + 1, `other ${index}`));
    await say("b", own);
    for (let turn = 0; turn < 3; turn++) await say("b", others);
    expect(losses()).toMatchObject([{ first: 1, last: 64, why: expect.stringContaining("counted only") }]);
    expect(count("gateway_conflicting_seqs_total")).toBe(300);
  });

  test("another level, module or stream is another line; another time is the same", async () => {
    const { say, count } = await gateway();
    const sent = [line(1), line(2), line(3), line(4, "line 4", { uptime: 5 })];
    await say("b", sent);
    await say("b", [
      line(1, "line 1", { level: "warn" }),
      line(2, "line 2", { module: "net" }),
      line(3, "line 3", { stream: "events" }),
      line(4, "line 4", { timestamp: 1_700_000_000_000 }),
    ]);
    expect(count("gateway_conflicting_seqs_total")).toBe(3);
  });

  test("one letter makes another line, wherever it stands in a long one, and in any script", async () => {
    const { say, count, losses } = await gateway();
    const long = (unit: string, at: number): string => `${"я".repeat(at)}${unit}${"x".repeat(5_000 - at)}`;
    const places = [0, 1, 2, 3, 1_023, 1_024, 1_025, 4_999];
    const lines = (unit: string): LogLine[] => places.map((at, index) => line(index + 1, long(unit, at)));
    await say("b", lines("а"));
    await say("b", lines("а"));
    expect(count("gateway_conflicting_seqs_total")).toBe(0);
    await say("b", lines("0"));
    expect(count("gateway_conflicting_seqs_total")).toBe(places.length);
    expect(losses()).toMatchObject([{ first: 1, last: places.length }]);
  });

  test("what comes again as it was, or as part of a drop notice, is no conflict", async () => {
    const { say, count } = await gateway();
    const drop = { first: 2, last: 3, count: 2, where: "agent", why: "ring full" };
    const lines = [line(1), { id: 3, stream: "loss", msg: drop }, line(4), { id: 5, msg: 7 }, line(6)];
    await say("b", lines);
    await say("b", lines);
    await say("b", [line(3, "once sent, then dropped")]);
    expect(count("gateway_conflicting_seqs_total")).toBe(0);
    expect(count("gateway_duplicate_seqs_total")).toBe(5);
  });
});

describe("two boards under one name", () => {
  test("whose boots go on side by side are told of once, in the source's own log", async () => {
    const { say, uplink, time, count } = await gateway();
    for (let turn = 1; turn <= 20; turn++) {
      await say("a", [line(turn)], turn);
      await time.advanceAsync(10_000);
      await say("b", [line(turn)], turn);
      await time.advanceAsync(10_000);
    }
    expect(count("gateway_cloned_sources_total")).toBe(1);
    const notices = uplink.entries.filter(({ stream }) => stream === "notice");
    expect(notices).toMatchObject([{ src: "pump", level: "warn" }]);
    expect(notices[0]?.msg).toMatch(/boots [ab] and [ab] go on side by side/);
    expect(uplink.texts("pump")).toHaveLength(40);
  });

  test("a board that starts anew again and again is one board", async () => {
    const { say, time, count } = await gateway();
    for (let boot = 1; boot <= 50; boot++) {
      await say(`boot-${boot}`, [line(1), line(2)]);
      await time.advanceAsync(10_000);
    }
    expect(count("gateway_cloned_sources_total")).toBe(0);
  });

  test("what a broker kept of the boot before and brings between new lines is no second board", async () => {
    const { say, count } = await gateway();
    for (let seq = 1; seq <= 20; seq++) {
      await say("old", [line(seq)]);
      await say("new", [line(seq)]);
    }
    expect(count("gateway_cloned_sources_total")).toBe(0);
  });
});

describe("a board's clock", () => {
  test("that is far off is told of once in a boot, and its times are kept", async () => {
    const { link, time, uplink, count } = await gateway();
    const say = async (boot: string, id: number, now: number): Promise<void> => {
      void link.frame("pump", { boot, ack: true, first: id, clock: "utc", now }, [
        { id, msg: "x", timestamp: now },
      ]);
      await time.advanceAsync(10);
    };
    const yearMs = 365 * 86_400_000;
    await say("b", 1, time.wallMs() + 3 * 3_600_000);
    expect(count("gateway_odd_clocks_total")).toBe(0);
    const oddMs = time.wallMs() - yearMs;
    await say("b", 2, oddMs);
    await say("b", 3, oddMs + 20);
    await say("c", 1, time.wallMs() + yearMs);
    const notices = uplink.entries
      .filter(({ stream }) => stream === "notice")
      .map(({ msg }) => JSON.parse(msg));
    expect(notices).toEqual([
      "the board's clock is 365 days behind the gateway's in boot b; its times are kept as they are",
      "the board's clock is 365 days ahead of the gateway's in boot c; its times are kept as they are",
    ]);
    expect(uplink.entries.find(({ seq }) => seq === 2)).toMatchObject({ timestamp: oddMs, clock: "device" });
    expect(count("gateway_odd_clocks_total")).toBe(2);
  });
});

describe("a gap that is never filled", () => {
  test("becomes a loss record once the board has started anew and the old boot is silent", async () => {
    const { say, losses, time, uplink, count } = await gateway();
    await say("old", [line(1), line(2)]);
    await say("old", [line(5), line(6)]);
    await say("new", [line(1)]);
    await time.advanceAsync(60_000);
    expect(losses()).toEqual([]);
    await say("new", [line(2)], 2);
    await time.advanceAsync(120_000);
    expect(losses()).toEqual([
      {
        boot: "old",
        first: 3,
        last: 6,
        count: 4,
        where: "link",
        why: "the board started anew before these came again",
      },
    ]);
    expect(await uplink.mark("default", "pump", "old")).toBe(6);
    expect(count("gateway_lost_on_link_seqs_total")).toBe(4);
    expect(time.pendingCount).toBe(0);
  });

  test("that is filled in time is no loss, and leaves nothing behind", async () => {
    const { say, losses, time, uplink } = await gateway();
    await say("old", [line(1)]);
    await say("old", [line(3)]);
    await say("new", [line(1)]);
    await time.advanceAsync(100_000);
    await say("old", [line(2), line(3)]);
    await time.advanceAsync(1_000_000);
    expect(losses()).toEqual([]);
    expect(uplink.texts("pump")).toEqual(["line 1", "line 1", "line 2", "line 3"]);
    expect(time.pendingCount).toBe(0);
  });

  test("of a board that stays away without starting anew is given up after a week", async () => {
    const { say, losses, time } = await gateway();
    await say("old", [line(2)]);
    await time.advanceAsync(6 * 86_400_000);
    expect(losses()).toEqual([]);
    await time.advanceAsync(86_400_000 + 60_000);
    expect(losses()).toMatchObject([{ boot: "old", first: 1, last: 2, where: "link" }]);
  });

  test("is not given up while a second board under the name sends the newer lines", async () => {
    const { say, losses, time } = await gateway();
    for (let turn = 1; turn <= 10; turn++) {
      await say("a", [line(turn)], turn);
      await time.advanceAsync(10_000);
      await say("b", [line(turn)], turn);
      await time.advanceAsync(10_000);
    }
    await say("a", [line(12)], 11);
    for (let turn = 11; turn < 40; turn++) {
      await say("b", [line(turn)], turn);
      await time.advanceAsync(10_000);
    }
    expect(losses()).toEqual([]);
  });

  test.each(["a stop", "a kill"])("is a loss record also after %s and a new start", async (end) => {
    const lives = gatewayLives();
    const before = await lives.begin();
    const { time } = before;
    await before.say("old", [line(1), line(2)]);
    await before.say("old", [line(5), line(6)]);
    await time.advanceAsync(10_000);
    if (end === "a stop") {
      void before.core.stop();
      await time.advanceAsync(3_000);
    }
    lives.kill();
    const after = await lives.begin();
    await after.say("new", [line(1)]);
    await time.advanceAsync(200_000);
    expect(after.losses()).toEqual([
      {
        boot: "old",
        first: 3,
        last: 6,
        count: 4,
        where: "link",
        why: "the board started anew before these came again",
      },
    ]);
    lives.kill();
    const third = await lives.begin();
    await third.say("new", [line(2)], 2);
    await time.advanceAsync(8 * 86_400_000);
    expect(third.losses()).toHaveLength(1);
  });

  test("waits a week in all, however often the gateway starts anew", async () => {
    const lives = gatewayLives();
    let present = await lives.begin();
    const { time } = present;
    await present.say("old", [line(2)]);
    for (let day = 1; day <= 6; day++) {
      await time.advanceAsync(86_400_000);
      lives.kill();
      present = await lives.begin();
    }
    expect(present.losses()).toEqual([]);
    // A kill makes an hour be waited again.
    await time.advanceAsync(86_400_000 + 7 * 3_600_000);
    expect(present.losses()).toMatchObject([{ boot: "old", first: 1, last: 2, where: "link" }]);
  });

  test("that is filled soon costs the disk nothing", async () => {
    const lives = gatewayLives();
    const { say, time } = await lives.begin();
    await say("b", [line(2)]);
    await say("b", [line(1), line(2)]);
    await time.advanceAsync(60_000);
    expect(await lives.disk.list("")).toEqual([]);
    expect(time.pendingCount).toBe(0);
  });

  test("stays open until its loss record is durable", async () => {
    const lives = gatewayLives();
    const before = await lives.begin();
    const { time, uplink } = before;
    await before.say("old", [line(2)]);
    await before.say("new", [line(1)]);
    uplink.isAway = true;
    await time.advanceAsync(300_000);
    lives.kill();
    uplink.isAway = false;
    const after = await lives.begin();
    await after.say("new", [line(2)], 2);
    await time.advanceAsync(300_000);
    expect(after.losses()).toMatchObject([{ boot: "old", first: 1, last: 2, where: "link" }]);
  });

  test("a stop in between leaves no timer", async () => {
    const { say, core, time } = await gateway();
    await say("old", [line(2)]);
    void core.stop();
    await time.advanceAsync(3_000);
    expect(time.pendingCount).toBe(0);
  });
});
