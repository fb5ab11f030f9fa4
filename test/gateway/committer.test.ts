import { describe, expect, test, vi } from "vitest";
import { Committer, type CommitterOptions } from "../../gateway/committer.ts";
import { GatewayStopping } from "../../gateway/pauses.ts";
import type { NewEntry } from "../../protocol/entry.ts";
import { EntryRun } from "../../protocol/entry-run.ts";
import { decodeFrame } from "../../protocol/frame-decoder.ts";
import { encodeUtf8 } from "../../protocol/utf8.ts";
import { virtualWorld } from "../support/gateway-world.ts";

function entry(src: string, text: string): NewEntry {
  return { src, stream: "uart", msg: JSON.stringify(text), timestamp: 1, received: 1, clock: "server" };
}

function setUp(options: CommitterOptions = {}) {
  const world = virtualWorld();
  const committer = new Committer(world, options);
  const durable: string[] = [];
  const offer = (src: string, ...texts: string[]): boolean =>
    committer.offer(
      "default",
      src,
      texts.map((text) => entry(src, text)),
      () => durable.push(...(texts.length === 0 ? [`${src}:empty`] : texts)),
    );
  return { ...world, committer, durable, offer };
}

/** A gate that holds commits until opened, once for each call of `open`. */
function gate() {
  const waiting: (() => void)[] = [];
  return {
    wait: () => new Promise<void>((resolve) => waiting.push(resolve)),
    open: () => waiting.shift()?.(),
    get heldCount() {
      return waiting.length;
    },
  };
}

