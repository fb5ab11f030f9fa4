import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { crc32 } from "node:zlib";
import { afterEach, describe, expect, onTestFinished, test } from "vitest";
import type { AgentLook } from "../../firmware-js/agent/env.ts";
import { openPty, type Pty } from "../../host/pty.ts";
import { encodeLevelLease } from "../../protocol/level-lease.ts";
import { bundlePort } from "../../scripts/build-firmware.mjs";
import { type Frame, frameOf } from "./agent-bench.ts";

const interpreter = process.env.ESPRUINO;
const title = interpreter
  ? "the options on a real Espruino"
  : "the options on a real Espruino (skipped: build Espruino's Linux port and set ESPRUINO to its bin/espruino)";

const appText = (agentFile: string, ptyPath: string) => `
require("Storage").write("boardlog", require("fs").readFileSync(${JSON.stringify(agentFile)}));
var agent = require("boardlog").start({ serial: Serial1, setup: { path: ${JSON.stringify(ptyPath)} }, foldMs: 300 });
var isSecond = require("Storage").read("second");
if (isSecond) console.log("alive again");
else {
  for (var i = 0; i < 5; i++) console.warn("door open");
  agent.module("wifi").error("no network");
  setTimeout(function () { throw new Error("boom"); }, 500);
  setTimeout(function () { console.debug("after the lease"); console.error("last words"); }, 1500);
  setTimeout(function () { require("Storage").write("second", "1"); E.reboot(); }, 2000);
}
`;

const small = process.env.ESPRUINO_SMALL;
const smallTitle = small
  ? "last words on a small Espruino"
  : "last words on a small Espruino (skipped: build Espruino's Linux port for 32 bit with 1,600 variables and set ESPRUINO_SMALL to it)";

/** Nobody listens; the second run tells what it finds. */
const smallAppText = (agentFile: string) => `
console.info = console.warn = function () {};
require("Storage").write("boardlog", require("fs").readFileSync(${JSON.stringify(agentFile)}));
var kept = require("Storage").list(/^boardlog\\.\\d/).map(function (name) { return require("Storage").read(name).length; });
var behind = require("Storage").read("boardlog.1");
var agent = require("boardlog").start({ ringBytesMax: 8192, serial: {
  setup: function () {}, on: function () {}, write: function (text) { print("SENT " + text.trim()); }
} });
function fill() {
  for (var i = 0; i < 200; i++) console.info("123456789 123456789 123456789 123456789 123456789 123456789 " + i);
  setTimeout(function () {
    print("RESULT " + JSON.stringify({ kept: kept, behind: behind, flags: E.getErrorFlags(), look: agent.look() }));
    E.reboot();
  }, 1500);
}
fill();
`;

describe.skipIf(!small)(smallTitle, () => {
  test("a ring of 8 KB on 1,600 variables is made to fit, is kept over a reset, and is sent from there", async () => {
    const folder = await mkdtemp(join(tmpdir(), "boardlog-small-"));
    onTestFinished(() => rm(folder, { recursive: true, force: true }));
    const agentFile = join(folder, "agent.js");
    await writeFile(agentFile, await bundlePort("serial", ["words"]));
    const app = join(folder, "app.js");
    await writeFile(app, smallAppText(agentFile));
    const run = async () => {
      const child = spawn(small as string, [app], { cwd: folder, stdio: ["pipe", "pipe", "inherit"] });
      onTestFinished(() => void child.kill("SIGKILL"));
      let printed = "";
      child.stdout.on("data", (bytes: Buffer) => {
        printed += bytes.toString("latin1");
      });
      await once(child, "exit");
      const found = /RESULT (\{.*\})/.exec(printed)?.[1];
      if (found === undefined) throw new Error(`no result:\n${printed}`);
      expect(printed).not.toContain("MEMORY");
      const sent = [...printed.matchAll(/SENT (.*?)\r?\n/g)].map((one) => one[1]).join("");
      const result = JSON.parse(found) as {
        kept: number[];
        behind: string;
        flags: string[];
        look: AgentLook;
      };
      return { ...result, oldest: /\[.*?\](?=[0-9a-f]{8})/.exec(sent)?.[0] ?? "" };
    };
    const first = await run();
    expect(first).toMatchObject({ kept: [], flags: [], look: { seq: 201 } });
    expect(first.look.ringBytes).toBeGreaterThan(4096);
    const second = await run();
    expect(second.flags).toEqual([]);
    expect(second.kept.length).toBeGreaterThan(2);
    const frame = frameOf(second.oldest);
    expect(frame.boot).toMatch(/^1-/);
    // What the ring dropped first, then the lines that it held, without a gap.
    const { msg } = frame.cmds[0]?.args ?? {};
    expect(msg).toMatchObject({ first: 1, why: "ring full" });
    const dropped = (msg as { count: number }).count;
    const behind = frameOf(second.behind.split("\n")[2] ?? "").cmds[0];
    expect(behind?.id).toBe(dropped + 1);
    expect(behind?.args.msg).toMatch(new RegExp(` ${dropped - 1}$`));
  }, 30_000);
});

