import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { hasEnded } from "./has-ended.ts";
import { freePort } from "./mosquitto.ts";
import { NodeNetwork } from "./node-network.ts";

export const NODES = 3;

/** Three real nats-servers with JetStream on files, on ports of the loopback and in a folder of their own. */
export class NatsCluster {
  readonly #program: string;
  readonly #folder = mkdtempSync(join(tmpdir(), "boardlog-nats-"));
  readonly #processes: (ChildProcess | undefined)[] = [];
  #ports: number[] = [];
  #routePorts: number[] = [];
  /** Where each node has a network of its own. */
  readonly network: NodeNetwork | undefined;

  /** @param program its path, as `requires("nats-server")` found it. */
  constructor(program: string, { hasNetworks = false }: { readonly hasNetworks?: boolean } = {}) {
    this.#program = program;
    this.network = hasNetworks ? new NodeNetwork(NODES) : undefined;
  }

  get urls(): readonly string[] {
    return this.#ports.map((port, node) => `nats://${this.#addressOf(node)}:${port}`);
  }

  #addressOf(node: number): string {
    return this.network?.addressOf(node) ?? "127.0.0.1";
  }

  /** Starts all nodes, on the same ports every time. */
  async start(): Promise<void> {
    if (this.#ports.length === 0) {
      this.#ports = await freePorts(NODES);
      this.#routePorts = await freePorts(NODES);
    }
    for (let node = 0; node < NODES; node++) this.startNode(node);
  }

  startNode(node: number): void {
    if (this.#processes[node] !== undefined) return;
    const folder = join(this.#folder, `n${node}`);
    mkdirSync(folder, { recursive: true });
    const settings = join(this.#folder, `n${node}.conf`);
    const routes = this.#routePorts
      .map((port, other) => `"nats://${this.#addressOf(other)}:${port}"`)
      .filter((_, other) => other !== node);
    writeFileSync(
      settings,
      `server_name: n${node}
listen: "${this.#addressOf(node)}:${this.#ports[node]}"
jetstream { store_dir: "${folder}", max_file_store: 20GB, max_memory_store: 256MB }
cluster {
  name: test
  listen: "${this.#addressOf(node)}:${this.#routePorts[node]}"
  routes: [${routes.join(", ")}]
}
`,
    );
    const [program = "", ...args] = [...(this.network?.wrapperOf(node) ?? []), this.#program];
    const log = join(this.#folder, `n${node}.log`);
    const child = spawn(program, [...args, "-c", settings, "-l", log], { stdio: "ignore" });
    this.#processes[node] = child;
    // A test that ends badly must not leave it behind.
    const kill = (): void => void child.kill("SIGKILL");
    process.once("exit", kill);
    child.once("exit", () => process.off("exit", kill));
  }

  /** SIGKILL: what it had not written to its files is gone. */
  async killNode(node: number): Promise<void> {
    const child = this.#processes[node];
    this.#processes[node] = undefined;
    if (child === undefined || hasEnded(child)) return;
    const exited = once(child, "exit");
    child.kill("SIGKILL");
    await exited;
  }

  async killAll(): Promise<void> {
    await Promise.all(this.#processes.map((_, node) => this.killNode(node)));
  }

  pidOf(node: number): number | undefined {
    return this.#processes[node]?.pid;
  }

  /** Copies the files of all nodes, as a machine's disk would be found after a power cut; the nodes must be down. */
  copyFiles(name: string): void {
    for (let node = 0; node < NODES; node++) {
      cpSync(join(this.#folder, `n${node}`), join(this.#folder, `${name}-n${node}`), { recursive: true });
    }
  }

  /** Puts a copy back; the nodes must be down. */
  restoreFiles(name: string): void {
    for (let node = 0; node < NODES; node++) {
      rmSync(join(this.#folder, `n${node}`), { recursive: true, force: true });
      cpSync(join(this.#folder, `${name}-n${node}`), join(this.#folder, `n${node}`), { recursive: true });
    }
  }

  async dispose(): Promise<void> {
    await this.killAll();
    this.network?.dispose();
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

function freePorts(count: number): Promise<number[]> {
  return Promise.all(Array.from({ length: count }, freePort));
}
