import { crc32 } from "node:zlib";
import { expect, test } from "vitest";
import type { Agent } from "../../firmware-js/agent/env.ts";
import { frameOf } from "./agent-bench.ts";
import { StandIn, serialText } from "./espruino-stand-in.ts";

const sum = (json: string) => crc32(json).toString(16).padStart(8, "0");

function startSerial(options = {}, standIn = new StandIn(), isBroken = () => false) {
  const writes: { readonly atMs: number; readonly text: string }[] = [];
  const setups: unknown[][] = [];
  let onData = (_: string) => {};
  const serial = {
    setup: (...args: unknown[]) => void setups.push(args),
    write(text: string) {
      if (isBroken()) throw new Error("wire burnt");
      writes.push({ atMs: standIn.time.monotonicMs(), text });
    },
    on(event: string, action: (text: string) => void) {
      if (event === "data") onData = action;
    },
  };
  const agent: Agent = standIn.start(serialText, { serial, ...options });
  return {
    standIn,
    agent,
    writes,
    setups,
    data: (text: string) => onData(text),
    frames: () => {
      const lines = writes
        .map((one) => one.text)
        .join("")
        .split("\n")
        .slice(0, -1);
      return lines.map((line) => {
        expect(line.slice(-8)).toBe(sum(line.slice(0, -8)));
        return frameOf(line.slice(0, -8));
      });
    },
  };
}

/** Most that ever stood in the transmit ring, which the wire empties byte by byte. */
function ringBytes(
  writes: readonly { readonly atMs: number; readonly text: string }[],
  baud: number,
): number {
  let most = 0;
  let held = 0;
  let atMs = 0;
  for (const write of writes) {
    held = Math.max(0, held - ((write.atMs - atMs) * baud) / 10_000) + write.text.length;
    atMs = write.atMs;
    most = Math.max(most, Math.floor(held + 1e-6));
  }
  return most;
}

test("frames are lines with a CRC-32, written in pieces that the transmit ring holds, at the pace of the wire", () => {
  const board = startSerial({ baud: 9600, setup: { rx: 1, tx: 2 }, src: "b" });
  board.data('{"v":1,"hello":1}\n');
  for (let i = 0; i < 30; i++) board.standIn.log(`line ${i} ${"x".repeat(40)}`);
  board.standIn.time.advance(20_000);
  expect(board.setups).toEqual([[9600, { rx: 1, tx: 2 }]]);
  expect(board.writes.length).toBeGreaterThan(10);
  expect(ringBytes(board.writes, 9600)).toBeLessThanOrEqual(127);
  const lines = board.writes
    .map((one) => one.text)
    .join("")
    .split("\n");
  for (const line of lines) expect(line.length + 1).toBeLessThanOrEqual(1024);
  expect(board.frames().length).toBeGreaterThan(0);
});

test.each([
  [undefined, {}, 126],
  [128, {}, 126],
  [256, {}, 192],
  [256, { pieceBytes: 60 }, 60],
])(
  "with a transmit ring of %s bytes and %j, %d bytes are written at a time",
  (total, options, pieceBytes) => {
    const standIn = new StandIn();
    standIn.ring = total === undefined ? undefined : { total };
    const board = startSerial(options, standIn);
    for (let i = 0; i < 9; i++) board.standIn.log(`line ${i}`.padEnd(70, "."));
    board.standIn.time.advance(900);
    expect(ringBytes(board.writes, 115200)).toBeLessThanOrEqual(pieceBytes);
    // A frame's end and the next one's first piece leave together.
    expect(board.writes[0]?.text.length).toBe(pieceBytes - 9);
  },
);

test("two frames never mix on the wire, and the second leaves when the first is out", () => {
  const board = startSerial({ frameBytesMax: 400 });
  board.data('{"v":1,"hello":1}\n');
  for (let i = 0; i < 9; i++) board.standIn.log(`line ${i}`.padEnd(70, "."));
  board.standIn.time.advance(900);
  const ids = board.frames().flatMap((frame) => frame.cmds.map((one) => one.id));
  expect(ids).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9]);
  expect(board.frames().length).toBeGreaterThan(2);
});

test("a wire that throws costs the frame, which comes again, and the app no error", () => {
  let isBroken = true;
  const board = startSerial({}, new StandIn(), () => isBroken);
  for (let i = 0; i < 5; i++) board.standIn.log(`line ${i} ${"x".repeat(40)}`);
  board.standIn.time.advance(500);
  expect(board.writes).toEqual([]);
  isBroken = false;
  board.standIn.time.advance(5_000);
  expect(board.frames()[0]?.cmds.map((one) => one.id)).toEqual([1, 2, 3, 4, 5]);
});