describe.skipIf(!interpreter)(title, () => {
  let folder: string;
  let pty: Pty | undefined;
  let board: ChildProcess | undefined;

  afterEach(async () => {
    // Its prompt ignores SIGTERM.
    board?.kill("SIGKILL");
    await pty?.close();
    await rm(folder, { recursive: true, force: true });
  });

  test("repeats are folded, a lease is kept, an uncaught error is logged, and the tail comes after a reset", async () => {
    folder = await mkdtemp(join(tmpdir(), "boardlog-options-"));
    const agentFile = join(folder, "agent.js");
    await writeFile(agentFile, await bundlePort("serial", ["fold", "levels", "words"]));
    const wire = openPty();
    pty = wire;
    const app = join(folder, "app.js");
    await writeFile(app, appText(agentFile, wire.path));
    const down = (json: string) => wire.write(`${json}${crc32(json).toString(16).padStart(8, "0")}\n`);
    let acks = false;
    let text = "";
    const frames: Frame[] = [];
    wire.onData((bytes) => {
      text += Buffer.from(bytes).toString("latin1");
      const lines = text.split("\n");
      text = lines.pop() ?? "";
      for (const line of lines) {
        const frame = frameOf(line.slice(0, -8));
        frames.push(frame);
        const last = frame.cmds.at(-1)?.id;
        if (acks && last !== undefined) down(JSON.stringify({ v: 1, boot: frame.boot, ack: last }));
        if (!acks && frames.length === 1) down(encodeLevelLease({ level: "info", forMs: 60_000 }));
      }
    });
    const start = () => {
      const child = spawn(interpreter as string, [app], { cwd: folder, stdio: ["pipe", "pipe", "inherit"] });
      child.stdout?.resume();
      return child;
    };
    board = start();
    await once(board, "exit");
    const firstBoot = frames[0]?.boot;
    frames.length = 0;
    text = "";
    acks = true;
    board = start();
    await expect.poll(() => frames.at(-1)?.cmds.at(-1)?.args.msg).toBe("alive again");

    const lines = frames.map((frame) =>
      frame.cmds.map(({ args }) => `${args.level ?? "-"} ${args.module ?? "-"} ${args.msg}`),
    );
    const old = lines
      .slice(
        0,
        frames.findIndex((one) => one.boot !== firstBoot),
      )
      .flat();
    expect(old).toEqual([
      "info - boardlog: boot 1-".concat(firstBoot?.slice(2) ?? ""),
      "warn - door open",
      expect.stringMatching(/^warn - last line repeated 4 times, 20\S+Z to 20\S+Z$/),
      "error wifi no network",
      "info boardlog level info for 60 s",
      expect.stringMatching(/^error - Uncaught Error: boom/),
      "error - last words",
    ]);
    expect(frames.at(-1)?.boot).toMatch(/^2-/);
    expect(lines.at(-1)).toEqual([`info - boardlog: boot ${frames.at(-1)?.boot}`, "- - alive again"]);
  });
});
