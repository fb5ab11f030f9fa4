import { access, constants, readFile, stat, writeFile } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { dirname, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import {
  type Arrival,
  faultsEvery,
  faultsOfArrival,
  type LoadFaultName,
  type PlannedFault,
} from "../sim/load/load-faults.ts";
import type { MessageModel } from "../sim/load/load-line.ts";
import type { LoadOptions } from "../sim/load/load-options.ts";
import { loadPage } from "../sim/load/load-page.ts";
import { loadTable } from "../sim/load/load-report.ts";
import { DevicesRefused, type LoadProgress, runLoad } from "../sim/load/load-run.ts";
import type { LoadScript } from "../sim/load/load-script.ts";
import { readRecording } from "../sim/load/recording.ts";
import { checkTarget, openTarget, type TargetFlags } from "./sim-target.ts";
import { stopSignal } from "./stop-signal.ts";
import { UserError } from "./user-error.ts";

const AGENT_FILE = fileURLToPath(new URL("./firmware/agent.js", import.meta.url));
const WORKER_FILE = new URL("./load-worker.js", import.meta.url);
const BAR_WIDTH = 10;
/** Between lines of progress where there is no terminal. */
const PLAIN_MS = 5000;

/** Keys that make something go wrong while a load runs on a terminal. */
const FAULT_KEYS: Readonly<Record<string, LoadFaultName>> = {
  k: "kill",
  h: "stall",
  s: "service",
  b: "broker",
  c: "cut",
  o: "outage",
  x: "crash",
  l: "loss",
  "2": "twice",
  d: "delay",
  t: "clock",
  r: "reader",
};

export interface LoadFlags extends TargetFlags {
  readonly devices: number;
  readonly serial: number;
  readonly rate: number;
  readonly burst: number;
  readonly arrival: Arrival;
  readonly messages: MessageModel;
  readonly replay?: string;
  readonly duration: number;
  readonly workers?: number;
  readonly ring: number;
  readonly fault: readonly PlannedFault[];
  readonly killEvery: number;
  readonly cutEvery: number;
  readonly drain: number;
  readonly live: boolean;
  readonly json?: boolean;
  readonly html?: string;
}

/** `boardlog sim --devices N`: load on real processes. Exit status 1 when a promise was broken. */
export async function runSimLoad(flags: LoadFlags): Promise<void> {
  const options = optionsOf(flags);
  const script = await scriptOf(flags);
  checkTarget(flags, flags.serial);
  checkPlan(options, flags);
  if (flags.html !== undefined) await checkFolder(flags.html);
  const agentText = await readFile(AGENT_FILE, "utf8");
  let end = async (): Promise<void> => {};
  const bar = progressBar();
  const { signal } = stopSignal();
  const keys = new FaultKeys();
  try {
    const result = await runLoad({
      agentText,
      workerFile: WORKER_FILE,
      script,
      options,
      openTarget: async (ports, devices) => {
        const opened = await openTarget(flags, { ports, devices }, signal);
        end = opened.end;
        return opened.target;
      },
      progress: bar,
      onStarted: (fault, possible) => keys.start(fault, possible),
      signal,
    });
    bar.clear();
    if (flags.html !== undefined) await writeFile(flags.html, loadPage(result));
    const { orderMap: _, ...figures } = result;
    process.stdout.write(flags.json ? `${JSON.stringify(figures)}\n` : loadTable(result));
    if (!result.isClean) throw new UserError("a promise was broken", 1);
  } catch (error) {
    if (signal.aborted) throw new UserError("interrupted; there is no verdict", 130);
    if (error instanceof DevicesRefused) throw new UserError(error.message, 1);
    throw error;
  } finally {
    keys.stop();
    bar.clear();
    await end();
  }
}

function optionsOf(flags: LoadFlags): LoadOptions {
  const { devices, serial, rate, burst, duration, arrival, messages, replay } = flags;
  if (serial > devices) {
    throw new UserError(`--serial: ${serial} of ${devices} devices; --devices counts all of them`);
  }
  return {
    devices,
    serialDevices: serial,
    rate,
    burst,
    arrival,
    messages: replay === undefined ? `${messages} messages` : `recorded lines of ${replay}`,
    durationS: duration,
    workers: flags.workers ?? Math.min(devices, availableParallelism()),
    ringBytesMax: flags.ring,
    connectsPerSecond: 1000,
    drainS: flags.drain,
    plan: [
      ...flags.fault,
      ...faultsOfArrival(arrival, duration),
      ...faultsEvery("kill", flags.killEvery, duration),
      ...faultsEvery("cut", flags.cutEvery, duration),
    ],
    isWatchedLive: flags.live,
  };
}

/** A fault that nobody can make is said before the load, not after it. */
function checkPlan({ plan, durationS }: LoadOptions, { broker, service, apart }: LoadFlags): void {
  for (const { name, atS } of plan) {
    if (atS >= durationS)
      throw new UserError(`--fault: ${name}@${atS} is after the end of the load, ${durationS} s`);
    if (name === "kill" && service !== undefined) {
      throw new UserError("--fault: kill needs a boardlog that was started here (leave --service out)");
    }
    if (name === "service" && apart !== true) {
      throw new UserError("--fault: service needs --apart; with boardlog up it goes with kill");
    }
    if (name === "broker" && broker !== "mosquitto") {
      throw new UserError("--fault: broker needs --broker mosquitto; the one inside goes with kill");
    }
  }
}

/** A page that cannot be written is said before the load, not after it. */
async function checkFolder(file: string): Promise<void> {
  const isFolder = await stat(file).then(
    (found) => found.isDirectory(),
    () => false,
  );
  if (isFolder) throw new UserError(`--html: ${file} is a folder`);
  await access(dirname(resolve(file)), constants.W_OK).catch((error: NodeJS.ErrnoException) => {
    const why = error.code === "ENOENT" ? "there is no such folder" : "its folder cannot be written to";
    throw new UserError(`--html: ${file}: ${why}`);
  });
}

async function scriptOf({ messages, replay }: LoadFlags): Promise<LoadScript> {
  if (replay === undefined) return { type: "model", model: messages };
  const text = await readFile(replay, "utf8").catch((error: NodeJS.ErrnoException) => {
    throw new UserError(
      `--replay: ${replay}: ${error.code === "ENOENT" ? "there is no such file" : error.message}`,
    );
  });
  const boards = readRecording(text);
  if (typeof boards === "string") throw new UserError(`--replay: ${replay}: ${boards}`);
  return { type: "recording", boards };
}

/** Listens to single keys where a person is there to press them. */
class FaultKeys {
  #isOn = false;

  start(fault: (name: LoadFaultName) => void, possible: readonly LoadFaultName[]): void {
    const { stdin, stderr } = process;
    if (!stdin.isTTY || !stderr.isTTY) return;
    this.#isOn = true;
    const keys = new Map(Object.entries(FAULT_KEYS).filter(([, name]) => possible.includes(name)));
    const help = [...keys].map(([key, name]) => `${key} ${name}`);
    stderr.write(`\r\u001b[Kkeys: ${help.join(", ")}\n`);
    stdin.setRawMode(true);
    stdin.on("data", (bytes: Buffer) => {
      const key = bytes.toString("latin1");
      // In raw mode Ctrl-C is a key like any other.
      if (key === "\u0003") process.kill(process.pid, "SIGINT");
      const name = keys.get(key);
      if (name !== undefined) fault(name);
    });
  }

  stop(): void {
    if (!this.#isOn) return;
    process.stdin.setRawMode(false);
    process.stdin.pause();
  }
}

/** A bar and a few words on a terminal; elsewhere a plain line now and then. */
function progressBar(): LoadProgress & { clear(): void } {
  const { stderr } = process;
  let lastMs = 0;
  return {
    show: (text, share) => {
      if (!stderr.isTTY) {
        if (performance.now() - lastMs < PLAIN_MS) return;
        lastMs = performance.now();
        stderr.write(`${text}\n`);
        return;
      }
      const filled = Math.round(BAR_WIDTH * Math.min(1, Math.max(0, share)));
      const line = `[${"#".repeat(filled).padEnd(BAR_WIDTH)}] ${text}`;
      // A line that wraps would not be written over.
      stderr.write(`\r\u001b[K${line.slice(0, (stderr.columns ?? 80) - 1)}`);
    },
    note: (text) => {
      stderr.write(stderr.isTTY ? `\r\u001b[K${text}\n` : `${text}\n`);
    },
    clear: () => {
      if (stderr.isTTY) stderr.write("\r\u001b[K");
    },
  };
}
