import { type ChildProcess, spawn } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { crc32 } from "node:zlib";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import type { AgentLook } from "../../firmware-js/agent/env.ts";
import { openPty, type Pty } from "../../host/pty.ts";
import { buildFirmware } from "../../scripts/build-firmware.mjs";
import { frameOf } from "./agent-bench.ts";
import { ModelReceiver } from "./model-receiver.ts";

/**
 * Path of an Espruino interpreter for Linux: `make` in a checkout of https://github.com/espruino/Espruino gives
 * `bin/espruino` in about a minute.
 */
const interpreter = process.env.ESPRUINO;
const title = interpreter
  ? "the built agent on a real Espruino"
  : "the built agent on a real Espruino (skipped: build Espruino's Linux port and set ESPRUINO to its bin/espruino)";

/** What the board runs: the agent as a module from Storage, then an app that talks. */
const appText = (agentFile: string, ptyPath: string) => `
var quiet = function () {};
console.info = quiet;
var memory = function () { return process.memory().usage; };
var before = memory();
require("Storage").write("boardlog", require("fs").readFileSync(${JSON.stringify(agentFile)}));
var agent = require("boardlog").start({ serial: Serial1, setup: { path: ${JSON.stringify(ptyPath)} }, src: "esp", ringBytesMax: 3072 });
var started = memory();
var words = "123456789 123456789 123456789 123456789 123456789 123456789 ";
console.info(words);
var empty = memory();
for (var i = 0; i < 10; i++) console.info(words);
var tenMore = memory();
agent.flush();
function specials() {
console.log({ kind: "object", list: [1, 2.5, null], text: "\\u00e9\\u20ac" });
console.warn("several", 1, { a: true });
var circular = {}; circular.self = circular; console.error(circular);
console.error(new TypeError("boom"));
console.log([quiet, 1]);
console.log("long " + words + words + words + words + words + words + words + words + words + words +
  words + words + words + words + words + words + words + words + words + words);
}
var count = 0;
function tick() {
  console.info("tick " + count++);
  if (count < 40) setTimeout(tick, 15);
  else setTimeout(burst, 1500);
}
function burst() {
  var start = getTime();
  for (var i = 0; i < 100; i++) console.info("burst " + i + " " + words);
  var logMs = (getTime() - start) * 10;
  start = getTime();
  var entry = { msg: "burst " + words, timestamp: Date.now(), level: "info" };
  for (var j = 0; j < 100; j++) JSON.stringify(entry);
  var stringifyMs = (getTime() - start) * 10;
  setTimeout(function () {
    print("RESULT " + JSON.stringify({
      stats: agent.look(), logMs: logMs, stringifyMs: stringifyMs, blockBytes: process.memory().blocksize,
      loaded: started - before, perLine: (tenMore - empty) / 10
    }));
  }, 4000);
}
setTimeout(specials, 2500);
setTimeout(tick, 4500);
`;

interface Result {
  readonly stats: AgentLook;
  readonly logMs: number;
  readonly stringifyMs: number;
  readonly blockBytes: number;
  readonly loaded: number;
  readonly perLine: number;
}

const checked = (json: string) => `${json}${crc32(json).toString(16).padStart(8, "0")}\n`;

/** The far end of the board's UART: whole lines in, with their checksum verified. */
function onFrames(pty: Pty, listener: (frame: string) => void): void {
  let text = "";
  pty.onData((bytes) => {
    text += Buffer.from(bytes).toString("latin1");
    const lines = text.split("\n");
    text = lines.pop() ?? "";
    for (const line of lines) {
      const json = line.slice(0, -8);
      if (line.slice(-8) !== crc32(json).toString(16).padStart(8, "0"))
        throw new Error(`bad checksum: ${line}`);
      listener(json);
    }
  });
}