describe("group commit", () => {
  test("what is offered while a commit is under way goes together into the next", async () => {
    const { uplink, time, offer, durable } = setUp();
    const held = gate();
    uplink.gate = held.wait;
    offer("a", "1");
    await time.advanceAsync(0);
    for (const src of ["a", "b", "c"]) offer(src, `${src}2`, `${src}3`);
    await time.advanceAsync(0);
    expect(held.heldCount).toBe(1);
    expect(durable).toEqual([]);
    held.open();
    await time.advanceAsync(0);
    expect(durable).toEqual(["1"]);
    held.open();
    await time.advanceAsync(0);
    expect(uplink.commits.map((batches) => batches.map(({ entries }) => entries.length))).toEqual([[1], [6]]);
    expect(durable).toEqual(["1", "a2", "a3", "b2", "b3", "c2", "c3"]);
  });

  test("nothing is durable before the service says so, however often it is away", async () => {
    const { uplink, time, offer, durable, counters } = setUp();
    uplink.isAway = true;
    offer("a", "1");
    await time.advanceAsync(60_000);
    expect(durable).toEqual([]);
    expect(counters.values().gateway_uplink_unavailable_total).toBeGreaterThan(5);
    expect(counters.values().gateway_uplink_unavailable_total).toBeLessThan(20);
    offer("a", "2");
    uplink.isAway = false;
    await time.advanceAsync(10_000);
    expect(durable).toEqual(["1", "2"]);
    expect(uplink.texts("a", "uart")).toEqual(["1", "2"]);
  });

  test("an error that is no outage is a bug: it ends the process and is not tried again", async () => {
    const { timers, random, counters, log } = virtualWorld();
    const commit = vi.fn(async () => {
      throw new RangeError("a bug");
    });
    const committer = new Committer({
      timers,
      random,
      counters,
      log,
      uplink: { commit, mark: async () => 0 },
    });
    const crash = new Promise((resolve) => process.once("unhandledRejection", resolve));
    committer.offer("default", "a", [entry("a", "1")], () => {});
    expect(await crash).toBeInstanceOf(RangeError);
    expect(commit).toHaveBeenCalledTimes(1);
  });

  test("an offer without entries is durable when all before it of its source is", async () => {
    const { uplink, time, offer, durable } = setUp();
    offer("a");
    expect(durable).toEqual(["a:empty"]);
    const held = gate();
    uplink.gate = held.wait;
    offer("a", "1");
    offer("a");
    offer("b");
    await time.advanceAsync(0);
    expect(durable).toEqual(["a:empty", "b:empty"]);
    held.open();
    await time.advanceAsync(0);
    expect(durable).toEqual(["a:empty", "b:empty", "1", "a:empty"]);
    expect(uplink.commits.length).toBe(1);
  });

  test("a chatty source fills its own share, and another's line is in the very next commit", async () => {
    const { uplink, time, committer, offer } = setUp({ commitEntriesMax: 10, laneEntriesMax: 100 });
    const held = gate();
    uplink.gate = held.wait;
    let takenCount = 0;
    while (offer("chatty", `${takenCount}`)) takenCount += 1;
    expect(takenCount).toBe(100);
    await time.advanceAsync(0);
    expect(offer("quiet", "hello")).toBe(true);
    held.open();
    await time.advanceAsync(0);
    held.open();
    await time.advanceAsync(0);
    expect(uplink.texts("quiet", "uart")).toEqual(["hello"]);
    expect(uplink.entries.length).toBe(20);
    expect(committer.queuedEntries).toBe(81);
    uplink.gate = async () => {};
    held.open();
    for (let turn = 0; turn < 5; turn++) await time.advanceAsync(0);
    expect(uplink.texts("chatty", "uart")).toEqual(Array.from({ length: 100 }, (_, index) => `${index}`));
  });

  test("full, it says no; those who wait are taken in turn and nothing is lost", async () => {
    const { uplink, time, committer, offer } = setUp({ queueEntriesMax: 4, laneEntriesMax: 4 });
    const held = gate();
    uplink.gate = held.wait;
    for (let index = 0; index < 4; index++) expect(offer(`s${index}`, "x")).toBe(true);
    expect(offer("late", "x")).toBe(false);
    const order: string[] = [];
    const waiting = ["p", "q", "r"].map((src) =>
      committer.accept("default", src, [entry(src, "x")], () => {})?.then(() => order.push(src)),
    );
    await time.advanceAsync(0);
    expect(order).toEqual([]);
    uplink.gate = async () => {};
    held.open();
    await Promise.all(waiting);
    await time.advanceAsync(0);
    expect(order).toEqual(["p", "q", "r"]);
    expect(uplink.entries.length).toBe(7);
  });

  test("however many wait and however often, each offer is looked at when it waits and not again", async () => {
    const { timers, random, counters, log, time } = virtualWorld();
    const uplink = { commit: async () => {}, mark: async () => 0 };
    const committer = new Committer({ timers, random, counters, log, uplink }, { queueEntriesMax: 10 });
    let lookCount = 0;
    const looked = (src: string): NewEntry => ({
      ...entry(src, ""),
      get msg() {
        lookCount += 1;
        return "x";
      },
    });
    let durableCount = 0;
    const sources = Array.from({ length: 1_000 }, (_, index) => `s${index}`);
    const waiting = sources.map((src) =>
      committer.accept("default", src, [looked(src)], () => {
        durableCount += 1;
      }),
    );
    expect(waiting.filter((taken) => taken !== undefined).length).toBe(990);
    await Promise.all(waiting);
    await time.advanceAsync(0);
    expect(durableCount).toBe(1_000);
    expect(counters.values().gateway_commits_total).toBe(100);
    expect(lookCount).toBe(1_000);
  });

  test("who waits is not overtaken by a smaller or an empty offer of its own source", async () => {
    const { uplink, time, committer, offer, durable } = setUp({ laneEntriesMax: 4 });
    const held = gate();
    uplink.gate = held.wait;
    expect(offer("a", "1", "2", "3")).toBe(true);
    const accept = (...texts: string[]) =>
      committer.accept(
        "default",
        "a",
        texts.map((text) => entry("a", text)),
        () => durable.push(texts.join(" ")),
      );
    const waiting = [accept("4", "5"), accept("6"), accept()];
    expect(waiting).not.toContain(undefined);
    expect(offer("a", "late")).toBe(false);
    uplink.gate = async () => {};
    await time.advanceAsync(0);
    held.open();
    await Promise.all(waiting);
    await time.advanceAsync(0);
    expect(uplink.texts("a", "uart")).toEqual(["1", "2", "3", "4", "5", "6"]);
    expect(durable).toEqual(["1", "2", "3", "4 5", "6", ""]);
  });

  test("who waits for room in its own share holds up nobody, and is called when its own lines are durable", async () => {
    const { uplink, time, committer, offer } = setUp({ commitEntriesMax: 1, laneEntriesMax: 2 });
    const held = gate();
    uplink.gate = held.wait;
    for (const text of ["1", "2"]) expect(offer("quiet", text)).toBe(true);
    for (const text of ["1", "2"]) expect(offer("chatty", text)).toBe(true);
    const called: string[] = [];
    const wait = (src: string, text: string) =>
      void committer.accept("default", src, [entry(src, text)], () => {})?.then(() => called.push(src));
    wait("chatty", "3");
    wait("quiet", "3");
    expect(offer("third", "1")).toBe(true);
    await time.advanceAsync(0);
    held.open();
    await time.advanceAsync(0);
    expect(called).toEqual(["quiet"]);
    held.open();
    await time.advanceAsync(0);
    expect(called).toEqual(["quiet", "chatty"]);
  });

  test("bytes are bounded as entries are", () => {
    const { offer } = setUp({ laneBytesMax: 10_000 });
    let takenCount = 0;
    while (offer("a", "x".repeat(1000))) takenCount += 1;
    expect(takenCount).toBe(8);
    expect(offer("huge", "x".repeat(1_000_000))).toBe(true);
  });

  test("projects go into batches of their own", async () => {
    const { uplink, time, committer } = setUp();
    committer.offer("p1", "a", [entry("a", "1")], () => {});
    committer.offer("p2", "a", [entry("a", "2")], () => {});
    committer.offer("p1", "a", [entry("a", "3")], () => {});
    await time.advanceAsync(0);
    const [batches] = uplink.commits;
    expect(batches?.map(({ project, entries }) => [project, entries.map(({ msg }) => msg)])).toEqual([
      ["p1", ['"1"', '"3"']],
      ["p2", ['"2"']],
    ]);
  });
});

