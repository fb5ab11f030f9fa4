import { type ChildProcess, spawn } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { crc32 } from "node:zlib";
import { describe, expect, onTestFailed, onTestFinished, test, vi } from "vitest";
import { runFlash } from "../../cli/flash-command.ts";
import { UserError } from "../../cli/user-error.ts";
import { openPty, type Pty } from "../../host/pty.ts";

const interpreter = process.env.ESPRUINO;

async function folder(): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), "boardlog-flash-"));
  onTestFinished(() => rm(path, { recursive: true }));
  return path;
}

/** Runs the command on a port and gives what it printed, or the problem it told. */
async function flash(port: string, text: string, options: object = {}): Promise<string> {
  const file = join(await folder(), "app.bundle.js");
  await writeFile(file, text);
  let printed = "";
  const spy = vi.spyOn(process.stdout, "write").mockImplementation((piece, ...rest) => {
    printed += String(piece);
    (rest.at(-1) as () => void)();
    return true;
  });
  try {
    await runFlash(file, { board: "espruino", port, show: "1", ...options });
    return printed;
  } catch (error) {
    if (error instanceof UserError) return `${printed}problem: ${error.message}`;
    throw error;
  } finally {
    spy.mockRestore();
  }
}

/** Speaks as Espruino 2v29 did in a flash over a pty, escapes and prompts included; what goes wrong is set by the test. */
class PromptStandIn {
  readonly asked: string[] = [];
  stored = "";
  refusesAt = Number.POSITIVE_INFINITY;
  flipsBit = false;
  /** What the board says a moment after its start. */
  afterStart = "";
  readonly #pty: Pty;
  #input = "";

  constructor(pty: Pty) {
    this.#pty = pty;
    pty.onData((bytes) => {
      const lines = (this.#input + Buffer.from(bytes).toString("latin1")).split("\n");
      this.#input = lines.pop() ?? "";
      for (const line of lines) this.#answer(line.replace("\x03", ""));
    });
  }

  #answer(line: string): void {
    this.asked.push(line);
    const mark = /":(BL\d+)"\)$/.exec(line)?.[1];
    if (line === "\x10load()")
      this.#say(
        `\x1b[J ____                 _\r\n 2v29 (c) 2025 G.Williams\r\npump started\r\n>${this.afterStart}`,
      );
    if (mark === undefined) return;
    this.#say(`\r\n\x1b[J${mark}:${JSON.stringify(this.#value(line))}:${mark}\r\n>\r\x1b[J`);
  }

  #value(line: string): unknown {
    if (line.includes("process.env")) return ["2v29", "ESPRUINOWIFI"];
    if (line.includes(".erase(")) return 1;
    if (line.includes("getFree")) return 1234;
    const piece = /atob\("([^"]*)"\),(\d+)/.exec(line);
    if (piece) {
      if (this.stored.length >= this.refusesAt) return false;
      this.stored += Buffer.from(piece[1] ?? "", "base64").toString("latin1");
      return true;
    }
    if (this.flipsBit) this.stored = this.stored.replace("a", "b");
    return [this.stored.length, crc32(this.stored)];
  }

  #say(text: string): void {
    this.#pty.write(Buffer.from(text, "latin1"));
  }
}

describe("boardlog flash, against a stand-in for the prompt", () => {
  function prompt(): { readonly pty: Pty; readonly board: PromptStandIn } {
    const pty = openPty();
    onTestFinished(() => pty.close());
    return { pty, board: new PromptStandIn(pty) };
  }

  test("writes in pieces that the smallest input buffer holds, verifies, and shows the first lines", async () => {
    const { pty, board } = prompt();
    const text = "var a=1;".repeat(100);
    const printed = await flash(pty.path, text);
    expect(printed).toContain("Espruino 2v29 on ESPRUINOWIFI");
    expect(printed).toContain("800 bytes in flash, run at every start; verified by CRC-32");
    expect(printed).toContain("| pump started\n");
    expect(board.stored).toBe(text);
    for (const line of board.asked) expect(line.length).toBeLessThan(512);
  });

  test("an agent on the same port is shown too: its question, and what the entries of a frame say", async () => {
    const { pty, board } = prompt();
    const frame = (json: string) => `\r\x1b[J${json}${crc32(json).toString(16).padStart(8, "0")}\r\n>`;
    board.afterStart =
      frame('["!1-c0ffee",1,0,10,0]') + frame('["!1-c0ffee",1,0,10,0,"tank: 5 l",10,{"rpm":900}]');
    const printed = await flash(pty.path, "var a=1;");
    expect(printed).toContain(
      '| pump started\n| (the agent asks for a gateway, boot 1-c0ffee)\n| tank: 5 l\n| {"rpm":900}\n',
    );
    expect(printed).toContain(`The agent is on this port: boardlog up --serial ${pty.path}:console\n`);
  });

  test("a board without room, and one that holds something else, are told in words", async () => {
    const { pty, board } = prompt();
    board.refusesAt = 384;
    expect(await flash(pty.path, "var a=1;".repeat(100))).toMatch(
      /problem: .*took no more at 384 of 800 bytes \(1234 free\)/,
    );
    const other = prompt();
    other.board.flipsBit = true;
    expect(await flash(other.pty.path, "var a=1;")).toMatch(/problem: .*not what was written/);
  });

  test("a port that is not there, a file that is no bundle, and Moddable without its SDK say what to do", async () => {
    expect(await flash("/dev/ttyNONE0", "1")).toMatch(/problem: .*ttyNONE0: no such device/);
    expect(await flash("/dev/ttyNONE0", "'é'")).toMatch(/problem: .*holds more than ASCII/);
    expect(await flash("/dev/ttyNONE0", 'import a from"timer";')).toMatch(/manifest\.json: is not there/);
  });
});

describe.skipIf(interpreter === undefined)(
  `boardlog flash, on a real Espruino${interpreter ? "" : " (skipped: build Espruino's Linux port and set ESPRUINO to its bin/espruino)"}`,
  () => {
    test("flashes an app that talks all the time, over one that talks all the time", async () => {
      const pty = openPty();
      const cwd = await folder();
      const board: ChildProcess = spawn(interpreter ?? "", [], { cwd, stdio: ["pipe", "pipe", "ignore"] });
      onTestFinished(async () => {
        board.kill("SIGKILL");
        await pty.close();
      });
      let heard = "";
      // The Linux port takes input in a thread that races with the interpreter: one run in fifty or so, under load, ends in
      // `ASSERT(len <= 64)` of its src/jsdevices.c, which no board has.
      onTestFailed(() => console.log(`all that the interpreter said:\n${heard}`));
      board.stdout?.on("data", (bytes: Buffer) => {
        heard += bytes.toString("latin1");
        pty.write(bytes);
      });
      pty.onData((bytes) => void board.stdin?.write(bytes));
      const app = (word: string) =>
        `setInterval(function(){console.log("${word} "+process.memory().total)},50);${"/* filler */".repeat(60)}`;
      for (const word of ["one", "two"]) {
        const printed = await flash(pty.path, app(word));
        expect(printed).toMatch(/Espruino 2v\S+ on LINUX/);
        expect(printed).toContain("verified by CRC-32");
        expect(printed).toMatch(new RegExp(`\\| ${word} \\d+\\n`));
      }
    });
  },
);
