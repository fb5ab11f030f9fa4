import { type ChildProcess, spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { LoadTargetProcess } from "../sim/load/load-options.ts";
import { UserError } from "./user-error.ts";

const PROGRAM = fileURLToPath(new URL("../bin/boardlog.js", import.meta.url));
const PROJECT = "default";
const START_MS_MAX = 15_000;
/** Linux counts CPU time in hundredths of a second. */
const TICKS_PER_S = 100;

export interface TargetFlags {
  /** `mqtt://...` of a broker that is there; `mosquitto` starts one; absent: the one inside boardlog. */
  readonly broker?: string;
  /** `http://...` of a service that is there; absent: `boardlog up` is started inside. */
  readonly service?: string;
  readonly key?: string;
}

/**
 * What the load runs against; `end` removes all that was started for it.
 * @param ports serial ports that it is to open
 */
export async function openTarget(
  flags: TargetFlags,
  ports: readonly string[],
): Promise<{ target: LoadTargetProcess; end(): Promise<void> }> {
  if (flags.service !== undefined) {
    if (ports.length > 0) {
      throw new UserError("--serial: needs a boardlog that is started here (leave --service out)");
    }
    return { target: await runningTarget(flags, flags.service), end: async () => {} };
  }
  const folder = await mkdtemp(join(tmpdir(), "boardlog-load-"));
  const children: ChildProcess[] = [];
  const end = async (): Promise<void> => {
    for (const child of children.reverse()) await ended(child, "SIGTERM");
    await rm(folder, { recursive: true, force: true });
  };
  try {
    const mosquitto = flags.broker === "mosquitto" ? await Mosquitto.start(folder, children) : undefined;
    const brokerUrl = mosquitto?.url ?? flags.broker;
    const [http, mqtt] = [await freePort(), await freePort()];
    const args = ["up", "--data", join(folder, "data"), "--http", `${http}`, "--quiet"];
    args.push(...ports.flatMap((path) => ["--serial", path]));
    args.push(...(brokerUrl === undefined ? ["--mqtt", `${mqtt}`] : ["--broker", brokerUrl]));
    const serviceUrl = `http://127.0.0.1:${http}`;
    let up = await startUp(args, serviceUrl, children);
    const key = (await readFile(join(folder, "data/api-key"), "utf8")).trim();
    const target: LoadTargetProcess = {
      mqtt:
        brokerUrl === undefined
          ? { host: "127.0.0.1", port: mqtt, username: PROJECT, password: key }
          : brokerAddress(brokerUrl),
      serviceUrl,
      key,
      project: PROJECT,
      cpuSeconds: () => cpuSeconds(up.pid),
      kill: async () => {
        await ended(up, "SIGKILL");
        up = await startUp(args, serviceUrl, children);
      },
      ...(mosquitto !== undefined && { restartBroker: () => mosquitto.restart() }),
    };
    return { target, end };
  } catch (error) {
    await end();
    throw error;
  }
}

async function runningTarget(flags: TargetFlags, serviceUrl: string): Promise<LoadTargetProcess> {
  const key = flags.key ?? process.env.BOARDLOG_KEY;
  if (flags.broker === undefined || key === undefined) {
    throw new UserError("--service: the broker and a key are needed too (--broker, --key)");
  }
  return {
    mqtt: brokerAddress(flags.broker),
    serviceUrl,
    key,
    project: PROJECT,
    cpuSeconds: () => undefined,
  };
}

function brokerAddress(url: string): LoadTargetProcess["mqtt"] {
  if (!URL.canParse(url) || !url.startsWith("mqtt://"))
    throw new UserError("--broker: not an mqtt:// address");
  const { hostname, port, username, password } = new URL(url);
  return {
    host: hostname,
    port: port === "" ? 1883 : Number(port),
    ...(username !== "" && { username: decodeURIComponent(username) }),
    ...(password !== "" && { password: decodeURIComponent(password) }),
  };
}

async function startUp(
  args: readonly string[],
  url: string,
  children: ChildProcess[],
): Promise<ChildProcess> {
  const child = spawn(process.execPath, [PROGRAM, ...args], { stdio: ["ignore", "ignore", "inherit"] });
  children.push(child);
  const endMs = performance.now() + START_MS_MAX;
  for (;;) {
    if (child.exitCode !== null) throw new UserError(`boardlog up ended with status ${child.exitCode}`, 1);
    const isUp = await fetch(`${url}/healthz`).then(
      ({ ok }) => ok,
      () => false,
    );
    if (isUp) return child;
    if (performance.now() > endMs) throw new UserError("boardlog up does not answer", 1);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** A Mosquitto for as many connections as there are descriptors, without a limit on what it queues, which it keeps on disk. */
class Mosquitto {
  readonly url: string;
  readonly #file: string;
  readonly #children: ChildProcess[];
  #child: ChildProcess | undefined;

  private constructor(port: number, file: string, children: ChildProcess[]) {
    this.url = `mqtt://127.0.0.1:${port}`;
    this.#file = file;
    this.#children = children;
  }

  static async start(folder: string, children: ChildProcess[]): Promise<Mosquitto> {
    const port = await freePort();
    const file = join(folder, "mosquitto.conf");
    await writeFile(
      file,
      `listener ${port} 127.0.0.1\nallow_anonymous true\nmax_queued_messages 0\nmax_inflight_messages 0\nset_tcp_nodelay true\npersistence true\npersistence_location ${folder}/\nuser root\n`,
    );
    const broker = new Mosquitto(port, file, children);
    await broker.#run();
    return broker;
  }

  async restart(): Promise<void> {
    if (this.#child !== undefined) await ended(this.#child, "SIGTERM");
    await this.#run();
  }

  async #run(): Promise<void> {
    const child = spawn("mosquitto", ["-c", this.#file], { stdio: "ignore" });
    this.#child = child;
    this.#children.push(child);
    await new Promise<void>((resolve, reject) => {
      child.on("error", () => reject(new UserError("mosquitto cannot be started: is it installed?", 1)));
      setTimeout(resolve, 500);
    });
  }
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === "string") throw new Error("a TCP server has a port");
  return address.port;
}

async function ended(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = new Promise((resolve) => child.once("exit", resolve));
  child.kill(signal);
  await gone;
}

/** User and system time of a process on Linux; undefined elsewhere. */
function cpuSeconds(pid: number | undefined): number | undefined {
  try {
    const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]?.split(" ") ?? [];
    const ticks = Number(fields[11]) + Number(fields[12]);
    return Number.isFinite(ticks) ? ticks / TICKS_PER_S : undefined;
  } catch {
    return undefined;
  }
}
