import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { LmdbSpace } from "../../service/store/lmdb-kv.ts";
import { batchKeys } from "../../service/store/store-keys.ts";
import { BoardlogProcess, runBoardlog } from "../support/boardlog-process.ts";

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
