import { afterEach, describe, expect, test } from "vitest";
import { RateLimiter } from "../../service/rate-limiter.ts";
import { VirtualTime } from "../../sim/virtual-time.ts";
import { MemoryStore } from "../support/memory-store.ts";
import { type RunningService, runServiceOver } from "../support/running-service.ts";
import { connect } from "../support/web-socket-client.ts";

let running: RunningService | undefined;
afterEach(() => running?.stop());

const caller = { keyId: "k", project: "p", rights: new Set(["write"] as const) };

describe("what a key may send", () => {
  test("is its rate over time, after a burst of two seconds", async () => {
    const time = new VirtualTime();
    const limiter = new RateLimiter(time, 10);
    const taken = (): number => {
      let count = 0;
      while (limiter.take(caller, 1) === 0) count += 1;
      return count;
    };
    expect(taken()).toBe(20);
    await time.advance(500);
    expect(taken()).toBe(5);
    await time.advance(3_600_000);
    expect(taken()).toBe(20);
  });

  test("a large frame passes once, and is paid for before the next", async () => {
    const time = new VirtualTime();
    const limiter = new RateLimiter(time, 10);
    expect(limiter.take(caller, 1000)).toBe(0);
    const waitMs = limiter.take(caller, 1);
    expect(waitMs).toBe(98_100);
    await time.advance(waitMs);
    expect(limiter.take(caller, 1)).toBe(0);
  });

  test("keys do not share, admin keys have no limit unless one is set for them", () => {
    const limiter = new RateLimiter(new VirtualTime(), 1);
    limiter.take(caller, 100);
    expect(limiter.take(caller, 1)).toBeGreaterThan(0);
    expect(limiter.take({ ...caller, keyId: "other" }, 1)).toBe(0);
    const admin = { ...caller, keyId: "admin", rights: new Set(["admin"] as const) };
    for (let index = 0; index < 100; index++) expect(limiter.take(admin, 1000)).toBe(0);
    const limited = { ...admin, keyId: "slow", ratePerSecond: 1 };
    limiter.take(limited, 10);
    expect(limiter.take(limited, 1)).toBeGreaterThan(0);
  });
});

test("past its rate a key gets 429 with words and Retry-After, stores nothing, and others go on", async () => {
  running = await runServiceOver(new MemoryStore());
  const { key } = await running.keys.add({ project: "default", rights: ["admin"], rate: 1 });
  const headers = { "x-api-key": key };
  const cmds = [1, 2, 3].map((id) => ({ cmd: "/v1/Log.Log", id, args: { msg: `m${id}` } }));
  const frame = JSON.stringify({ v: 1, src: "s", cmds });
  expect((await running.post("/", frame, headers)).status).toBe(200);
  const refused = await running.post("/", frame, headers);
  expect(refused.status).toBe(429);
  expect(Number(refused.headers.get("retry-after"))).toBeGreaterThan(0);
  const { resp } = (await refused.json()) as { resp: object[] };
  expect(resp).toHaveLength(3);
  expect(resp[0]).toMatchObject({ id: 1, status: 429, status_msg: expect.stringMatching(/^slow down: /) });
  const bare = await running.post("/v1/Log.Log", '{"src":"s","msg":"m"}', headers);
  expect([bare.status, Number(bare.headers.get("retry-after")) > 0]).toEqual([429, true]);
  const page = await fetch(`${running.url}/v1/projects/default/entries`, { headers });
  expect([page.status, await page.json()]).toMatchObject([429, { error: { code: 8 } }]);
  await expect(connect(`${running.url}/v1/ws/projects/default/logs?x-api-key=${key}`)).rejects.toThrow("429");
  const otlp = await running.post("/v1/logs", "{}", headers);
  expect([otlp.status, await otlp.json()]).toMatchObject([429, { code: 8 }]);
  const listed = await running.post("/v1/Log.List", '{"src":"s"}');
  expect(((await listed.json()) as { resp: unknown[] }).resp).toHaveLength(3);
});

test("Retry-After is when the key may come again, not a second whatever it has sent", async () => {
  running = await runServiceOver(new MemoryStore());
  const { key } = await running.keys.add({ project: "default", rights: ["admin"], rate: 1 });
  const headers = { "x-api-key": key };
  const cmds = Array.from({ length: 100 }, (_, id) => ({ cmd: "/v1/Log.Log", id, args: { msg: "m" } }));
  await running.post("/", JSON.stringify({ v: 1, src: "s", cmds }), headers);
  for (const answer of [
    await running.post("/", JSON.stringify({ v: 1, src: "s", cmds }), headers),
    await running.post("/v1/Log.List", '{"src":"s"}', headers),
    await running.post("/v1/logs", "{}", headers),
    await running.post("/v1/projects/default/devices/s/level", "{}", headers),
    await fetch(`${running.url}/v1/projects/default/entries`, { headers }),
    await fetch(`${running.url}/v1/projects/default/logs`, { headers }),
    await fetch(`${running.url}/v1/projects/default/events`, { headers }),
  ]) {
    expect(answer.status).toBe(429);
    expect(await answer.text()).toMatch(/slow down: this key has sent too much; try again in 9\d\d\d\d ms/);
    expect(Number(answer.headers.get("retry-after"))).toBeGreaterThan(90);
  }
});

test("a store with too much waiting says 429, not that it is broken", async () => {
  const store = new MemoryStore();
  running = await runServiceOver(store);
  store.isBusy = true;
  const refused = await running.post("/v1/Log.Log", '{"src":"s","msg":"m"}');
  expect([refused.status, refused.headers.get("retry-after")]).toEqual([429, "1"]);
  store.isBusy = false;
  expect((await running.post("/v1/Log.Log", '{"src":"s","msg":"m"}')).status).toBe(200);
});

test("Retry-After of a full quota of names is when they are forgotten, a day after the key's first", async () => {
  const time = new VirtualTime();
  const nameQuota = { sourcesPerKeyMax: 1 };
  running = await runServiceOver(new MemoryStore(), { nameQuota }, undefined, time);
  await running.post("/v1/Log.Log", '{"src":"a","msg":"m"}');
  await time.advance(3_600_000);
  const refused = await running.post("/v1/Log.Log", '{"src":"b","msg":"m"}');
  expect([refused.status, refused.headers.get("retry-after")]).toEqual([429, String(23 * 3600)]);
  expect(await refused.json()).toMatchObject({ status_msg: expect.stringMatching(/taken again in 23 h/) });
  const frame = { v: 1, cmds: [{ cmd: "/v1/Log.Log", id: 1, args: { src: "b", msg: "m" } }] };
  const whole = await running.post("/", JSON.stringify(frame));
  expect([whole.status, whole.headers.get("retry-after")]).toEqual([429, String(23 * 3600)]);
  expect(JSON.stringify(await whole.json())).not.toContain("retryAfterMs");
  await time.advance(23 * 3_600_000);
  expect((await running.post("/v1/Log.Log", '{"src":"b","msg":"m"}')).status).toBe(200);
});
