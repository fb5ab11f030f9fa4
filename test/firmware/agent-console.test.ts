import { describe, expect, test } from "vitest";
import { Bench, msgsOf, seqsOf, type Wire } from "./agent-bench.ts";

function sendOne(...args: unknown[]): unknown {
  const board = new Bench();
  board.console.log(...args);
  board.time.advance(100);
  return msgsOf(board.takeFrames()[0])[0];
}

function sendDirect(wire: Wire, ...args: unknown[]): unknown {
  const board = new Bench({ wire });
  board.agent.info(...args);
  board.time.advance(100);
  expect(board.printed).toEqual([]);
  const [frame] = board.takeFrames();
  expect(frame?.cmds[0]?.args.level).toBe("info");
  return msgsOf(frame)[0];
}

describe.each(["compact", "plain"] as const)("a direct call, in %s frames", (wire) => {
  test("sends an object or array as it is, all else as the console would, and prints nothing", () => {
    expect(sendDirect(wire, { t: 21.5, ok: true })).toEqual({ t: 21.5, ok: true });
    expect(sendDirect(wire, [1, "two", { three: 3 }])).toEqual([1, "two", { three: 3 }]);
    expect(sendDirect(wire, "text")).toBe("text");
    expect(sendDirect(wire, "x", { a: 1 })).toBe('x {"a":1}');
    expect(sendDirect(wire, new TypeError("boom"))).toBe("TypeError: boom");
    expect(sendDirect(wire, { toJSON: () => 5 })).toBe("5");
  });

  test("an object nested deeper than a frame may be goes as its text", () => {
    let deep: object = { end: true };
    for (let i = 0; i < 17; i++) deep = { a: deep };
    expect(sendDirect(wire, deep)).toBe(JSON.stringify(deep));
    let allowed: object = [];
    for (let i = 0; i < 9; i++) allowed = [allowed];
    expect(sendDirect(wire, allowed)).toEqual(allowed);
  });
});

