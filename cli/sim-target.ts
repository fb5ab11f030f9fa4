import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { readFileSync, rmSync } from "node:fs";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import type { LoadTargetProcess } from "../sim/load/load-options.ts";
import { BrokerAnswer, tryBroker } from "./broker-probe.ts";
import {
  brokerOf,
  brokerUrl,
  GATEWAY_NAME,
  keysFor,
  type LoadBroker,
  mosquittoLogins,
  withCredentials,
} from "./sim-logins.ts";
import { UserError } from "./user-error.ts";

const PROGRAM = fileURLToPath(new URL("../bin/boardlog.js", import.meta.url));
const PROJECT = "default";
const START_MS_MAX = 30_000;
/** Linux counts CPU time in hundredths of a second. */
const TICKS_PER_S = 100;
/** Status of a program that was to start another, which is not there (POSIX, `env`). */
const NOT_FOUND = 127;

export interface TargetFlags {
  /** `mqtt://...` of a broker that is there; `mosquitto` starts one; absent: the one inside boardlog. */
  readonly broker?: string;
  /** File with the boards' logins on a broker that is there. */
  readonly credentials?: string;
  /** `http://...` of a service that is there; absent: `boardlog up` is started inside. */
  readonly service?: string;
  readonly key?: string;
  /** The gateway with its spool and the service in processes of their own, not both in `boardlog up`. */
  readonly apart?: boolean;
}

/**
 * What the load runs against; `end` removes all that was started for it.
 * @param ports serial ports that it is to open
 * @param devices names of the boards on MQTT; each gets a login of its own on what is started here
 */
export async function openTarget(
  flags: TargetFlags,
  { ports, devices }: { readonly ports: readonly string[]; readonly devices: readonly string[] },
  signal: AbortSignal,
): Promise<{ target: LoadTargetProcess; end(): Promise<void> }> {
  const given = await givenBroker(flags, devices);
  if (given !== undefined) {
    const names = devices.slice(0, 1);
    await checkBroker(given, flags.service === undefined ? [...names, GATEWAY_NAME] : names);
  }
  if (flags.service !== undefined) {
    return { target: await runningTarget(given, flags.key, flags.service), end: async () => {} };
  }
  const folder = await mkdtemp(join(tmpdir(), "boardlog-load-"));
  const children: Child[] = [];
  // A second Ctrl-C, or an error nobody caught: there is no time to wait then.
  const endNow = (): void => {
    for (const child of children) child.kill();
    rmSync(folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 20 });
  };
  process.once("exit", endNow);
  const end = async (): Promise<void> => {
    for (const child of children.reverse()) await child.endForGood();
    await rm(folder, { recursive: true, force: true });
    process.off("exit", endNow);
  };
  try {
    const mosquitto =
      flags.broker === "mosquitto" ? await startMosquitto({ folder, children, devices, signal }) : undefined;
    const world = { folder, children, broker: mosquitto?.broker ?? given, ports, devices, signal };
    const target = await (flags.apart === true ? startApart(world) : startUp(world));
    if (mosquitto === undefined) return { target, end };
    const breaks = { ...target.breaks, broker: () => mosquitto.child.restart("SIGTERM") };
    return { target: { ...target, breaks }, end };
  } catch (error) {
    await end();
    throw error;
  }
}

interface TargetWorld {
  readonly folder: string;
  readonly children: Child[];
  /** Absent: the one inside boardlog. */
  readonly broker: LoadBroker | undefined;
  readonly ports: readonly string[];
  readonly devices: readonly string[];
  /** Aborted, nothing is started any more. */
  readonly signal: AbortSignal;
}

/** Everything in one process. */
async function startUp(world: TargetWorld): Promise<LoadTargetProcess> {
  const { folder, broker, ports, devices } = world;
  const [http, mqtt] = [await freePort(), await freePort()];
  const serviceUrl = `http://127.0.0.1:${http}`;
  const data = join(folder, "data");
  const args = ["up", "--data", data, "--http", `${http}`, "--quiet"];
  args.push(...ports.flatMap((path) => ["--serial", path]));
  if (broker === undefined) args.push("--mqtt", `${mqtt}`);
  // Any user of the machine can read a command line, only the owner a process's environment.
  const environment =
    broker === undefined ? {} : { BOARDLOG_BROKER: brokerUrl(broker, broker.loginOf(GATEWAY_NAME)) };
  const loginOf = broker?.loginOf ?? (await keysFor(data, devices, true));
  const up = await Child.boardlog(args, serviceUrl, world, { environment });
  return {
    mqtt: broker ?? ownBroker(mqtt, loginOf),
    serviceUrl,
    key: await keyIn(data),
    project: PROJECT,
    cpuSeconds: () => up.cpuSeconds(),
    gatewayBytes: () => up.residentBytes(),
    breaks: { kill: () => up.restart("SIGKILL"), stall: (forMs) => up.stall(forMs) },
  };
}

