import { type ChildProcess, spawn } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, expect, test } from "vitest";
import { openPty } from "../../host/pty.ts";
import { BoardlogProcess, pause, runBoardlog, until } from "../support/boardlog-process.ts";
import { listAll } from "../support/list-client.ts";
import { freePort } from "../support/mosquitto.ts";

const BIN = fileURLToPath(new URL("../../bin/boardlog.js", import.meta.url));
const ROUNDS = Number(process.env.GATEWAY_KILLS ?? 6);
const cleanups: (() => unknown)[] = [];

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

/** One gateway process over its settings file. */
class GatewayProcess {
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
      async () => (await this.metrics()) !== "" || child.exitCode !== null,
    );
    expect(child.exitCode, this.output).toBeNull();
  }

  async end(signal: NodeJS.Signals): Promise<number | null> {
    const child = this.#child;
    this.#child = undefined;
    if (child === undefined || child.exitCode !== null) return child?.exitCode ?? null;
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
    return Number(new RegExp(`^boardlog_${name} (\\S+)$`, "m").exec(await this.metrics())?.[1] ?? Number.NaN);
  }
}

/** A board that keeps what is not acked and goes back to it, over a wire that only it uses. */
class WireBoard {
  readonly #write: (text: string) => void;
  seq = 0;
  acked = 0;

  constructor(write: (text: string) => void) {
    this.#write = write;
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
    this.#write(`${JSON.stringify({ v: 1, src: "wire", boot: "b1", first, ack: true, cmds })}\n`);
  }

  hear(line: string): void {
    const ack = /"ack":(\d+)/.exec(line)?.[1];
    if (ack !== undefined) this.acked = Math.max(this.acked, Number(ack));
  }
}

async function chain() {
  const service = await BoardlogProcess.create(["--quiet"]);
  cleanups.push(() => service.remove());
  await service.start();
  const folder = await mkdtemp(join(tmpdir(), "boardlog-gateway-"));
  cleanups.push(() => rm(folder, { recursive: true, force: true }));
  const keyFile = join(folder, "key");
  await writeFile(keyFile, `${await service.key()}\n`);
  const pty = openPty();
  cleanups.push(() => pty.close());
  const statusPort = await freePort();
  const settings = join(folder, "gateway.yaml");
  const text = `id: pi-1\ndata: ${folder}/data\nservice:\n  url: ${service.url}\n  keyFile: ${keyFile}\nserial:\n  - path: ${pty.path}\n    source: wire\nstatus: 127.0.0.1:${statusPort}\n`;
  await writeFile(settings, text);
  const gateway = new GatewayProcess(settings, statusPort);
  cleanups.push(() => gateway.end("SIGKILL"));
  return { service, gateway, pty, settings };
}

test("gateway and service killed in turn under load over a pty: every acked line is listed once, in order", async () => {
  const { service, gateway, pty } = await chain();
  await gateway.start();
  const board = new WireBoard((line) => pty.write(Buffer.from(line)));
  let rest = "";
  pty.onData((bytes) => {
    rest += Buffer.from(bytes).toString("latin1");
    const lines = rest.split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) board.hear(line);
  });
  let isLoading = true;
  const load = (async () => {
    while (isLoading || board.acked < board.seq) {
      if (isLoading) for (let count = 0; count < 5; count++) board.log();
      board.send();
      await pause(25);
    }
  })();
  for (let round = 1; round <= ROUNDS; round++) {
    const before = board.acked;
    await until("acks come", () => board.acked > before + 20);
    await gateway.end("SIGKILL");
    if (round % 2 === 0) {
      // Boards are acked while the service is away, also by a gateway that starts without it.
      await service.end("SIGKILL");
      await gateway.start();
      const away = board.acked;
      await until("acks come without a service", () => board.acked > away + 20);
      await service.start();
    } else await gateway.start();
  }
  isLoading = false;
  await load;
  await until("all is forwarded", async () => (await gateway.gauge("spool_waiting_entries")) === 0, 90_000);
  expect(await gateway.end("SIGTERM")).toBe(0);
  const key = await service.key();
  const entries = (await listAll(service.url, key, "wire")).filter((entry) => entry.stream === "console");
  expect(entries.map((entry) => entry.msg)).toEqual(
    Array.from({ length: board.seq }, (_, index) => `line ${index + 1}`),
  );
}, 180_000);

test("settings are checked with the file, the setting and the reason", async () => {
  const folder = await mkdtemp(join(tmpdir(), "boardlog-gateway-"));
  cleanups.push(() => rm(folder, { recursive: true, force: true }));
  const settings = join(folder, "gateway.yaml");
  await writeFile(join(folder, "key"), "secret\n");
  await writeFile(settings, `data: /tmp/x\nservice: {url: "http://x", keyFile: ${folder}/key}\n`);
  expect(await runBoardlog(["gateway", "--settings", settings, "--check"])).toMatchObject({ status: 0 });
  const cases: readonly [string, RegExp][] = [
    ["data: /tmp/x\n", /service: required/],
    ["data: [1\n", /gateway\.yaml: .*line 2/s],
    ["data: /tmp/x\nservice: {url: ftp://x, keyFile: /x}\n", /service\.url: must be http/],
    [
      "data: /tmp/x\nservice: {url: 'http://x', keyFile: /nowhere}\n",
      /service\.keyFile: cannot read \/nowhere: ENOENT/,
    ],
    ["data: /tmp/x\nspool: {maxMb: 3}\nservice: {url: 'http://x', keyFile: /x}\n", /spool\.maxMb/],
    ["dta: /tmp/x\n", /dta: no such setting/],
  ];
  for (const [text, reason] of cases) {
    await writeFile(settings, text);
    const { status, stderr } = await runBoardlog(["gateway", "--settings", settings, "--check"]);
    expect(status, stderr).toBe(2);
    expect(stderr).toMatch(reason);
  }
}, 60_000);
