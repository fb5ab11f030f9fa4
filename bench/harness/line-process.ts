import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { hasEnded } from "../../test/support/has-ended.ts";
import { spawnTs } from "../../test/support/run-ts.ts";

/** A program of the benchmarks in a process of its own, which says lines of JSON and may be asked by lines of JSON. */
export class LineProcess {
  readonly #child: ChildProcess;
  readonly #lines: AsyncIterator<string>;

  private constructor(child: ChildProcess) {
    this.#child = child;
    if (child.stdout === null) throw new TypeError("no standard output");
    this.#lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  }

  /** @param file TypeScript, from the root of the repository. */
  static async start(file: string, args: readonly string[] = []): Promise<LineProcess> {
    return new LineProcess(await spawnTs(file, args, { stdio: ["pipe", "pipe", "inherit"] }));
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /** The next line. @throws when the process has ended. */
  async next<T>(): Promise<T> {
    const line = await this.#lines.next();
    if (line.done) throw new Error(`a benchmark's process ended early (status ${this.#child.exitCode})`);
    return JSON.parse(line.value) as T;
  }

  ask<T>(question: object): Promise<T> {
    this.#child.stdin?.write(`${JSON.stringify(question)}\n`);
    return this.next();
  }

  async stop(): Promise<void> {
    if (hasEnded(this.#child)) return;
    const exited = once(this.#child, "exit");
    this.#child.kill("SIGTERM");
    const timer = setTimeout(() => this.#child.kill("SIGKILL"), 5_000);
    await exited;
    clearTimeout(timer);
  }
}