/** A gateway with a spool, and a service, as they run on two machines. */
async function startApart(world: TargetWorld): Promise<LoadTargetProcess> {
  const { folder, broker, ports, devices } = world;
  const [http, mqtt, status] = [await freePort(), await freePort(), await freePort()];
  const serviceUrl = `http://127.0.0.1:${http}`;
  const data = join(folder, "data");
  const serviceFile = join(folder, "service.json");
  const gatewayFile = join(folder, "gateway.json");
  // JSON is YAML too.
  const log = { level: "error" };
  await writeFile(serviceFile, JSON.stringify({ data, http: `127.0.0.1:${http}`, log }));
  const service = await Child.boardlog(["service", "--settings", serviceFile], serviceUrl, world);
  const keyFile = join(data, "api-key");
  const key = await keyIn(data);
  const spool = join(folder, "spool");
  const loginOf = broker?.loginOf ?? (await keysFor(spool, devices, false));
  const settings = {
    id: "load",
    data: spool,
    service: { url: serviceUrl, keyFile },
    serial: ports,
    ...(broker === undefined
      ? { mqtt: { listen: `127.0.0.1:${mqtt}` } }
      : { brokers: [brokerUrl(broker, broker.loginOf(GATEWAY_NAME))] }),
    status: `127.0.0.1:${status}`,
    log,
  };
  await writeFile(gatewayFile, JSON.stringify(settings), { mode: 0o600 });
  const statusUrl = `http://127.0.0.1:${status}`;
  const gateway = await Child.boardlog(["gateway", "--settings", gatewayFile], statusUrl, world, {
    path: "/metrics",
  });
  return {
    mqtt: broker ?? ownBroker(mqtt, loginOf),
    serviceUrl,
    key,
    project: PROJECT,
    cpuSeconds: () => sumOf(service.cpuSeconds(), gateway.cpuSeconds()),
    gatewayBytes: () => gateway.residentBytes(),
    waitingEntries: () => spooledEntries(statusUrl),
    breaks: {
      kill: () => gateway.restart("SIGKILL"),
      stall: (forMs) => gateway.stall(forMs),
      service: (forMs) => service.restart("SIGKILL", forMs),
    },
  };
}

/** Of a gateway that cannot be asked now there may be any number. */
async function spooledEntries(statusUrl: string): Promise<number> {
  const text = await fetch(`${statusUrl}/metrics`).then(
    (response) => response.text(),
    () => "",
  );
  const count = /^boardlog_spool_waiting_entries (\d+)$/m.exec(text)?.[1];
  return count === undefined ? Number.POSITIVE_INFINITY : Number(count);
}

async function keyIn(data: string): Promise<string> {
  return (await readFile(join(data, "api-key"), "utf8")).trim();
}

function ownBroker(port: number, loginOf: LoadBroker["loginOf"]): LoadBroker {
  return { host: "127.0.0.1", port, loginOf };
}

async function givenBroker(
  { broker, credentials }: TargetFlags,
  devices: readonly string[],
): Promise<LoadBroker | undefined> {
  if (broker === undefined || broker === "mosquitto") return undefined;
  const given = brokerOf(broker);
  return credentials === undefined ? given : await withCredentials(given, credentials, devices);
}

function sumOf(left: number | undefined, right: number | undefined): number | undefined {
  return left === undefined || right === undefined ? undefined : left + right;
}

/** @throws UserError for what no target can be made of, before anything is started */
export function checkTarget(
  { broker, credentials, service, key, apart }: TargetFlags,
  serialDevices: number,
): void {
  if (broker !== undefined && broker !== "mosquitto") brokerOf(broker);
  else if (credentials !== undefined) {
    throw new UserError(
      "--credentials: is for a broker that is there (--broker mqtt://...); on one that is started here each board has its own",
    );
  }
  if (service === undefined) return;
  if (!URL.canParse(service) || !/^https?:$/.test(new URL(service).protocol)) {
    throw new UserError(`--service: ${service} is not an http:// or https:// address`);
  }
  if (apart === true) {
    throw new UserError(
      "--apart: starts a gateway and a service, and --service names one; leave one of them out",
    );
  }
  if (serialDevices > 0) {
    throw new UserError("--serial: needs a boardlog that is started here (leave --service out)");
  }
  if (broker === undefined || broker === "mosquitto") {
    throw new UserError("--service: the broker of its gateway is needed too (--broker mqtt://...)");
  }
  if (key === undefined) throw new UserError("--service: an API key is needed too (--key or BOARDLOG_KEY)");
}

