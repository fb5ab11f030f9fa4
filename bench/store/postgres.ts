import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { chown, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir, userInfo } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import type { NewEntry } from "../../protocol/entry.ts";
import { until } from "../../test/support/boardlog-process.ts";
import { treeCpuUs } from "../harness/process-cost.ts";

const run = promisify(execFile);
/** Where Debian puts the server's programs, a folder a version. */
const VERSIONS = "/usr/lib/postgresql";
/** The server refuses to run as root: then it runs as nobody. */
const NOBODY = { uid: 65_534, gid: 65_534 };
const NOBODY_NAME = "nobody";
const DATABASE = "postgres";
const COLUMNS = "src, stream, msg, timestamp, level, boot, seq, received, clock";
const SCHEMA = `CREATE TABLE entry (id bigserial PRIMARY KEY, src text, stream text, msg text, timestamp bigint, level text, boot text,
  seq bigint, received bigint, clock text); CREATE UNIQUE INDEX one ON entry (src, boot, seq);`;

/** What pages cost. */
export interface PageCost {
  readonly perSecond: number;
  readonly cpuUs: number;
}

/**
 * A PostgreSQL of its own in a folder of its own, reached over a socket there: a row an entry, with an index on what makes an
 * entry unique, every commit on the disk (its defaults). Reads ask by an index on (src, id), made when all is stored.
 */
export class PostgresPeer {
  readonly #bin: string;
  readonly #folder: string;
  readonly #as: { readonly uid?: number; readonly gid?: number };
  #server: ReturnType<typeof spawn> | undefined;

  private constructor(bin: string, folder: string, as: { readonly uid?: number; readonly gid?: number }) {
    this.#bin = bin;
    this.#folder = folder;
    this.#as = as;
  }

  /** One for the time of a task. @returns what the task returns; undefined where Debian's package `postgresql` is not installed. */
  static async during<T>(task: (postgres: PostgresPeer) => Promise<T>): Promise<T | undefined> {
    const postgres = await PostgresPeer.#start();
    if (postgres === undefined) return undefined;
    try {
      return await task(postgres);
    } finally {
      await postgres.#stop();
    }
  }

