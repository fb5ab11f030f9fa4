import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { BIN, until } from "./boardlog-process.ts";
import { hasEnded } from "./has-ended.ts";
import { freePort } from "./mosquitto.ts";

/** `boardlog service` on a cluster, as its user runs it. */
export class ClusterService {
  readonly folder: string;
  readonly port: number;
  #child: ChildProcess | undefined;
  output = "";

  private constructor(folder: string, port: number) {
    this.folder = folder;
    this.port = port;
  }

  static async create(servers: readonly string[], prefix: string): Promise<ClusterService> {
    const folder = await mkdtemp(join(tmpdir(), "boardlog-cluster-service-"));
    const service = new ClusterService(folder, await freePort());
    const store = `nats://${servers.map((server) => server.replace("nats://", "")).join(",")}`;
    await writeFile(
      service.settings,
      `data: ${folder}/data\nhttp: ${service.port}\nstore: "${store}"\ncluster: {prefix: ${prefix}}\n`,
    );
    return service;
  }

  get settings(): string {
    return join(this.folder, "service.yaml");
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  get pid(): number {
    return this.#child?.pid ?? 0;
  }

  /** The first admin key, where this service was the one that made it. */
  async key(): Promise<string | undefined> {
    const path = join(this.folder, "data/api-key");
    return existsSync(path) ? await readFile(path, "utf8") : undefined;
  }

  /** Resolves when `/healthz` answers 200; a cluster that is not up yet is tried again, as systemd would. */
  async start(): Promise<void> {
    await until(`the service is up: ${this.output}`, async () => {
      if (this.#child === undefined || hasEnded(this.#child)) this.#spawn();
      return await fetch(`${this.url}/healthz`).then(
        ({ status }) => status === 200,
        () => false,
      );
    });
  }

  async kill(signal: NodeJS.Signals = "SIGKILL"): Promise<void> {
    const child = this.#child;
    this.#child = undefined;
    if (child === undefined || hasEnded(child)) return;
    const exited = once(child, "exit");
    child.kill(signal);
    await exited;
  }

  async dispose(): Promise<void> {
    await this.kill();
    await rm(this.folder, { recursive: true, force: true });
  }

  #spawn(): void {
    const child = spawn(process.execPath, [BIN, "service", "--settings", this.settings], {
      stdio: ["ignore", "pipe", "pipe"],
    });
    this.#child = child;
    for (const stream of [child.stdout, child.stderr])
      stream.on("data", (text) => {
        this.output += String(text);
      });
    const kill = (): void => void child.kill("SIGKILL");
    process.once("exit", kill);
    child.once("exit", () => process.off("exit", kill));
  }
}