/** @param names of those whose logins are tried */
async function checkBroker(broker: LoadBroker, names: readonly string[]): Promise<void> {
  for (const name of names) {
    const url = new URL(brokerUrl(broker, broker.loginOf(name)));
    const answer = await tryBroker(url);
    if (answer === BrokerAnswer.Accepted) continue;
    const why = {
      [BrokerAnswer.Refused]: `refuses the login of ${name}; does it want mqtt://user:password@host, mqtt://{device}:password@host or --credentials?`,
      [BrokerAnswer.NotMqtt]: "does not speak MQTT",
      [BrokerAnswer.Away]: "does not answer; is the broker running there?",
    }[answer];
    throw new UserError(`--broker: ${url.host} ${why}`, 1);
  }
}

/** A key that may not read would otherwise be told of after the load. */
async function checkService(url: string, key: string): Promise<void> {
  const response = await fetch(new URL("/v1/Log.List", url), {
    method: "POST",
    headers: { "x-api-key": key, "content-type": "application/json" },
    body: JSON.stringify({ src: "load-0", limit: 1 }),
  }).catch((error: Error & { cause?: { code?: string } }) => {
    throw new UserError(
      `--service: ${url} does not answer (${error.cause?.code ?? error.message}); is boardlog running there?`,
      1,
    );
  });
  if (response.ok) return;
  if (response.status === 401 || response.status === 403) {
    throw new UserError(`--key: ${url} does not let this key read (status ${response.status})`, 1);
  }
  throw new UserError(
    `--service: ${url} answers Log.List with status ${response.status}; is it boardlog?`,
    1,
  );
}

async function runningTarget(
  broker: LoadBroker | undefined,
  key: string | undefined,
  serviceUrl: string,
): Promise<LoadTargetProcess> {
  if (broker === undefined || key === undefined) throw new Error("checkTarget asks for both");
  await checkService(serviceUrl, key);
  return {
    mqtt: broker,
    serviceUrl,
    key,
    project: PROJECT,
    cpuSeconds: () => undefined,
    gatewayBytes: () => undefined,
    breaks: {},
  };
}

/** A program that is killed and started again with the same arguments. */
class Child {
  readonly #file: string;
  readonly #args: readonly string[];
  readonly #environment: Readonly<Record<string, string>>;
  /** Resolves when it serves. @throws UserError when it ends instead. */
  readonly #isUp: (child: ChildProcess) => Promise<void>;
  readonly #signal: AbortSignal;
  #child: ChildProcess | undefined;
  #isOver = false;

  constructor(
    file: string,
    args: readonly string[],
    isUp: (child: ChildProcess) => Promise<void>,
    signal: AbortSignal,
    environment: Readonly<Record<string, string>> = {},
  ) {
    this.#signal = signal;
    this.#file = file;
    this.#args = args;
    this.#environment = environment;
    this.#isUp = isUp;
  }

  /** @param options `path` of its HTTP server that answers 200 when it is up */
  static async boardlog(
    args: readonly string[],
    url: string,
    { children, signal }: TargetWorld,
    options: { readonly path?: string; readonly environment?: Readonly<Record<string, string>> } = {},
  ): Promise<Child> {
    const isUp = (): Promise<boolean> =>
      fetch(url + (options.path ?? "/healthz")).then(
        ({ ok }) => ok,
        () => false,
      );
    const child = new Child(
      process.execPath,
      [PROGRAM, ...args],
      (started) => answering(started, isUp, `boardlog ${args[0]}`, signal),
      signal,
      options.environment,
    );
    children.push(child);
    await child.start();
    return child;
  }

