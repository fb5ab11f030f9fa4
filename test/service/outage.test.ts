import { afterEach, expect, test } from "vitest";
import { runBoardlog } from "../support/boardlog-process.ts";
import { MemoryStore } from "../support/memory-store.ts";
import { type RunningService, runServiceOver } from "../support/running-service.ts";

let running: RunningService | undefined;
afterEach(() => running?.stop());

const line = '{"src":"s","msg":"m"}';
const count = (text: string, part: string): number => text.split(part).length - 1;

test("while the disk is full every caller is told, and the process's log, which fills that disk, hears of none", async () => {
  const store = new MemoryStore();
  running = await runServiceOver(store);
  store.isFull = true;
  for (let index = 0; index < 20; index++) {
    const refused = await running.post("/v1/Log.Log", line);
    expect([refused.status, refused.headers.get("retry-after")]).toEqual([503, "1"]);
    expect(await refused.json()).toMatchObject({
      status_msg: "the disk of the service is full; keep the entries and try again",
    });
  }
  expect(running.logText()).not.toContain("unavailable");
  const health = await fetch(`${running.url}/healthz`);
  expect([health.status, await health.json()]).toEqual([
    503,
    { status: "degraded", problems: ["the disk is full: nothing more is taken"] },
  ]);
  const { stdout } = await runBoardlog(["doctor", "--url", running.url, "--key", running.key]);
  expect(stdout).toMatch(/service +http:.*: the disk is full: nothing more is taken\n.*-> make room/);
  store.isFull = false;
  expect((await running.post("/v1/Log.Log", line)).status).toBe(200);
  expect((await fetch(`${running.url}/healthz`)).status).toBe(200);
});

test("a store that is away is logged once in a while, not for every caller", async () => {
  const store = new MemoryStore();
  running = await runServiceOver(store);
  store.isBroken = true;
  for (let index = 0; index < 20; index++) expect((await running.post("/v1/Log.Log", line)).status).toBe(503);
  expect(count(running.logText(), '"msg":"the store is unavailable"')).toBe(1);
});
