import { execFile } from "node:child_process";
import { access, readFile } from "node:fs/promises";
import { basename, dirname, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { printedLines, SerialportLink } from "../gateway/serialport-link.ts";
import { silentLog } from "../host/process-log.ts";
import { systemClock, systemTimers } from "../host/system-clock.ts";
import { systemRandom } from "../host/system-random.ts";
import { decodeConsoleLine } from "../protocol/console-line.ts";
import { Verbatim } from "../protocol/json-parser.ts";
import type { LineItem } from "../protocol/serial-line.ts";
import { FlashRefused, greet, writeStorage } from "./espruino-flasher.ts";
import { EspruinoPrompt, NoAnswer, readable } from "./espruino-prompt.ts";
import { writeOut } from "./output.ts";
import { findPorts } from "./ports-command.ts";
import { UserError } from "./user-error.ts";

export interface FlashOptions {
  readonly port?: string;
  readonly baud?: string;
  readonly board: string;
  readonly as?: string;
  readonly show?: string;
}

/** Puts a bundle on a board, checks that it is there, and shows the board's first lines. */
export async function runFlash(file: string, options: FlashOptions): Promise<void> {
  const text = await bundleText(file);
  if (isModdable(text, options)) return flashModdable(file, options);
  const path = options.port ?? (await onlyPort());
  const name = options.as ?? ".bootcde";
  if (name.length > 28) throw new UserError("--as: a name in the board's Storage has at most 28 characters");
  const complaints: string[] = [];
  const complain = (_: object, text: string): void => {
    complaints.push(text);
    prompt.fail();
  };
  const link = new SerialportLink(
    { clock: systemClock, timers: systemTimers, random: systemRandom, log: { ...silentLog, warn: complain } },
    { name: path, locate: async () => path, baud: Number(options.baud ?? 115_200) },
  );
  const prompt = new EspruinoPrompt(link);
  try {
    if (!(await prompt.open(OPEN_TIMEOUT_MS)))
      throw new UserError(complaints.at(-1) ?? `${path}: does not open`, 1);
    const { version, board } = await greet(prompt);
    await writeOut(`${path}: Espruino ${version} on ${board}\n`);
    const bar = progressBar(file);
    await writeStorage(prompt, name, text, bar.update);
    await bar.end(
      `${file}: ${text.length.toLocaleString("en")} bytes in ${name === ".bootcde" ? "flash, run at every start" : `Storage as ${name}`}; verified by CRC-32`,
    );
    await showFirstLines(prompt, path, Number(options.show ?? SHOW_SECONDS));
  } catch (error) {
    if (error instanceof NoAnswer)
      throw new UserError(
        `${path}: ${error.message}\nIs it the port of the board's console, at its baud rate (--baud), and is no gateway or terminal using it? A board whose app has taken the console away answers after a reset with its button held.`,
        1,
      );
    if (error instanceof FlashRefused) throw new UserError(`${path}: ${error.message}`, 1);
    throw error;
  } finally {
    await prompt.close();
  }
}

const OPEN_TIMEOUT_MS = 5_000;
const SHOW_SECONDS = 3;

async function bundleText(file: string): Promise<string> {
  try {
    const bytes = await readFile(file);
    if (bytes.some((byte) => byte > 126))
      throw new UserError(`${file}: holds more than ASCII; build it with: boardlog build`, 1);
    if (bytes.length === 0) throw new UserError(`${file}: is empty`, 1);
    return bytes.toString("latin1");
  } catch (error) {
    if (error instanceof UserError) throw error;
    throw new UserError(`${file}: cannot be read: ${(error as Error).message}`);
  }
}

async function onlyPort(): Promise<string> {
  const ports = (await findPorts()).filter((one) => /tty(USB|ACM)/.test(one.path));
  if (ports.length === 1 && ports[0] !== undefined) return ports[0].stablePath ?? ports[0].path;
  const list = ports.map((one) => `  ${one.path}  ${one.name}`).join("\n");
  throw new UserError(
    ports.length === 0
      ? "--port: no USB serial port is there; is the board plugged in, with a cable that carries data?"
      : `--port: which one?\n${list}`,
  );
}

/** The app starts as at power-up; what it prints is the proof that it runs. */
async function showFirstLines(prompt: EspruinoPrompt, path: string, seconds: number): Promise<void> {
  if (seconds <= 0) return;
  let lineCount = 0;
  let isConsolePort = false;
  prompt.onText = printedLines((printed) => {
    for (const item of decodeConsoleLine(printed.replace(/\r$/, ""))) {
      isConsolePort ||= item.type === "frame" && item.frame.isCalled === true;
      for (const line of linesSaid(item)) {
        lineCount++;
        void writeOut(`| ${line}\n`);
      }
    }
  });
  await prompt.tell("load()");
  await writeOut(`The board starts; its first ${seconds} s on this port:\n`);
  await sleep(seconds * 1000);
  prompt.onText = () => {};
  if (isConsolePort) await writeOut(`The agent is on this port: boardlog up --serial ${path}:console\n`);
  else if (lineCount === 0)
    await writeOut(
      "Nothing was printed here in that time. Where the agent has a port of its own, watch that one: boardlog up --serial PORT\n",
    );
}

/** Console text, or what the entries of a frame say; a frame without any is the agent asking for a gateway. */
function linesSaid(item: LineItem): readonly string[] {
  if (item.type === "text") return [readable(item.text)].filter((text) => text !== "");
  if (item.type === "discarded") return [];
  const { boot, commands } = item.frame;
  if (commands.length === 0) return [`(the agent asks for a gateway, boot ${boot?.text})`];
  return commands.flatMap(({ args, log }) => {
    const msg = log?.msg ?? (args.msg instanceof Verbatim ? args.msg.text : "");
    return [msg.startsWith('"') ? readable(JSON.parse(msg)) : msg];
  });
}

function isModdable(text: string, { board }: FlashOptions): boolean {
  return board.startsWith("moddable") || /^import[ {*"'\w$]/m.test(text.slice(0, 200));
}

/** Moddable's SDK builds and flashes in one; without it there is nothing that could. */
async function flashModdable(file: string, options: FlashOptions): Promise<void> {
  const platform =
    options.board === "espruino" ? "esp32" : options.board.replace(/^moddable:?/, "") || "esp32";
  const manifest = `${file.replace(/\.js$/, "")}.manifest.json`;
  try {
    await access(manifest);
  } catch {
    throw new UserError(
      `${manifest}: is not there; boardlog build --target moddable writes it beside ${basename(file)}`,
    );
  }
  const args = ["-m", "-p", platform, basename(manifest)];
  await writeOut(`mcconfig ${args.join(" ")}\n`);
  try {
    const env = options.port === undefined ? process.env : { ...process.env, UPLOAD_PORT: options.port };
    const { stdout } = await promisify(execFile)("mcconfig", args, {
      cwd: dirname(resolve(file)),
      env,
    });
    await writeOut(stdout);
  } catch (error) {
    const { code, stderr, stdout } = error as { code?: unknown; stderr?: string; stdout?: string };
    if (code === "ENOENT")
      throw new UserError(
        "a bundle for Moddable is built and flashed by mcconfig, which is not there: install the Moddable SDK (its documentation, Getting Started), set MODDABLE to it and put its build/bin/lin/release in PATH; for ESP32 also ESP-IDF",
        1,
      );
    throw new UserError(
      `mcconfig failed:\n${`${stdout ?? ""}${stderr ?? ""}`.trim().split("\n").slice(-20).join("\n")}`,
      1,
    );
  }
}

interface Progress {
  update(doneBytes: number, totalBytes: number): void;
  end(line: string): Promise<boolean>;
}

function progressBar(file: string): Progress {
  const { stderr } = process;
  return {
    update(doneBytes, totalBytes) {
      if (!stderr.isTTY) return;
      const percent = Math.floor((100 * doneBytes) / totalBytes);
      stderr.write(`\r\u001b[K${file}: ${"#".repeat(Math.floor(percent / 4)).padEnd(25, ".")} ${percent}%`);
    },
    end(line) {
      if (stderr.isTTY) stderr.write("\r\u001b[K");
      return writeOut(`${line}\n`);
    },
  };
}
