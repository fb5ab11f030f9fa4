import { type ChildProcess, spawn } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { hasEnded } from "./has-ended.ts";
import { freePort } from "./mosquitto.ts";

export const BIN = fileURLToPath(new URL("../../bin/boardlog.js", import.meta.url));
const START_MS_MAX = 120_000;

/** `boardlog up` as its user runs it: a process of its own, on ports of its own. */
export class BoardlogProcess {
  readonly dataFolder: string;
  readonly httpPort: number;
  readonly mqttPort: number;
  readonly #extraArgs: readonly string[];
  readonly #under: readonly string[];
  #child: ChildProcess | undefined;
  output = "";
  /** How long the last start took. */
  startMs = 0;

  private constructor(
    dataFolder: string,
    ports: { http: number; mqtt: number },
    extraArgs: readonly string[],
    under: readonly string[],
  ) {
    this.#under = under;
    this.dataFolder = dataFolder;
    this.httpPort = ports.http;
    this.mqttPort = ports.mqtt;
    this.#extraArgs = extraArgs;
  }

  /**
   * @param extraArgs after `up`; with `--broker` there is no embedded one.
   * @param under a command, with its arguments, that runs another in its place.
   */
  static async create(
    extraArgs: readonly string[] = [],
    under: readonly string[] = [],
  ): Promise<BoardlogProcess> {
    const dataFolder = await mkdtemp(join(tmpdir(), "boardlog-e2e-"));
    const ports = { http: await freePort(), mqtt: await freePort() };
    return new BoardlogProcess(dataFolder, ports, extraArgs, under);
  }

  get url(): string {
    return `http://127.0.0.1:${this.httpPort}`;
  }

  get pid(): number {
    return this.#child?.pid ?? 0;
  }

  async key(): Promise<string> {
    return readFile(join(this.dataFolder, "api-key"), "utf8");
  }

  /** Resolves when `/healthz` answers 200. */
  async start(): Promise<void> {
    const mqtt = this.#extraArgs.includes("--broker") ? [] : ["--mqtt", String(this.mqttPort)];
    const args = [
      "up",
      "--data",
      this.dataFolder,
      "--http",
      String(this.httpPort),
      ...mqtt,
      ...this.#extraArgs,
    ];
    const [file = "", ...rest] = [...this.#under, process.execPath, BIN, ...args];
    const child = spawn(file, rest, { stdio: ["ignore", "pipe", "pipe"] });
    this.#child = child;
    for (const stream of [child.stdout, child.stderr]) {
      stream?.setEncoding("utf8").on("data", (text: string) => {
        this.output += text;
      });
    }
    const beginMs = performance.now();
    const deadline = Date.now() + START_MS_MAX;
    while (!(await this.#isHealthy())) {
      if (hasEnded(child) || Date.now() > deadline) {
        throw new Error(`boardlog up did not come up:\n${this.output}`);
      }
      await pause(50);
    }
    this.startMs = performance.now() - beginMs;
  }

  /** Sends a signal and resolves with the exit status (null after SIGKILL) and how long it took. */
  async end(signal: NodeJS.Signals): Promise<{ readonly status: number | null; readonly tookMs: number }> {
    const child = this.#child;
    if (child === undefined || hasEnded(child)) return { status: child?.exitCode ?? null, tookMs: 0 };
    const startMs = performance.now();
    const status = await new Promise<number | null>((resolve) => {
      child.once("exit", (code) => resolve(code));
      child.kill(signal);
    });
    this.#child = undefined;
    return { status, tookMs: performance.now() - startMs };
  }

  async remove(): Promise<void> {
    await this.end("SIGKILL");
    await rm(this.dataFolder, { recursive: true, force: true });
  }

  async #isHealthy(): Promise<boolean> {
    try {
      return (await fetch(`${this.url}/healthz`)).status === 200;
    } catch {
      return false;
    }
  }
}

/** Runs the command to its end, as a user in a shell. */
export function runBoardlog(
  args: readonly string[],
  options: { readonly cwd?: string; readonly env?: NodeJS.ProcessEnv } = {},
): Promise<{ readonly status: number | null; readonly stdout: string; readonly stderr: string }> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [BIN, ...args], {
      ...options,
      env: { ...process.env, ...options.env },
      stdio: ["ignore", "pipe", "pipe"],
    });
    let stdout = "";
    let stderr = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      stdout += text;
    });
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      stderr += text;
    });
    child.once("close", (status) => resolve({ status, stdout, stderr }));
  });
}

export function pause(delayMs: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, delayMs));
}

/** Waits for something to become true in another process. */
export async function until(
  what: string,
  isTrue: () => boolean | Promise<boolean>,
  withinMs = 120_000,
): Promise<void> {
  const deadline = Date.now() + withinMs;
  while (!(await isTrue())) {
    if (Date.now() > deadline) throw new Error(`not within ${withinMs} ms: ${what}`);
    await pause(20);
  }
}