test("a ring that is larger than half of the free memory is made smaller", () => {
  const standIn = new StandIn();
  standIn.freeVariables = 300;
  const board = startSerial({ ringBytesMax: 8192 }, standIn);
  for (let i = 0; i < 200; i++) standIn.log(`line ${i} ${"x".repeat(40)}`);
  const { ringBytes, seq, dropped } = board.agent.look();
  expect(ringBytes).toBeGreaterThan(1000);
  expect(ringBytes).toBeLessThanOrEqual(1800);
  expect(seq).toBe(200);
  expect(dropped[0]?.[0]).toBeGreaterThan(150);
});

test("acks are read out of chunks of any size, with or without checksum, after noise, with CR", () => {
  const board = startSerial();
  const forms = (json: string) => [
    `${json}${sum(json)}\n`,
    `${json}${sum(json).toUpperCase()}\r\n`,
    `${json}\n`,
    `\u0000\u00ff>${json}${sum(json)}\n`,
  ];
  for (let round = 0; round < 4; round++) {
    board.standIn.log("x");
    board.standIn.time.advance(200);
    const { boot } = board.frames()[0] ?? { boot: "" };
    const line = forms(JSON.stringify({ v: 1, boot, ack: round + 1 }))[round] ?? "";
    for (let at = 0; at < line.length; at += 5) board.data(line.slice(at, at + 5));
    expect(board.agent.look().acked).toBe(round + 1);
  }
  expect(board.agent.look().badDownlinks).toBe(0);
});

test("a wrong checksum, a cut line and an endless line are counted and bounded, and the next ack counts", () => {
  const board = startSerial();
  board.standIn.log("x");
  board.standIn.time.advance(200);
  const json = JSON.stringify({ v: 1, boot: board.frames()[0]?.boot, ack: 1 });
  board.data(`${json}00000000\n${json.slice(0, 20)}\nhello\n`);
  expect(board.agent.look()).toMatchObject({ acked: 0, badDownlinks: 3 });
  for (let i = 0; i < 200; i++) board.data("y".repeat(32));
  board.data("end of it\n");
  expect(board.agent.look()).toMatchObject({ acked: 0, badDownlinks: 4 });
  // What began beyond the bound is forgotten, and takes nothing along that comes behind it.
  board.data(`${json}${sum(json)}`);
  for (let i = 0; i < 20; i++) board.data("y".repeat(32));
  board.data("\n");
  expect(board.agent.look()).toMatchObject({ acked: 0, badDownlinks: 5 });
  for (let i = 0; i < 20; i++) board.data("y".repeat(32));
  board.data(`${json}${sum(json)}\n`);
  expect(board.agent.look()).toMatchObject({ acked: 1, badDownlinks: 5 });
});

test("the boot id counts up in Storage, is different at every start, and needs no Storage", () => {
  const storage = new Map<string, string>();
  const boots = [1, 2].map(() => {
    const board = startSerial({}, new StandIn(storage));
    board.standIn.log("x");
    board.standIn.time.advance(200);
    return board.frames()[0]?.boot;
  });
  expect(boots).toEqual(["1-deadbeef", "2-deadbeef"]);
  const bare = new StandIn();
  bare.globals.require = () => {
    throw new Error("Module not found");
  };
  const board = startSerial({}, bare);
  bare.log("x");
  bare.time.advance(200);
  expect(board.frames()[0]?.boot).toBe("0-deadbeef");
});

test("lines before the clock is set carry uptime, lines after it UTC", () => {
  const board = startSerial();
  const { standIn } = board;
  standIn.time.advance(5000);
  standIn.log("before");
  standIn.time.advance(10);
  standIn.setTime(1_800_000_000);
  standIn.log("after");
  standIn.time.advance(500);
  const [frame] = board.frames();
  expect(frame?.now).toBe(1_800_000_000_030);
  expect(frame?.cmds.map((one) => one.args)).toEqual([
    { msg: "before", uptime: 5000 },
    { msg: "after", timestamp: 1_800_000_000_000 },
  ]);
});

test("the gateway's time sets a clock that is not set, once, unless the option says no", () => {
  const willing = startSerial();
  willing.data('{"v":1,"hello":1,"now":1800000000000}\n{"v":1,"hello":1,"now":1900000000000}\n');
  expect(willing.standIn.getTime()).toBe(1_800_000_000);
  const unwilling = startSerial({ setClock: false });
  unwilling.data('{"v":1,"hello":1,"now":1800000000000}\n');
  expect(unwilling.standIn.getTime()).toBe(0);
});
