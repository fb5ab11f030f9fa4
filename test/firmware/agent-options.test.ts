import { describe, expect, test } from "vitest";
import { encodeLevelLease } from "../../protocol/level-lease.ts";
import { bundleAgent, SIMULATOR_FEATURES } from "../../scripts/build-firmware.mjs";
import { compileAgent } from "../../sim/board.ts";
import { Bench, type BenchOptions, msgsOf, seqsOf, type Wire } from "./agent-bench.ts";

const OPTIONS = ["levels", "fold", "words", "reserve"];
const programs = {
  compact: compileAgent(await bundleAgent([...SIMULATOR_FEATURES, ...OPTIONS])),
  plain: compileAgent(await bundleAgent([...SIMULATOR_FEATURES, ...OPTIONS, "plain"])),
};
const board = (wire: Wire, options: BenchOptions = {}) =>
  new Bench({ ...options, wire, program: programs[wire] });

/** Everything sent so far, acked: level or none, module or none, text. */
function told(bench: Bench): string[] {
  bench.time.advance(100);
  const lines: string[] = [];
  for (let frames = bench.takeFrames(); frames.length > 0; frames = bench.takeFrames()) {
    for (const { id, args } of frames.flatMap((one) => one.cmds)) {
      lines.push(`${args.level ?? "-"} ${args.module ?? "-"} ${args.msg}`);
      bench.ack(id);
    }
    bench.time.advance(100);
  }
  return lines;
}

describe.each(["compact", "plain"] as const)("leased levels, in %s frames", (wire) => {
  test("what is below the level is printed, not sent, and uses up no seq; the lease ends by itself", () => {
    const bench = board(wire, { settings: { level: 2 } });
    bench.console.debug("low");
    bench.console.warn("high");
    expect(told(bench)).toEqual(["warn - high"]);
    expect(bench.printed).toEqual(["low", "high"]);
    bench.agent.receive(encodeLevelLease({ level: "all", forMs: 60_000 }));
    bench.console.debug("now");
    expect(told(bench)).toEqual(["info boardlog level all for 60 s", "debug - now"]);
    bench.time.advance(60_000);
    bench.console.debug("again");
    expect(told(bench)).toEqual(["info boardlog level as set"]);
    expect(bench.agent.look().seq).toBe(4);
  });

  test("a line without a level counts as info: a lease of debug brings more and takes nothing away", () => {
    const bench = board(wire, { settings: { level: 3 } });
    bench.console.log("below warn");
    bench.agent.receive(encodeLevelLease({ level: "debug", forMs: 60_000 }));
    bench.console.log("plain");
    bench.console.debug("fine");
    bench.agent.receive(encodeLevelLease({ level: "info", forMs: 60_000 }));
    bench.console.log("plain again");
    bench.console.debug("too fine");
    expect(told(bench)).toEqual([
      "info boardlog level debug for 60 s",
      "- - plain",
      "debug - fine",
      "info boardlog level info for 60 s",
      "- - plain again",
    ]);
  });

  test("a lease for one module leaves the others alone, goes before the one for all, and is told from an unknown one", () => {
    const bench = board(wire);
    const wifi = bench.agent.module("wifi");
    bench.agent.receive(encodeLevelLease({ level: "none", forMs: 9_000 }));
    bench.agent.receive(encodeLevelLease({ level: "debug", module: "wifi", forMs: 9_000 }));
    wifi.debug("scan");
    bench.agent.module("mqtt").error("silent");
    bench.console.error("silent too");
    expect(told(bench)).toEqual([
      "info boardlog level none for 9 s",
      "info boardlog level of wifi debug for 9 s",
      "debug wifi scan",
    ]);
    expect(bench.printed).toContain("silent");
    bench.agent.receive(encodeLevelLease({ level: "all", module: "wifi", forMs: 0 }));
    wifi.error("no longer");
    expect(told(bench)).toEqual(["info boardlog level of wifi as set"]);
  });

  test("junk, too long a time and more modules than a board takes are counted and change nothing", () => {
    const bench = board(wire);
    for (const bad of [
      '{"v":1,"level":6,"forMs":5}',
      '{"v":1,"level":-1,"forMs":5}',
      '{"v":1,"level":4,"forMs":86400001}',
    ])
      bench.agent.receive(bad);
    for (let i = 0; i < 30; i++)
      bench.agent.receive(encodeLevelLease({ level: "error", module: `m${i}`, forMs: 1000 }));
    expect(bench.agent.look().badDownlinks).toBe(3 + 30 - 22);
    bench.console.debug("still");
    expect(told(bench).at(-1)).toBe("debug - still");
  });

  test("frames stay within the link's limit with the longest module there is", () => {
    const bench = board(wire, { settings: { frameBytesMax: 600, ringBytesMax: 4096 } });
    const long = bench.agent.module('"é'.repeat(50));
    for (let i = 0; i < 40; i++) long.warn("x".repeat(i * 20));
    bench.time.advance(100);
    for (let i = 0; i < 200; i++) {
      for (const frame of bench.sent) expect(frame.length).toBeLessThanOrEqual(600);
      const last = bench.takeFrames().flatMap(seqsOf).at(-1);
      if (last !== undefined) bench.ack(last);
      bench.time.advance(50);
    }
    expect(bench.agent.look()).toMatchObject({ acked: 40, ringBytes: 0 });
  });
});

