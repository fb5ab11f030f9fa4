import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import { openPty } from "../../host/pty.ts";
import { BoardlogProcess, runBoardlog, until } from "../support/boardlog-process.ts";
import { GatewayProcess, WireBoard } from "../support/gateway-process.ts";
import { listAll } from "../support/list-client.ts";
import { freePort } from "../support/mosquitto.ts";

const ROUNDS = Number(process.env.GATEWAY_KILLS ?? 6);
const cleanups: (() => unknown)[] = [];

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

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
  pty.onData((bytes) => board.hear(bytes));
  const endLoad = board.keepLogging();
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
  await endLoad();
  await until("all is forwarded", async () => (await gateway.gauge("spool_waiting_entries")) === 0);
  expect(await gateway.end("SIGTERM")).toBe(0);
  const key = await service.key();
  const entries = (await listAll(service.url, key, "wire")).filter((entry) => entry.stream === "console");
  expect(entries.map((entry) => entry.msg)).toEqual(
    Array.from({ length: board.seq }, (_, index) => `line ${index + 1}`),
  );
});

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
});
