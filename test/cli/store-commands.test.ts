import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdtemp, readdir, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { LmdbSpace } from "../../service/store/lmdb-kv.ts";
import { batchKeys } from "../../service/store/store-keys.ts";
import { entry } from "../conformance/store-driver.ts";
import { openLmdbStore } from "../store/store-drivers.ts";
import { BIN, BoardlogProcess, runBoardlog, until } from "../support/boardlog-process.ts";
import { listAll } from "../support/list-client.ts";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "boardlog-store-cli-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** Logs some lines over HTTP. */
async function log(boardlog: BoardlogProcess, first: number, count: number): Promise<void> {
  const cmds = Array.from({ length: count }, (_, index) => ({
    cmd: "/v1/Log.Log",
    id: first + index,
    args: { msg: `line ${first + index}`, src: "pump" },
  }));
  const response = await fetch(boardlog.url, {
    method: "POST",
    headers: { "x-api-key": await boardlog.key(), "content-type": "application/json" },
    body: JSON.stringify({ v: 1, src: "pump", boot: "b1", cmds }),
  });
  expect(response.status).toBe(200);
}

/** A copy that a signal ends in its midst, with the exit status that this gives; one that was done before is no such copy. */
async function cutShort(data: string, to: string, signal: NodeJS.Signals): Promise<number | null> {
  for (;;) {
    const child = spawn(process.execPath, [BIN, "backup", "--data", data, "--to", to], { stdio: "ignore" });
    const ended = once(child, "close");
    const begun = join(`${to}.partial`, "store/head.mdb");
    await until("the copy has begun", () => existsSync(begun) || child.exitCode !== null);
    child.kill(signal);
    const [status] = await ended;
    if (!existsSync(to)) return status;
    await rm(to, { recursive: true });
  }
}

describe("a place where no copy can be made", () => {
  it.runIf(process.platform === "linux")("ends the backup at once, in words", async () => {
    const data = join(folder, "to-copy");
    const store = await openLmdbStore(join(data, "store"));
    await store.close();
    const { status, stderr } = await runBoardlog(["backup", "--data", data, "--to", "/proc/copy"]);
    expect([status, stderr]).toEqual([
      1,
      "boardlog: --to: /proc/copy.partial cannot be written: a folder cannot be made there; name another with --to\n",
    ]);
  });
});

describe("a data folder that is none", () => {
  it("is told of in one line that names the file, by what would write to it", async () => {
    const data = await mkdtemp(join(folder, "data-"));
    await writeFile(join(data, "store"), "");
    const up = await runBoardlog(["up", "--data", data, "--http", "0", "--mqtt", "0"]);
    expect(up.stderr).toBe(
      `boardlog: the store is unavailable: ${join(data, "store")} cannot be used: a file stands where the folder would be\n`,
    );
    expect(up.status).toBe(1);
    await writeFile(join(data, "spool"), "");
    await writeFile(join(data, "key"), "blk_key");
    const settings = join(data, "gateway.yaml");
    await writeFile(
      settings,
      JSON.stringify({
        data,
        service: { url: "http://127.0.0.1:9", keyFile: join(data, "key") },
        serial: ["/dev/ttyUSB0"],
      }),
    );
    const gateway = await runBoardlog(["gateway", "--settings", settings]);
    expect(gateway.stderr).toMatch(/^boardlog: [^\n]*\/spool[^\n]*\n$/);
    expect(gateway.status).toBe(1);
  });
});