describe.each(["compact", "plain"] as const)("folded repeats, in %s frames", (wire) => {
  test("a line that comes again is counted, and told before the next one, with first and last time", () => {
    let utcMs = 1_795_334_316_708;
    const bench = board(wire, { utc: () => utcMs });
    for (let i = 0; i < 42; i++) {
      bench.console.warn("door open");
      utcMs += 100;
    }
    bench.console.warn("door shut");
    expect(told(bench)).toEqual([
      "warn - door open",
      "warn - last line repeated 41 times, 2026-11-22T08:38:36.808Z to 2026-11-22T08:38:40.808Z".replace(
        /2026\S+Z to \S+Z/,
        `${new Date(1_795_334_316_808).toISOString()} to ${new Date(1_795_334_320_808).toISOString()}`,
      ),
      "warn - door shut",
    ]);
    expect(bench.printed.length).toBe(43);
  });

  test("a timer tells of them where nothing else comes, and another level is another line", () => {
    const bench = board(wire, { settings: { foldMs: 2000 } });
    bench.console.info("tick");
    bench.console.info("tick");
    bench.console.error("tick");
    expect(told(bench)).toEqual([
      "info - tick",
      expect.stringMatching(/^info - last line repeated once, \d+ ms$/),
      "error - tick",
    ]);
    bench.console.error("tick");
    bench.console.error("tick");
    expect(told(bench)).toEqual([]);
    bench.time.advance(2000);
    expect(told(bench)).toEqual([
      expect.stringMatching(/^error - last line repeated 2 times, \d+ ms to \d+ ms$/),
    ]);
  });
});

