import { mkdtemp, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import { openPty } from "../../host/pty.ts";
import { BoardlogProcess, pause, runBoardlog, until } from "../support/boardlog-process.ts";
import { GatewayProcess, WireBoard } from "../support/gateway-process.ts";
import { listAll } from "../support/list-client.ts";
import { freePort } from "../support/mosquitto.ts";

const cleanups: (() => unknown)[] = [];

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

test("a gateway that meets a service restored from a copy gives it again what came since, each line once", async () => {
  const service = await BoardlogProcess.create(["--quiet"]);
  cleanups.push(() => service.remove());
  await service.start();
  const folder = await mkdtemp(join(tmpdir(), "boardlog-restore-"));
  cleanups.push(() => rm(folder, { recursive: true, force: true }));
  await writeFile(join(folder, "key"), `${await service.key()}\n`);
  const pty = openPty();
  cleanups.push(() => pty.close());
  const statusPort = await freePort();
  const settings = join(folder, "gateway.yaml");
  await writeFile(
    settings,
    `id: pi-1\ndata: ${folder}/data\nservice:\n  url: ${service.url}\n  keyFile: ${folder}/key\nserial:\n  - path: ${pty.path}\n    source: wire\nstatus: 127.0.0.1:${statusPort}\n`,
  );
  const gateway = new GatewayProcess(settings, statusPort);
  cleanups.push(() => gateway.end("SIGKILL"));
  await gateway.start();
  const board = new WireBoard((line) => pty.write(Buffer.from(line)));
  pty.onData((bytes) => board.hear(bytes));
  const log = async (count: number): Promise<void> => {
    for (let index = 0; index < count; index++) board.log();
    await until("the board is acked", async () => {
      board.send();
      await pause(25);
      return board.acked === board.seq;
    });
    await until("all is forwarded", async () => (await gateway.gauge("spool_waiting_entries")) === 0);
  };
  await log(50);
  const copy = join(folder, "copy");
  expect(await runBoardlog(["backup", "--data", service.dataFolder, "--to", copy])).toMatchObject({
    status: 0,
  });
  await log(50);
  await service.end("SIGKILL");
  await rm(service.dataFolder, { recursive: true });
  await rename(copy, service.dataFolder);
  await service.start();

  const key = await service.key();
  const listed = async (): Promise<unknown[]> =>
    (await listAll(service.url, key, "wire"))
      .filter(({ stream }) => stream === "console")
      .map(({ msg }) => msg);
  await until("what came after the copy is there again", async () => (await listed()).length >= 100);
  await log(10);
  expect(await listed()).toEqual(Array.from({ length: 110 }, (_, index) => `line ${index + 1}`));
});