  async start(): Promise<void> {
    this.#signal.throwIfAborted();
    if (this.#isOver) return;
    const [file, ...args] = diesWithUs([this.#file, ...this.#args]);
    const child = spawn(file, args, {
      stdio: ["ignore", "ignore", "inherit"],
      env: { ...process.env, ...this.#environment },
    });
    this.#child = child;
    // `answering` sees that there is none.
    child.on("error", () => {});
    await this.#isUp(child);
  }

  async restart(signal: NodeJS.Signals, awayMs = 0): Promise<void> {
    await this.end(signal);
    await pause(awayMs, undefined, { signal: this.#signal });
    await this.start();
  }

  /** It stands still, and goes on; also where the run is ended meanwhile, since what is stopped takes no SIGTERM. */
  async stall(forMs: number): Promise<void> {
    const child = this.#child;
    child?.kill("SIGSTOP");
    try {
      await pause(forMs, undefined, { signal: this.#signal });
    } finally {
      child?.kill("SIGCONT");
    }
  }

  kill(): void {
    this.#child?.kill("SIGKILL");
  }

  /** Ends it, also where it is just being started again. */
  async endForGood(): Promise<void> {
    this.#isOver = true;
    await this.end("SIGTERM");
  }

  async end(signal: NodeJS.Signals): Promise<void> {
    const child = this.#child;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const gone = new Promise((resolve) => child.once("exit", resolve));
    child.kill(signal);
    await gone;
  }

  /** User and system time on Linux; undefined elsewhere. */
  cpuSeconds(): number | undefined {
    const fields = this.#proc("stat")?.split(") ")[1]?.split(" ") ?? [];
    const ticks = Number(fields[11]) + Number(fields[12]);
    return Number.isFinite(ticks) ? ticks / TICKS_PER_S : undefined;
  }

  /** Memory on Linux; undefined elsewhere. */
  residentBytes(): number | undefined {
    const kilobytes = Number(/^VmRSS:\s+(\d+) kB$/m.exec(this.#proc("status") ?? "")?.[1]);
    return Number.isFinite(kilobytes) ? kilobytes * 1024 : undefined;
  }

  #proc(file: string): string | undefined {
    try {
      return readFileSync(`/proc/${this.#child?.pid}/${file}`, "utf8");
    } catch {
      return undefined;
    }
  }
}

/** Whether util-linux is there and new enough; asked once. */
let hasDeathSignal: boolean | undefined;

/**
 * The command under the kernel's promise that it is killed with us, where there is one: after a kill -9 nobody else would, and
 * what was started for a load would hold its memory and ports for good.
 */
function diesWithUs(command: readonly [string, ...string[]]): readonly [string, ...string[]] {
  const [program, ...flags] = ["setpriv", "--pdeathsig", "KILL"] as const;
  hasDeathSignal ??= spawnSync(program, [...flags, "true"]).status === 0;
  return hasDeathSignal ? [program, ...flags, ...command] : command;
}

async function answering(
  child: ChildProcess,
  isUp: () => Promise<boolean>,
  name: string,
  signal: AbortSignal,
): Promise<void> {
  const endMs = performance.now() + START_MS_MAX;
  for (;;) {
    if (child.pid === undefined || child.exitCode === NOT_FOUND) {
      throw new UserError(`${name} cannot be started: is it installed?`, 1);
    }
    if (child.exitCode !== null) throw new UserError(`${name} ended with status ${child.exitCode}`, 1);
    if (await isUp()) return;
    if (performance.now() > endMs) throw new UserError(`${name} does not answer`, 1);
    await pause(50, undefined, { signal });
  }
}

/** A Mosquitto for as many connections as there are descriptors, without a limit on what it queues, which it keeps on disk. */
async function startMosquitto({
  folder,
  children,
  devices,
  signal,
}: Pick<TargetWorld, "folder" | "children" | "devices" | "signal">): Promise<{
  broker: LoadBroker;
  child: Child;
}> {
  const { loginOf, passwordFile, aclFile } = mosquittoLogins(devices);
  const broker = { host: "127.0.0.1", port: await freePort(), loginOf };
  const file = join(folder, "mosquitto.conf");
  const [passwords, acl] = [join(folder, "mosquitto.passwords"), join(folder, "mosquitto.acl")];
  await writeFile(passwords, passwordFile, { mode: 0o600 });
  await writeFile(acl, aclFile, { mode: 0o600 });
  await writeFile(
    file,
    `listener ${broker.port} 127.0.0.1\nallow_anonymous false\npassword_file ${passwords}\nacl_file ${acl}\nmax_queued_messages 0\nmax_inflight_messages 0\nset_tcp_nodelay true\npersistence true\npersistence_location ${folder}/\nuser root\nlog_type none\n`,
  );
  const url = new URL(brokerUrl(broker, loginOf(GATEWAY_NAME)));
  const isUp = async (): Promise<boolean> => (await tryBroker(url)) === BrokerAnswer.Accepted;
  const child = new Child(
    "mosquitto",
    ["-c", file],
    (started) => answering(started, isUp, "mosquitto", signal),
    signal,
  );
  children.push(child);
  await child.start();
  return { broker, child };
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === "string") throw new Error("a TCP server has a port");
  return address.port;
}
