import { crc32 } from "node:zlib";
import { expect, test } from "vitest";
import { encodeCall } from "../../protocol/console-line.ts";
import { frameOf } from "./agent-bench.ts";
import { consoleText, StandIn } from "./espruino-stand-in.ts";

function startConsole(options = {}) {
  const standIn = new StandIn();
  const prints: { readonly atMs: number; readonly text: string }[] = [];
  let device: string | null = "USB";
  const print = (...args: unknown[]): void =>
    void prints.push({ atMs: standIn.time.monotonicMs(), text: args.join(" ") });
  Object.assign(standIn.globals, { print });
  for (const name of ["log", "info", "warn", "error", "debug"])
    (standIn.globals.console as Record<string, unknown>)[name] = print;
  (standIn.globals.E as Record<string, unknown>).getConsole = () => device;
  const agent = standIn.start(consoleText, { src: "b", ...options });
  const down = (code: string): void => {
    // The prompt evaluates a line; the escape in front is its own affair.
    const line = code.replace("\x1b[2H\x10", "");
    new Function("global", `with (global) { ${line} }`)(standIn.globals);
  };
  return {
    standIn,
    agent,
    prints,
    down,
    call: (message: object) => down(encodeCall(JSON.stringify(message))),
    moveTo: (name: string | null) => {
      device = name;
    },
    /** Since the last time: what was printed as text, and the frames. */
    said: () => {
      const all = prints.splice(0).map(({ text }) => text);
      const isFrame = (text: string) => text.startsWith('["!');
      return {
        texts: all.filter((text) => !isFrame(text)),
        frames: all.filter(isFrame).map((line) => {
          expect(line.slice(-8)).toBe(crc32(line.slice(0, -8)).toString(16).padStart(8, "0"));
          return frameOf(line.slice(0, -8));
        }),
      };
    },
  };
}

const messages = (frames: readonly { readonly cmds: readonly { readonly args: object }[] }[]) =>
  frames.flatMap(({ cmds }) => cmds.map(({ args }) => (args as { msg: unknown }).msg));

test("without a gateway a line is printed as without the agent, and the agent asks three times", () => {
  const board = startConsole();
  board.standIn.log("hello");
  board.standIn.time.advance(60_000);
  const { texts, frames } = board.said();
  expect(texts).toEqual(["hello"]);
  expect(frames.map(({ cmds }) => cmds.length)).toEqual([0, 0, 0]);
});

test("from a hello on a line goes as a frame and not as text, and its seq starts there", () => {
  const board = startConsole();
  board.standIn.log("before");
  board.call({ v: 1, hello: 1 });
  board.standIn.time.advance(10);
  board.standIn.log("after");
  board.standIn.time.advance(300);
  const { texts, frames } = board.said();
  expect(texts).toEqual(["before"]);
  expect(messages(frames)).toEqual(["after"]);
  const { boot } = frames.at(-1) ?? {};
  board.call({ v: 1, boot, ack: 1 });
  board.standIn.time.advance(10);
  expect(board.agent.look()).toMatchObject({ seq: 1, acked: 1, ringBytes: 0, badDownlinks: 0 });
});

test("a hello is answered by a question where nothing waits, so that the gateway knows the board", () => {
  const board = startConsole();
  board.standIn.time.advance(60_000);
  board.said();
  board.call({ v: 1, hello: 1 });
  board.standIn.time.advance(60_000);
  expect(board.said().frames.map(({ cmds }) => cmds.length)).toEqual([0]);
});

test("a call with a wrong checksum or a damaged text is counted and changes nothing", () => {
  const board = startConsole();
  board.call({ v: 1, hello: 1 });
  board.standIn.time.advance(10);
  board.standIn.log("one");
  board.standIn.time.advance(300);
  const { boot } = board.said().frames.at(-1) ?? {};
  const good = encodeCall(JSON.stringify({ v: 1, boot, ack: 1 }));
  board.down(good.replace('"ack":1', '"ack":7'));
  board.down(good.replace(/,\d+\)/, ",1)"));
  board.down(good.replace(/,\d+\)/, ")"));
  board.standIn.time.advance(10);
  expect(board.agent.look()).toMatchObject({ acked: 0, badDownlinks: 3 });
  board.down(good);
  board.standIn.time.advance(10);
  expect(board.agent.look().acked).toBe(1);
});

test("frames are printed whole, one after the other as the wire takes them, and several lines end near 250 bytes", () => {
  const board = startConsole({ baud: 9600 });
  board.call({ v: 1, hello: 1 });
  board.standIn.time.advance(10);
  for (let i = 0; i < 6; i++) board.standIn.log(`line ${i} ${"x".repeat(90)}`);
  board.standIn.log(`long ${"y".repeat(600)}`);
  board.standIn.time.advance(9_000);
  const frames = board.prints.filter(({ text }) => text.startsWith('["!'));
  for (const [i, { atMs, text }] of frames.entries()) {
    expect(text.length).toBeLessThan(1024);
    const before = frames[i - 1];
    if (before) expect(atMs - before.atMs).toBeGreaterThanOrEqual((before.text.length * 10_000) / 9600);
  }
  const all = messages(board.said().frames);
  expect(all).toContain(`long ${"y".repeat(600)}`);
  expect(frames.filter(({ text }) => text.length > 420).length).toBeGreaterThan(0);
});

test("lines are text again at once where the console moves to a developer, and frames when it is back and a gateway answers", () => {
  const board = startConsole();
  board.call({ v: 1, hello: 1 });
  board.standIn.time.advance(10);
  board.said();
  board.moveTo("Bluetooth");
  board.standIn.log("kept");
  board.standIn.time.advance(100);
  board.standIn.log("to the developer");
  board.standIn.time.advance(60_000);
  expect(board.said()).toEqual({ texts: ["to the developer"], frames: [] });
  board.moveTo("USB");
  board.standIn.time.advance(60_000);
  const question = board.said().frames.at(-1);
  expect(question?.cmds).toEqual([]);
  board.call({ v: 1, boot: question?.boot, ack: 0 });
  board.standIn.time.advance(300);
  board.standIn.log("again");
  board.standIn.time.advance(300);
  const { texts, frames } = board.said();
  expect(texts).toEqual([]);
  expect(messages(frames)).toContain("kept");
});

test("a lease comes as a call too", async () => {
  const board = startConsole();
  board.call({ v: 1, hello: 1 });
  board.call({ v: 1, level: 2, forMs: 1000 });
  board.standIn.time.advance(10);
  // Built without levels, it is counted; what it does with them is the core's own test.
  expect(board.agent.look().badDownlinks).toBe(1);
});
