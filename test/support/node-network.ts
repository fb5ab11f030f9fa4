import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";

const IP = ["/usr/sbin/ip", "/sbin/ip"].find((path) => existsSync(path));

/** Whether nodes can have networks of their own here: as root, with iproute2. */
export function canCutNetworks(): boolean {
  if (IP === undefined || process.getuid?.() !== 0) return false;
  try {
    run("link", "add", "blprobe", "type", "bridge");
    run("link", "del", "blprobe");
    return true;
  } catch {
    return false;
  }
}

/** A network namespace for each node, all on one bridge of this machine; any of them can be cut off. */
export class NodeNetwork {
  readonly #names: readonly string[];
  readonly #bridge: string;
  readonly #subnet: string;

  constructor(nodes: number) {
    const id = process.pid.toString(36);
    this.#bridge = `bl${id}b`;
    this.#names = Array.from({ length: nodes }, (_, node) => `bl${id}n${node}`);
    this.#subnet = `10.${100 + (process.pid % 100)}.${process.pid % 251}`;
    run("link", "add", this.#bridge, "type", "bridge");
    run("addr", "add", `${this.#subnet}.254/24`, "dev", this.#bridge);
    run("link", "set", this.#bridge, "up");
    for (const [node, name] of this.#names.entries()) {
      run("netns", "add", name);
      run("link", "add", name, "type", "veth", "peer", "name", "eth0", "netns", name);
      run("link", "set", name, "master", this.#bridge, "up");
      run("-n", name, "addr", "add", `${this.addressOf(node)}/24`, "dev", "eth0");
      run("-n", name, "link", "set", "eth0", "up");
      run("-n", name, "link", "set", "lo", "up");
    }
  }

  addressOf(node: number): string {
    return `${this.#subnet}.${node + 1}`;
  }

  /** What runs a program in the node's network, before its own name and arguments. */
  wrapperOf(node: number): readonly string[] {
    return [IP ?? "ip", "netns", "exec", this.#names[node] ?? ""];
  }

  /** Nothing comes to it or from it. */
  cut(node: number): void {
    run("link", "set", this.#names[node] ?? "", "down");
  }

  join(node: number): void {
    run("link", "set", this.#names[node] ?? "", "up");
  }

  dispose(): void {
    for (const name of this.#names) run("netns", "del", name);
    run("link", "del", this.#bridge);
  }
}

function run(...args: readonly string[]): void {
  execFileSync(IP ?? "ip", args, { stdio: "pipe" });
}