describe("boardlog backup", () => {
  it("copies a running service's log and keys; started on the copy, the service serves the same with the same key", async () => {
    const boardlog = await BoardlogProcess.create();
    const to = join(folder, "copy");
    try {
      await boardlog.start();
      await log(boardlog, 1, 20);
      const { status, stdout } = await runBoardlog(["backup", "--data", boardlog.dataFolder, "--to", to]);
      expect(status).toBe(0);
      expect(stdout).toMatch(/copy: 20 entries as of .*\nto restore it: stop the service/);
      await log(boardlog, 21, 5);
      const again = await runBoardlog(["backup", "--data", boardlog.dataFolder, "--to", to]);
      expect(again).toMatchObject({ status: 2, stderr: expect.stringContaining("is there already") });
      const key = await boardlog.key();
      const before = await listAll(boardlog.url, key, "pump");
      expect(before).toHaveLength(25);
      await boardlog.end("SIGTERM");

      await rm(boardlog.dataFolder, { recursive: true });
      await rename(to, boardlog.dataFolder);
      await boardlog.start();
      expect(await boardlog.key()).toBe(key);
      expect(await listAll(boardlog.url, key, "pump")).toEqual(before.slice(0, 20));
      expect((await runBoardlog(["store", "check", "--data", boardlog.dataFolder])).status).toBe(0);
    } finally {
      await boardlog.remove();
    }
  });

  it("leaves nothing of its name when it is killed, and does it all when it is asked again", async () => {
    const data = join(folder, "data");
    const store = await openLmdbStore(join(data, "store"), { options: {} });
    for (let first = 0; first < 60_000; first += 1000) {
      const entries = Array.from({ length: 1000 }, (_, index) =>
        entry(`s${index % 50}`, 1 + Math.floor((first + index) / 50)),
      );
      await store.append([{ project: "p", entries }]);
    }
    await store.close();
    const to = join(folder, "whole");
    expect(await cutShort(data, to, "SIGKILL")).toBeNull();
    // Put aside: it is what the last one finds.
    await rename(`${to}.partial`, join(folder, "left"));
    expect(await cutShort(data, to, "SIGTERM")).toBe(1);
    expect(existsSync(`${to}.partial`)).toBe(false);
    await rename(join(folder, "left"), `${to}.partial`);
    const { stdout } = await runBoardlog(["backup", "--data", data, "--to", to, "--json"]);
    expect(JSON.parse(stdout)).toMatchObject({ to, entryCount: 60_000 });
    expect((await runBoardlog(["store", "check", "--data", to])).stdout).toContain(
      "60000 entries of 50 sources",
    );
    expect(await readdir(folder)).not.toContain("whole.partial");
  });

  it("says what is wrong with the folder it is to make", async () => {
    const data = join(folder, "data");
    for (const [to, words] of [
      [join(data, "copy"), "is in the data folder"],
      [join(folder, "nowhere/copy"), "is not there; make it first"],
      [data, "is in the data folder"],
    ] as const) {
      const { status, stderr } = await runBoardlog(["backup", "--data", data, "--to", to]);
      expect(status).toBe(2);
      expect(stderr).toContain(words);
    }
    expect((await runBoardlog(["backup", "--data", data])).stderr).toContain("--to");
  });
});

describe("boardlog store check", () => {
  it("reads the log of a running service, then says where a value is damaged, with exit status 1", async () => {
    const boardlog = await BoardlogProcess.create();
    const { dataFolder } = boardlog;
    try {
      await boardlog.start();
      await log(boardlog, 1, 20);
      const good = await runBoardlog(["store", "check", "--data", dataFolder]);
      expect(good).toMatchObject({ status: 0, stderr: "" });
      expect(good.stdout).toContain(`${dataFolder}/store: 20 entries of 1 sources`);
      expect(good.stdout).toContain("Every value is as it was written");
      await boardlog.end("SIGTERM");

      const space = await LmdbSpace.open(join(dataFolder, "store"));
      const kv = await space.open("log-0000000001");
      for (const { key, value } of [...kv.range(batchKeys())]) {
        const damaged = Buffer.from(value);
        damaged.writeUInt8(damaged.readUInt8(20) ^ 4, 20);
        await kv.commit([{ type: "put", key, value: damaged }]);
      }
      await kv.close();
      await space.close();
      const bad = await runBoardlog(["store", "check", "--data", dataFolder]);
      expect(bad.status).toBe(1);
      expect(bad.stdout).toMatch(/log-0000000001: a batch of 20 entries is damaged/);
      expect(bad.stderr).toMatch(/is damaged: .* restore a copy \(docs\/store\.md\)/);
      const json = await runBoardlog(["store", "check", "--data", dataFolder, "--json"]);
      expect(json.status).toBe(1);
      expect(JSON.parse(json.stdout)).toMatchObject({ problemCount: 1, unsealedEntryCount: 20 });
    } finally {
      await boardlog.remove();
    }
  });

  it("names the folder and the way out where there is no log", async () => {
    const { status, stderr } = await runBoardlog(["store", "check", "--data", folder]);
    expect(status).toBe(2);
    expect(stderr).toContain(`no log in ${folder}/store`);
    expect(stderr).toContain("--data");
  });
});