describe("what a console line becomes", () => {
  test("the console still prints every line, once, with its own arguments", () => {
    const seen: [string, ...unknown[]][] = [];
    const board = new Bench({ print: (method, args) => seen.push([method, ...args]) });
    const object = { a: 1 };
    board.console.log("x", object);
    board.console.error("y");
    expect(seen).toEqual([
      ["log", "x", object],
      ["error", "y"],
    ]);
    expect(seen[0]?.[2]).toBe(object);
  });

  test("the level is the method's, and console.log has none", () => {
    const board = new Bench();
    board.console.log("l");
    board.console.debug("d");
    board.console.info("i");
    board.console.warn("w");
    board.console.error("e");
    board.time.advance(100);
    const [frame] = board.takeFrames();
    expect(frame?.cmds.map((one) => one.args.level)).toEqual([undefined, "debug", "info", "warn", "error"]);
    expect(seqsOf(frame)).toEqual([1, 2, 3, 4, 5]);
  });

  test.each([
    ["a string as it is", ["a  b"], "a  b"],
    ["several arguments joined by a space", ["a", 1, true, null, undefined], "a 1 true null undefined"],
    ["an object among others as JSON", ["got", { a: [1] }, [2]], 'got {"a":[1]} [2]'],
    ["one object as the engine prints it", [{ t: 21.5, ok: true }], '{"t":21.5,"ok":true}'],
    ["a number as text", [42], "42"],
    ["null as text", [null], "null"],
    ["no argument as an empty line", [], ""],
    ["an error as its text", [new TypeError("boom")], "TypeError: boom"],
    ["quotes, newlines and other letters unharmed", ['"q"\n\t\u0000é€😀'], '"q"\n\t\u0000é€😀'],
    ["a function's toString", [String], String(String)],
    ["a value whose toJSON gives a number as text", [{ toJSON: () => 5 }], "5"],
    ["a date as JSON shows it", [new Date(0)], '"1970-01-01T00:00:00.000Z"'],
    ["a symbol and a bigint as text", [Symbol("s"), 12n], "Symbol(s) 12"],
  ])("%s", (_, args, expected) => {
    expect(sendOne(...args)).toEqual(expected);
  });

  test("circular values, throwing getters and hostile toString do not reach the app", () => {
    const circular: { self?: unknown } = {};
    circular.self = circular;
    const hostile = {
      get a(): never {
        throw new Error("getter");
      },
      toString(): never {
        throw new Error("toString");
      },
    };
    expect(sendOne(circular)).toBe("[unprintable]");
    expect(sendOne(hostile)).toBe("[unprintable]");
    expect(sendOne("x", hostile, "y")).toBe("x [unprintable] y");
    expect(sendOne(Object.create(null))).toBe("{}");
  });

  test.each([300, 512, 1024])(
    "a line too long for a frame of %i bytes is cut, and its end says by how much",
    (frameBytesMax) => {
      const lines = [
        "x".repeat(5000),
        "\u0001".repeat(3000),
        `${"a".repeat(40)}${"😀".repeat(2000)}`,
        '"\\'.repeat(2000),
      ];
      for (const line of lines) {
        const board = new Bench({ settings: { frameBytesMax, ringBytesMax: 4096 } });
        board.console.log(line);
        board.console.log("after");
        board.time.advance(100);
        const sent = board.sent[0] ?? "";
        expect(sent.length).toBeLessThanOrEqual(frameBytesMax);
        expect(sent).toMatch(/^[ -~]*$/);
        board.ack(1);
        board.time.advance(2000);
        const msgs = board.takeFrames().flatMap(msgsOf);
        const [msg] = msgs;
        expect(msgs).toContain("after");
        const [, kept, more] = /^(.*) \[cut: (\d+) more\]$/s.exec(String(msg)) ?? [];
        expect(line.startsWith(String(kept)) && String(kept).length > 0).toBe(true);
        expect(String(kept).length + Number(more)).toBe(line.length);
        expect(board.agent.stats.cut).toBe(1);
      }
    },
  );

  test("an object too long for a frame is cut as text", () => {
    const board = new Bench({ settings: { frameBytesMax: 400 } });
    board.console.log({ list: "y".repeat(2000) });
    board.time.advance(100);
    expect(msgsOf(board.takeFrames()[0])[0]).toMatch(/^\{"list":"y+ \[cut: \d+ more\]$/);
  });

  test("uptime while the clock is not set, UTC from then on; a clock put back starts a new frame", () => {
    let utc = 0;
    const board = new Bench({ utc: () => utc });
    board.agent.receive('{"v":1,"hello":1}');
    board.time.advance(1234);
    board.console.log("before");
    utc = 1_700_000_000_000;
    board.console.log("after");
    utc -= 1000;
    board.console.log("put back");
    board.time.advance(40);
    const frames = board.takeFrames();
    expect(frames.map((frame) => frame.now)).toEqual([utc, utc]);
    expect(
      frames.flatMap((frame) => frame.cmds.map((one) => [one.id, one.args.uptime ?? one.args.timestamp])),
    ).toEqual([
      [1, 1234],
      [2, utc + 1000],
      [3, utc],
    ]);
  });

  test("the gateway's time is handed to a board whose clock is not set, and to no other", () => {
    const given: number[] = [];
    let utc = 0;
    const board = new Bench({
      utc: () => utc,
      setClock(ms) {
        given.push(ms);
        utc = ms;
      },
    });
    // A wire that has no checksum on the way down cut digits out of it, or it is none.
    for (const now of ["1700001", "-1", "null", "[]", "{}"])
      board.agent.receive(`{"v":1,"hello":1,"now":${now}}`);
    board.agent.receive('{"v":1,"hello":1}');
    expect(given).toEqual([]);
    board.agent.receive('{"v":1,"hello":1,"now":1700000000001}');
    board.agent.receive('{"v":1,"hello":1,"now":1700000000002}');
    expect(given).toEqual([1700000000001]);
  });
});

describe("never harming the app", () => {
  test("an original console method that throws changes nothing for the app or the log", () => {
    const board = new Bench({
      print: () => {
        throw new Error("no console");
      },
    });
    expect(() => board.console.log("still sent")).not.toThrow();
    board.time.advance(100);
    expect(msgsOf(board.takeFrames()[0])).toEqual(["still sent"]);
  });

  test("a send that throws is a lost frame: the console works on and the line comes again", () => {
    let broken = true;
    const board = new Bench({
      send: () => {
        if (broken) throw new Error("link down");
        return true;
      },
    });
    board.console.log("a");
    board.time.advance(100);
    expect(board.agent.stats.sendErrors).toBe(1);
    broken = false;
    board.console.log("b");
    board.time.advance(1000);
    board.ack(1);
    expect(board.takeFrames().map(msgsOf)).toEqual([["a"], ["b"]]);
    expect(board.printed).toEqual(["a", "b"]);
  });

  test("a line logged inside send is printed, counted and not sent, so that logging does not feed itself", () => {
    const board: Bench = new Bench({
      send: () => {
        board.console.log("sending");
        return true;
      },
    });
    board.console.log("one");
    board.time.advance(60_000);
    expect(board.printed.filter((line) => line === "sending").length).toBe(board.agent.stats.reentrant);
    expect(board.agent.stats.reentrant).toBeGreaterThan(0);
    expect(board.agent.stats.seq).toBe(1);
    for (const frame of board.takeFrames()) expect(msgsOf(frame)).toEqual(["one"]);
  });

  test("a getter that logs does not recurse", () => {
    const board = new Bench();
    board.console.log({
      get a() {
        board.console.log("inner");
        return 1;
      },
    });
    board.time.advance(100);
    expect(msgsOf(board.takeFrames()[0])).toEqual(['{"a":1}']);
    expect(board.printed).toContain("inner");
    expect(board.agent.stats.reentrant).toBe(1);
  });

  test("logging sends nothing by itself, however much there is", () => {
    const board = new Bench();
    for (let i = 0; i < 500; i++) board.console.log("burst");
    expect(board.sent).toEqual([]);
  });

  test("after stop the console's own methods are back, kept ones only print, and no timer is left", () => {
    const board = new Bench();
    const kept = board.console.log;
    board.console.log("a");
    board.time.advance(100);
    board.agent.stop();
    expect(board.time.pendingCount).toBe(0);
    expect(board.console.log).not.toBe(kept);
    kept("b");
    board.console.log("c");
    board.ack(1);
    board.agent.receive('{"v":1,"hello":1}');
    board.agent.ready();
    board.agent.restart();
    board.time.advance(60_000);
    expect(board.printed).toEqual(["a", "b", "c"]);
    expect(board.sent.length).toBe(1);
  });

  test("junk, broken and foreign downlinks are counted and change nothing", () => {
    const board = new Bench();
    board.console.log("a");
    board.time.advance(100);
    const junk = [
      "",
      "{",
      "null",
      "7",
      '"x"',
      "[]",
      "{}",
      '{"v":1,"boot":"other","ack":1}',
      `{"v":1,"boot":"${board.boot}","ack":"1"}`,
      `{"v":1,"boot":"${board.boot}","ack":2}`,
      `{"v":1,"boot":"${board.boot}","ack":null,"__proto__":{"ack":1}}`,
    ];
    for (const text of junk) board.agent.receive(text);
    expect(board.agent.stats).toMatchObject({ badDownlinks: junk.length, acked: 0 });
    board.ack(1);
    expect(board.agent.stats.acked).toBe(1);
  });
});