describe.skipIf(!interpreter)(title, () => {
  let folder: string;
  let pty: Pty;
  let board: ChildProcess;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "boardlog-espruino-"));
    await buildFirmware({ outDir: folder });
    pty = openPty();
  });

  afterAll(async () => {
    // Its prompt ignores SIGTERM.
    board?.kill("SIGKILL");
    await pty?.close();
    await rm(folder, { recursive: true, force: true });
  });

  test("lines are acked, a lost ack and a lost frame are made good, what a burst drops is accounted for", async () => {
    let receiver: ModelReceiver | undefined;
    let frames = 0;
    let acksLost = 0;
    let framesLost = 0;
    onFrames(pty, (frame) => {
      receiver ??= new ModelReceiver(frameOf(frame).boot);
      frames++;
      if (frames === 4) {
        framesLost++;
        return;
      }
      const answer = receiver.receive(frame);
      if (answer === undefined) return;
      if (frames === 1) {
        acksLost++;
      } else if (frames === 6) {
        pty.write(`noise ${checked(answer).replace(/.\n$/, "x\n")}`);
      } else {
        pty.write(`\u0000glitch${checked(answer)}`);
      }
    });

    const app = join(folder, "app.js");
    await writeFile(app, appText(join(folder, "espruino-serial.js"), pty.path));
    board = spawn(interpreter as string, [app], { cwd: folder, stdio: ["pipe", "pipe", "inherit"] });
    let printed = "";
    const result = await new Promise<Result>((resolve, reject) => {
      board.stdout?.on("data", (bytes: Buffer) => {
        printed += bytes.toString("latin1");
        const found = /RESULT (\{.*\})\r?\n/.exec(printed)?.[1];
        if (found) resolve(JSON.parse(found) as Result);
      });
      board.once("exit", () => reject(new Error(`the interpreter ended:\n${printed}`)));
      const limit = setTimeout(() => reject(new Error(`no result:\n${printed}`)), 120_000);
      onTestFinished(() => clearTimeout(limit));
    });

    expect({ acksLost, framesLost }).toEqual({ acksLost: 1, framesLost: 1 });
    const { entries = [], losses = [], duplicates = 0, mark } = receiver ?? {};
    expect(receiver?.boot).toMatch(/^1-[0-9a-f]{1,8}$/);
    expect(result.stats).toMatchObject({
      seq: 157,
      acked: 157,
      ringBytes: 0,
      badDownlinks: 1,
    });
    expect(mark).toBe(157);
    expect(duplicates).toBeGreaterThan(0);
    const lost = losses.reduce((sum, one) => sum + one.last - one.first + 1, 0);
    expect(losses.every((one) => one.where === "agent")).toBe(true);
    expect(lost).toBeGreaterThan(0);
    expect(lost).toBe(result.stats.dropped.flat().reduce((sum, one) => sum + one, 0));
    expect(entries.length + lost).toBe(157);
    expect(entries.length).toBeGreaterThan(50);
    const seqs = entries.map((one) => one.seq);
    expect(seqs).toEqual([...new Set(seqs)].sort((a, b) => a - b));

    expect(entries.slice(11, 16).map((one) => [one.level, one.msg])).toEqual([
      [undefined, '{"kind":"object","list":[1,2.5,null],"text":"\\u00E9\\u20AC"}'],
      ["warn", 'several 1 {"a":true}'],
      ["error", '{"self": ... }'],
      ["error", "TypeError: boom"],
      [undefined, "[undefined,1]"],
    ]);
    expect(entries[16]?.msg).toMatch(/^long 123.* \[cut: \d+ more\]$/);
    expect(entries.slice(17, 57).map((one) => one.msg)).toEqual(
      Array.from({ length: 40 }, (_, i) => `tick ${i}`),
    );
    expect(entries.at(-1)?.msg).toMatch(/^burst 99 /);
    const times = entries.map((one) => one.timestamp ?? 0);
    expect(times).toEqual([...times].sort((a, b) => a - b));
    expect(Math.abs((times[0] ?? 0) - Date.now())).toBeLessThan(60_000);

    const { loaded, perLine, blockBytes, logMs, stringifyMs } = result;
    console.log(
      `Espruino: ${loaded} variables of ${blockBytes} bytes for the agent run from Storage, ${perLine} for a line of 60 ` +
        `characters, ${logMs.toFixed(3)} ms a console.info call into a full ring, ${stringifyMs.toFixed(3)} ms a JSON.stringify of its entry`,
    );
    expect(perLine).toBeLessThan(8);
  });
});