describe("the committer's stop", () => {
  test("waits for what was taken and takes nothing more", async () => {
    const { uplink, time, committer, offer, durable } = setUp();
    const held = gate();
    uplink.gate = held.wait;
    offer("a", "1");
    await time.advanceAsync(0);
    let isStopped = false;
    const stopped = committer.stop(1_000).then(() => {
      isStopped = true;
    });
    expect(() => offer("a", "2")).toThrow(GatewayStopping);
    await time.advanceAsync(500);
    expect(isStopped).toBe(false);
    held.open();
    await stopped;
    expect(durable).toEqual(["1"]);
  });

  test("those who waited are not taken by a commit that ends later", async () => {
    const { uplink, time, committer, offer, durable } = setUp({ queueEntriesMax: 1 });
    const held = gate();
    uplink.gate = held.wait;
    offer("a", "1");
    await time.advanceAsync(0);
    const refusal = expect(
      committer.accept("default", "b", [entry("b", "2")], () => durable.push("2")),
    ).rejects.toBeInstanceOf(GatewayStopping);
    const stopped = committer.stop(1_000);
    held.open();
    await stopped;
    await refusal;
    expect(durable).toEqual(["1"]);
    expect(uplink.commits.length).toBe(1);
  });

  test("gives up at its deadline: never acked, no timer left, counted", async () => {
    const { uplink, time, committer, offer, durable, counters } = setUp();
    uplink.isAway = true;
    offer("a", "1", "2");
    await time.advanceAsync(200);
    const stopped = committer.stop(1_000);
    await time.advanceAsync(1_000);
    await stopped;
    uplink.isAway = false;
    await time.advanceAsync(60_000);
    expect(durable).toEqual([]);
    expect(uplink.entries).toEqual([]);
    expect(time.pendingCount).toBe(0);
    expect(counters.values().gateway_unacked_at_stop_entries_total).toBe(2);
  });

  test("those who wait for room are told", async () => {
    const { uplink, time, committer, offer } = setUp({ queueEntriesMax: 1 });
    uplink.gate = () => new Promise(() => {});
    offer("a", "1");
    const waiting = ["a", "b"].map((src) => committer.accept("default", src, [entry(src, "1")], () => {}));
    const refusals = waiting.map((taken) => expect(taken).rejects.toBeInstanceOf(GatewayStopping));
    const stopped = committer.stop(10);
    await time.advanceAsync(10);
    await stopped;
    await Promise.all(refusals);
  });

  describe("says how much more is wanted", () => {
    const bounds = { readAheadEntries: 2, commitEntriesMax: 6 };

    test("nothing while enough waits for the next commit; again when that takes it", async () => {
      const { uplink, time, committer, offer } = setUp(bounds);
      const held = gate();
      uplink.gate = held.wait;
      let openedCount = 0;
      committer.onOpen(() => openedCount++);
      offer("a", "1");
      expect(committer.isOpen).toBe(true);
      offer("b", "1");
      expect(committer.isOpen).toBe(false);
      await time.advanceAsync(0);
      expect(committer.isOpen).toBe(true);
      expect(openedCount).toBe(1);
      offer("a", "2", "3");
      expect(committer.isOpen).toBe(false);
      held.open();
      await time.advanceAsync(0);
      expect(committer.isOpen).toBe(true);
      expect(openedCount).toBe(2);
    });

    test("more and more while a commit takes long, up to what the next can take", async () => {
      const { uplink, time, committer, offer } = setUp(bounds);
      const held = gate();
      uplink.gate = held.wait;
      offer("a", "1");
      await time.advanceAsync(0);
      const taken: number[] = [];
      committer.onOpen(() => {
        taken.push(time.monotonicMs());
        offer("b", "x", "y");
      });
      const startMs = time.monotonicMs();
      offer("b", "x", "y");
      await time.advanceAsync(1_000);
      expect(taken.map((ms) => ms - startMs)).toEqual([5, 10]);
      expect(committer.isOpen).toBe(false);
      held.open();
      await time.advanceAsync(0);
      // One that is not slow begins anew.
      offer("c", "x", "y");
      expect(committer.isOpen).toBe(false);
    });

    test("as ever while the service is away: what is read is bounded elsewhere, and pings must be heard", async () => {
      const { uplink, time, committer, offer } = setUp(bounds);
      uplink.isAway = true;
      let openedCount = 0;
      committer.onOpen(() => openedCount++);
      offer("a", "1", "2", "3");
      offer("b", "1", "2", "3");
      offer("c", "1");
      await time.advanceAsync(10);
      offer("c", "2", "3");
      expect(openedCount).toBeGreaterThan(0);
      expect(committer.isOpen).toBe(true);
      uplink.isAway = false;
      await time.advanceAsync(10_000);
      offer("a", "4", "5");
      expect(committer.isOpen).toBe(false);
    });

    test("a stop leaves no timer", async () => {
      const { uplink, time, committer, offer } = setUp(bounds);
      uplink.gate = () => new Promise(() => {});
      offer("a", "1");
      await time.advanceAsync(0);
      offer("a", "2", "3");
      const stopped = committer.stop(1);
      await time.advanceAsync(1_000);
      await stopped;
      expect(time.pendingCount).toBe(0);
    });
  });
});