describe.each(["compact", "plain"] as const)("last words, in %s frames", (wire) => {
  function flash() {
    const state = { texts: new Map<number, string>(), writes: 0 };
    return {
      state,
      storage: {
        read: (index: number) => state.texts.get(index),
        write(index: number, text: string) {
          if (text === "") state.texts.delete(index);
          else state.texts.set(index, text);
          if (text !== "") state.writes++;
        },
      },
    };
  }

  test("what was not acked comes first after the reset, with its old boot and seqs, until it is acked", () => {
    const { state, storage } = flash();
    const before = board(wire, { boot: "1-a", storage });
    before.console.log("acked");
    expect(told(before)).toEqual(["- - acked"]);
    before.console.error("flying");
    before.time.advance(100);
    for (let i = 0; i < 30; i++) before.console.error(`dying ${i} ${"x".repeat(40)}`);
    before.agent.keep();
    // A frame a write.
    expect(state.writes).toBe(state.texts.size);
    expect(state.writes).toBeLessThan(8);

    const after = board(wire, { boot: "2-b", storage });
    after.console.log("born");
    const got: [string, number][] = [];
    for (let i = 0; i < 40; i++) {
      after.time.advance(100);
      for (const frame of after.takeFrames()) {
        got.push(...seqsOf(frame).map((seq): [string, number] => [frame.boot, seq]));
        const last = seqsOf(frame).at(-1) ?? 0;
        after.agent.receive(JSON.stringify({ v: 1, boot: frame.boot, ack: last }));
      }
    }
    const old = got.filter(([boot]) => boot === "1-a").map(([, seq]) => seq);
    expect(old[0]).toBe(2);
    expect(old.at(-1)).toBe(32);
    expect(got.at(-1)).toEqual(["2-b", 1]);
    expect(got.findIndex(([boot]) => boot === "2-b")).toBe(old.length);
    expect(state.texts.size).toBe(0);
  });

  test("a lost ack brings it again; a second reset keeps both boots; with nothing left nothing is written", () => {
    const { state, storage } = flash();
    const first = board(wire, { boot: "1-a", storage });
    first.console.log("one");
    first.agent.keep();
    const second = board(wire, { boot: "2-b", storage });
    second.console.log("two");
    second.time.advance(5000);
    const frames = second.takeFrames();
    expect(frames.length).toBeGreaterThan(1);
    expect(frames.every((one) => one.boot === "1-a")).toBe(true);
    second.agent.keep();
    const third = board(wire, { boot: "3-c", storage });
    third.time.advance(100);
    third.agent.receive('{"v":1,"boot":"1-a","ack":1}');
    third.time.advance(100);
    expect(third.takeFrames().map((one) => [one.boot, msgsOf(one)])).toEqual([
      ["1-a", ["one"]],
      ["2-b", ["two"]],
    ]);
    third.agent.receive('{"v":1,"boot":"2-b","ack":1}');
    expect(state.texts.size).toBe(0);
    const { writes } = state;
    third.agent.keep();
    expect(state.writes).toBe(writes);
  });

  test("on a link without acks it goes once, and the lines of this boot behind it", () => {
    const { state, storage } = flash();
    const before = board(wire, { boot: "1-a", storage, settings: { ack: false, ringBytesMax: 8192 } });
    for (let i = 0; i < 12; i++) before.console.error(`dying ${i} ${"x".repeat(80)}`);
    before.agent.keep();
    expect(state.texts.size).toBeGreaterThan(1);

    let isUp = false;
    const after = board(wire, {
      boot: "2-b",
      storage,
      settings: { ack: false },
      send: () => isUp,
    });
    after.console.log("born");
    after.time.advance(60_000);
    expect(after.sent).toEqual([]);
    isUp = true;
    after.agent.ready();
    after.time.advance(100);
    after.console.log("lives");
    after.time.advance(60_000);
    const got = after.takeFrames().map((one) => [one.boot, msgsOf(one).length]);
    const lines = (boot: string) => got.filter((one) => one[0] === boot).map((one) => Number(one[1]));
    expect(lines("1-a").reduce((sum, one) => sum + one, 0)).toBe(12);
    expect(lines("2-b")).toEqual([1, 1]);
    expect(got.slice(-2).map(([boot]) => boot)).toEqual(["2-b", "2-b"]);
    expect(state.texts.size).toBe(0);
  });

  test("kept twice in one boot it is there once; a board that goes on leaves older frames for the next start", () => {
    const { state, storage } = flash();
    const first = board(wire, { boot: "1-a", storage });
    first.console.log("one");
    first.agent.keep();
    const second = board(wire, { boot: "2-b", storage });
    for (let i = 0; i < 5; i++) second.console.log(`two ${i} ${"x".repeat(50)}`);
    second.agent.keep();
    const { size } = state.texts;
    second.agent.keep();
    expect(state.texts.size).toBe(size);
    second.time.advance(100);
    for (let i = 0; i < 20; i++) {
      for (const frame of second.takeFrames()) second.ack(seqsOf(frame).at(-1) ?? 0);
      second.time.advance(100);
    }
    expect(second.agent.look()).toMatchObject({ acked: 5 });
    second.console.log("last");
    second.agent.keep();
    const third = board(wire, { boot: "3-c", storage });
    third.time.advance(100);
    expect([...state.texts.values()].map((text) => text.split("\n")[0])).toEqual(["1-a", "2-b"]);
    expect(msgsOf(third.takeFrames()[0])).toEqual(["one"]);
    third.agent.receive('{"v":1,"boot":"1-a","ack":1}');
    expect(msgsOf(third.takeFrames()[0])).toEqual(["last"]);
    third.agent.receive('{"v":1,"boot":"2-b","ack":6}');
    expect(state.texts.size).toBe(0);
  });

  test.each([0, 1])(
    "what was acked between two calls, all but %d lines, leaves nothing behind in flash",
    (rest) => {
      const { state, storage } = flash();
      const first = board(wire, { boot: "1-a", storage, settings: { ringBytesMax: 8192 } });
      for (let i = 0; i < 40; i++) first.console.log(`one ${i} ${"x".repeat(90)}`);
      first.agent.keep();
      expect(state.texts.size).toBeGreaterThan(rest + 2);
      for (let i = 0; first.agent.look().acked < 40 && i < 100; i++) {
        first.time.advance(100);
        for (const frame of first.takeFrames()) first.ack(seqsOf(frame).at(-1) ?? 0);
      }
      expect(first.agent.look().acked).toBe(40);
      if (rest) first.console.log("last");
      first.agent.keep();
      expect([...state.texts.keys()]).toEqual(rest ? [0] : []);
      const second = board(wire, { boot: "2-b", storage });
      second.time.advance(100);
      expect(second.takeFrames().flatMap(msgsOf)).toEqual(rest ? ["last"] : []);
    },
  );

  test("what no gateway takes does not fill the flash: after many boots it is given up, and an entry says so", () => {
    const { state, storage } = flash();
    let most = 0;
    let last: Bench | undefined;
    for (let boot = 1; boot <= 18; boot++) {
      last = board(wire, { boot: `${boot}`, storage });
      last.console.log(`alone ${boot}`);
      last.agent.keep();
      most = Math.max(most, state.texts.size);
    }
    expect(most).toBe(17);
    const left = [...state.texts.values()].join("\n");
    expect(left).toContain("earlier boots given up");
    expect(left).toContain("alone 18");
    expect(left).not.toContain("alone 17");
  });

  test("on a shared wire on which nobody is heard any more, what was not acked is kept too", () => {
    const { state, storage } = flash();
    const before = board(wire, { boot: "1-a", storage, settings: { shared: true } });
    before.agent.receive('{"v":1,"hello":1}');
    before.console.log("waits");
    before.time.advance(60_000);
    before.console.log("printed");
    expect(before.printed).toEqual(["printed"]);
    before.agent.keep();
    expect(state.texts.get(0)).toContain("waits");
    const after = board(wire, { boot: "2-b", storage });
    after.time.advance(100);
    expect(after.takeFrames().map((one) => [one.boot, msgsOf(one)])).toEqual([["1-a", ["waits"]]]);
  });
});
