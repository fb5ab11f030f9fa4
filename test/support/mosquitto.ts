import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { hasEnded } from "./has-ended.ts";

/** A real Mosquitto with persistence, on a port and in a folder of its own. */
export class Mosquitto {
  readonly #program: string;
  readonly #folder = mkdtempSync(join(tmpdir(), "boardlog-mosquitto-"));
  #process: ChildProcess | undefined;
  port = 0;

  readonly #settings: readonly string[];

  /**
   * @param program its path, as `requires("mosquitto")` found it.
   * @param settings further lines of its file, for the one listener.
   */
  constructor(program: string, settings: readonly string[] = []) {
    this.#program = program;
    this.#settings = settings;
  }

  get url(): string {
    return `mqtt://127.0.0.1:${this.port}`;
  }

  /** Starts it, on the same port every time; resolves when it takes connections. */
  async start(): Promise<void> {
    if (this.port === 0) this.port = await freePort();
    const settings = join(this.#folder, "mosquitto.conf");
    writeFileSync(
      settings,
      `listener ${this.port} 127.0.0.1
allow_anonymous true
persistence true
persistence_location ${this.#folder}/
autosave_interval 1
max_queued_messages 0
${this.#settings.join("\n")}
${process.getuid?.() === 0 ? "user root\n" : ""}`,
    );
    const child = spawn(this.#program, ["-c", settings], { stdio: "ignore" });
    this.#process = child;
    // A test that ends badly must not leave it behind.
    const kill = (): void => void child.kill("SIGKILL");
    process.once("exit", kill);
    child.once("exit", () => process.off("exit", kill));
    await untilListening(this.port);
  }

  /** SIGTERM: it saves its sessions. */
  stop(): Promise<void> {
    return this.#end("SIGTERM");
  }

  /** SIGKILL: what it did not save is gone. */
  kill(): Promise<void> {
    return this.#end("SIGKILL");
  }

  async dispose(): Promise<void> {
    await this.kill();
    rmSync(this.#folder, { recursive: true, force: true });
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    const child = this.#process;
    this.#process = undefined;
    if (child === undefined || hasEnded(child)) return;
    const exited = once(child, "exit");
    child.kill(signal);
    await exited;
  }
}

/**
 * Below the ports that Linux gives to outgoing connections: one of those may be taken before its server listens, or while
 * that starts anew, be it by the very client that tries to reach it.
 */
const PORTS = { first: 20_000, count: 12_000 };
const givenPorts = new Set<number>();

/** A port of the loopback that was free a moment ago; the same one is never given twice by one process. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = PORTS.first + Math.floor(Math.random() * PORTS.count);
    if (givenPorts.has(port) || !(await isFree(port))) continue;
    givenPorts.add(port);
    return port;
  }
}

function isFree(port: number): Promise<boolean> {
  const server = createServer();
  return new Promise((resolve) => {
    server.once("error", () => resolve(false));
    server.listen(port, "127.0.0.1", () => server.close(() => resolve(true)));
  });
}

/** Whether somebody takes connections on this port of the loopback. */
export async function isListening(port: number): Promise<boolean> {
  const socket = connect(port, "127.0.0.1");
  const isOpen = await new Promise<boolean>((resolve) => {
    socket.once("connect", () => resolve(true));
    socket.once("error", () => resolve(false));
  });
  socket.destroy();
  return isOpen;
}

async function untilListening(port: number): Promise<void> {
  for (let attempt = 0; attempt < 6_000; attempt++) {
    if (await isListening(port)) return;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  throw new Error(`nothing listens on port ${port}`);
}