test("lines in columns are read further ahead than entries that are objects", async () => {
  const isOpenAfter = async (...offers: (EntryRun | readonly NewEntry[])[]): Promise<boolean> => {
    const { committer, uplink, time } = setUp({ readAheadEntries: 2 });
    uplink.gate = gate().wait;
    // The first goes into the commit that is under way from now on.
    committer.offer("default", "first", [entry("first", "1")], () => {});
    await time.advanceAsync(0);
    for (const [index, entries] of offers.entries())
      committer.offer("default", `board ${index}`, entries, () => {});
    return committer.isOpen;
  };
  const run = (...lines: string[]): EntryRun => {
    const frame = decodeFrame(encodeUtf8(JSON.stringify(["~b", 1, 0, 1_763_784_000_000, 0, ...lines])));
    if (!frame.ok || frame.value.lines === undefined) throw new Error("no frame of lines");
    return new EntryRun(frame.value.lines, { src: "a", boot: "b", received: 1 });
  };
  expect(await isOpenAfter([entry("a", "1")])).toBe(true);
  expect(await isOpenAfter([entry("a", "1"), entry("a", "2")])).toBe(false);
  expect(await isOpenAfter(run("1", "2"))).toBe(true);
  expect(await isOpenAfter(run("1", "2", "3"))).toBe(false);
  expect(await isOpenAfter(run("1"), [entry("a", "2")])).toBe(true);
});
