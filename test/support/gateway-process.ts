import { type ChildProcess, spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { expect } from "vitest";
import { pause, until } from "./boardlog-process.ts";
import { hasEnded } from "./has-ended.ts";

const BIN = fileURLToPath(new URL("../../bin/boardlog.js", import.meta.url));

/** One gateway process over its settings file. */
export class GatewayProcess {
  readonly #settings: string;
  readonly statusPort: number;
  #child: ChildProcess | undefined;
  output = "";

  constructor(settings: string, statusPort: number) {
    this.#settings = settings;
    this.statusPort = statusPort;
  }

  async start(): Promise<void> {
    const child = spawn(process.execPath, [BIN, "gateway", "--settings", this.#settings], {
      stdio: ["ignore", "pipe", "pipe"],
    });
    this.#child = child;
    for (const stream of [child.stdout, child.stderr])
      stream?.on("data", (data) => (this.output += String(data)));
    await until(
      `the gateway runs\n${this.output}`,
      async () => (await this.metrics()) !== "" || hasEnded(child),
    );
    expect(hasEnded(child), this.output).toBe(false);
  }

  async end(signal: NodeJS.Signals): Promise<number | null> {
    const child = this.#child;
    this.#child = undefined;
    if (child === undefined || hasEnded(child)) return child?.exitCode ?? null;
    return new Promise((resolve) => {
      child.once("exit", (status) => resolve(status));
      child.kill(signal);
    });
  }

  async metrics(): Promise<string> {
    return fetch(`http://127.0.0.1:${this.statusPort}/metrics`).then(
      (response) => response.text(),
      () => "",
    );
  }

  async gauge(name: string): Promise<number> {
    return (await this.#metric(name)) ?? Number.NaN;
  }

  /** 0 until it has counted; it begins anew with each process. */
  async counter(name: string): Promise<number> {
    return (await this.#metric(name)) ?? 0;
  }

  async #metric(name: string): Promise<number | undefined> {
    const value = new RegExp(`^boardlog_${name} (\\S+)$`, "m").exec(await this.metrics())?.[1];
    return value === undefined ? undefined : Number(value);
  }
}

/** Lines that a board holds at most: more would be sent for long after the load has ended. */
export const HELD_MAX = 500;

/** A board that keeps what is not acked and goes back to it, over a wire that only it uses. */
export class WireBoard {
  readonly #write: (text: string) => void;
  readonly #src: string;
  #heard = "";
  seq = 0;
  acked = 0;

  constructor(write: (text: string) => void, src = "wire") {
    this.#write = write;
    this.#src = src;
  }

  log(): void {
    this.seq += 1;
  }

  /** Everything that is not acked, a frame's worth at a time. */
  send(): void {
    const first = this.acked + 1;
    const last = Math.min(this.seq, this.acked + 10);
    const cmds = Array.from({ length: Math.max(0, last - first + 1) }, (_, index) => ({
      cmd: "/v1/Log.Log",
      id: first + index,
      args: { msg: `line ${first + index}` },
    }));
    this.#write(`${JSON.stringify({ v: 1, src: this.#src, boot: "b1", first, ack: true, cmds })}\n`);
  }

  /** Logs five lines, unless it holds too many, and sends, 40 times a second. @returns ends it: resolves when all is acked. */
  keepLogging(): () => Promise<void> {
    let isLogging = true;
    const load = (async () => {
      while (isLogging || this.acked < this.seq) {
        if (isLogging && this.seq - this.acked < HELD_MAX) for (let count = 0; count < 5; count++) this.log();
        this.send();
        await pause(25);
      }
    })();
    return () => {
      isLogging = false;
      return load;
    };
  }

  hear(bytes: Uint8Array): void {
    const lines = (this.#heard + Buffer.from(bytes).toString("latin1")).split("\n");
    this.#heard = lines.pop() ?? "";
    for (const line of lines) {
      const ack = /"ack":(\d+)/.exec(line)?.[1];
      if (ack !== undefined) this.acked = Math.max(this.acked, Number(ack));
    }
  }
}