  static async #start(): Promise<PostgresPeer | undefined> {
    const bin = await newestBin();
    if (bin === undefined) return undefined;
    const folder = await mkdtemp(join(tmpdir(), "boardlog-bench-pg-"));
    const isRoot = process.getuid?.() === 0;
    if (isRoot) await chown(folder, NOBODY.uid, NOBODY.gid);
    const peer = new PostgresPeer(bin, folder, isRoot ? NOBODY : {});
    await peer.#begin();
    return peer;
  }

  /** Brings entries in by COPY, a transaction a batch; returns the CPU of server and client for one, us. */
  async copy(batches: Iterable<readonly NewEntry[]>): Promise<number> {
    // One after the other, and the text is made before the clock runs: what is measured is the copying.
    const texts: string[] = [];
    let count = 0;
    for (const entries of batches) {
      count += entries.length;
      texts.push(`COPY entry (${COLUMNS}) FROM STDIN;\n${entries.map(rowOf).join("")}\\.\n`);
    }
    const before = this.cpuUs();
    const client = spawn(join(this.#bin, "psql"), this.#arguments("-q"), {
      ...this.#as,
      stdio: ["pipe", "ignore", "inherit"],
    });
    const ended = once(client, "exit");
    for (const text of texts) {
      if (!client.stdin?.write(text)) await once(client.stdin as NodeJS.EventEmitter, "drain");
    }
    // Its last look at itself is ours too: it waits until we have seen what it took.
    const marker = join(this.#folder, "copied");
    client.stdin?.write(`\\! touch ${marker}\n`);
    await until("all is copied", async () => (await readdir(this.#folder)).includes("copied"), 600_000);
    const clientUs = treeCpuUs(client.pid ?? 0);
    client.stdin?.end();
    const [status] = await ended;
    if (status !== 0) throw new Error(`psql ended with ${status}`);
    await this.#sql("CHECKPOINT");
    const serverUs = this.cpuUs() - before;
    const { stdout } = await this.#sql("SELECT count(*) FROM entry");
    if (Number(stdout) < count) throw new Error(`${count} rows copied, ${stdout.trim()} there`);
    return (serverUs + clientUs) / count;
  }

  /** Where its clients find it: the folder of its socket, and the name of a user who may read all. */
  get access(): { readonly host: string; readonly user: string } {
    return { host: this.#folder, user: this.#as.uid === undefined ? userInfo().username : NOBODY_NAME };
  }

  /** Makes the index that pages go by. @returns the last id. */
  async readyForPages(): Promise<number> {
    await this.#sql("CREATE INDEX IF NOT EXISTS page ON entry (src, id)");
    await this.#sql("VACUUM ANALYZE entry");
    const { stdout } = await this.#sql("SELECT max(id) FROM entry");
    return Number(stdout);
  }

  /** Pages of 100 of one of the sources after a random id, by prepared statements of `clients` connections. */
  async pages(count: number, sourceCount: number, clients: number): Promise<PageCost> {
    const lastId = await this.readyForPages();
    const script =
      `\\set src random(0, ${sourceCount - 1})\n\\set id random(1, ${Math.floor(lastId * 0.9)})\n` +
      "SELECT * FROM entry WHERE src = 'dev-' || lpad((:src)::text, 4, '0') AND id > :id ORDER BY id LIMIT 100;\n";
    await this.#pgbench(script, Math.ceil(count / 3), clients);
    const before = this.cpuUs();
    const perSecond = await this.#pgbench(script, count, clients);
    return { perSecond, cpuUs: (this.cpuUs() - before) / count };
  }

  /** Of the server with all of its processes, those that have ended too. */
  cpuUs(): number {
    return treeCpuUs(this.#server?.pid ?? 0);
  }

  async #stop(): Promise<void> {
    const server = this.#server;
    if (server !== undefined) {
      const exited = once(server, "exit");
      server.kill("SIGINT");
      await exited;
    }
    await rm(this.#folder, { recursive: true });
  }

  async #begin(): Promise<void> {
    const data = join(this.#folder, "data");
    await run(join(this.#bin, "initdb"), ["-D", data, "-E", "UTF8", "--locale=C", "-A", "trust"], {
      ...this.#as,
      cwd: this.#folder,
    });
    this.#server = spawn(join(this.#bin, "postgres"), ["-D", data, "-k", this.#folder, "-h", ""], {
      ...this.#as,
      cwd: this.#folder,
      stdio: "ignore",
    });
    await until("PostgreSQL runs", () =>
      this.#sql("SELECT 1").then(
        () => true,
        () => false,
      ),
    );
    await this.#sql(SCHEMA);
  }

  #sql(text: string): Promise<{ readonly stdout: string }> {
    return run(join(this.#bin, "psql"), [...this.#arguments("-qtA"), "-c", text], {
      ...this.#as,
      cwd: this.#folder,
    });
  }

  async #pgbench(script: string, count: number, clients: number): Promise<number> {
    const options = ["-h", this.#folder, "-n", "-M", "prepared", "-c", String(clients), "-j", "1"];
    const file = join(this.#folder, "page.sql");
    await writeFile(file, script);
    const { stdout } = await run(
      join(this.#bin, "pgbench"),
      [...options, "-t", String(Math.ceil(count / clients)), "-f", file, DATABASE],
      { ...this.#as, cwd: this.#folder },
    );
    const tps = /tps = ([\d.]+)/.exec(stdout)?.[1];
    if (tps === undefined) throw new Error(`pgbench said nothing of a rate: ${stdout}`);
    return Number(tps);
  }

  #arguments(flags: string): string[] {
    return ["-X", flags, "-v", "ON_ERROR_STOP=1", "-h", this.#folder, DATABASE];
  }
}

async function newestBin(): Promise<string | undefined> {
  try {
    const versions = await readdir(VERSIONS);
    const newest = versions.sort((left, right) => Number(left) - Number(right)).at(-1);
    if (newest === undefined) return undefined;
    const bin = join(VERSIONS, newest, "bin");
    await readFile(join(bin, "pgbench"));
    return bin;
  } catch {
    return undefined;
  }
}

/** A line of COPY's text form. */
function rowOf({ src, stream, msg, timestamp, level, boot, seq, received, clock }: NewEntry): string {
  const cells = [src, stream, msg, timestamp, level, boot, seq, received, clock];
  return `${cells.map(cellOf).join("\t")}\n`;
}

function cellOf(value: string | number | undefined): string {
  if (value === undefined) return "\\N";
  return typeof value === "number" ? String(value) : value.replaceAll("\\", "\\\\");
}
