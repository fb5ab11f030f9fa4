import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { SystemDisk } from "../../host/system-disk.ts";
import { runBoardlog } from "../support/boardlog-process.ts";
import { MemoryStore } from "../support/memory-store.ts";
import { type RunningService, runServiceOver } from "../support/running-service.ts";
import { connect } from "../support/web-socket-client.ts";

let folder: string;
let running: RunningService;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "boardlog-keys-command-"));
  running = await runServiceOver(new MemoryStore(), {}, new SystemDisk(folder));
});
afterAll(async () => {
  await running.stop();
  await rm(folder, { recursive: true });
});

async function boardlog(...args: string[]) {
  const { status, stdout, stderr } = await runBoardlog([...args, "--data", folder]);
  return { status, out: stdout.trim(), err: stderr };
}
async function statusOf(credential: string, path: string, body: string): Promise<number> {
  return (await running.post(path, body, { "x-api-key": undefined, authorization: `Bearer ${credential}` }))
    .status;
}
async function becomes(status: number, credential: string): Promise<void> {
  await expect.poll(() => statusOf(credential, "/v1/Log.List", '{"src":"s"}')).toBe(status);
}

test("a key made beside a running service is good in it, and once revoked closes what it opened", async () => {
  const made = await boardlog("keys", "add", "--rights", "read", "--json");
  const { id, key } = JSON.parse(made.out) as { id: string; key: string };
  await becomes(200, key);
  const client = await connect(`${running.url}/v1/ws/projects/default/logs?x-api-key=${key}`);
  const listed = await boardlog("keys", "list");
  expect(listed.out).toContain(`${id}  `);
  expect(listed.out).not.toContain(key.slice(13));
  expect(await boardlog("keys", "revoke", id)).toMatchObject({ status: 0 });
  expect(await client.closed()).toBe(1008);
  await becomes(401, key);
  expect(await boardlog("keys", "revoke", id)).toMatchObject({ status: 1, out: "" });
});

test("a token is good for a time, for reading unless more was asked for, and ends with its key", async () => {
  const reading = (await boardlog("token")).out;
  expect(await statusOf(reading, "/v1/Log.List", '{"src":"s"}')).toBe(200);
  expect(await statusOf(reading, "/v1/Log.Log", '{"src":"s","msg":"m"}')).toBe(403);
  const short = (await boardlog("token", "--expires", "1s", "--rights", "read,write,on-behalf")).out;
  await becomes(401, short);
  const { id } = running.keys.list()[0] ?? { id: "" };
  const renewed = await boardlog("keys", "rotate", id);
  await becomes(401, reading);
  // The file that programs on this machine read holds the new secret.
  expect(await readFile(join(folder, "api-key"), "utf8")).toBe(renewed.out);
  expect(await statusOf((await boardlog("token")).out, "/v1/Log.List", '{"src":"s"}')).toBe(200);
});

test("a board's own key logs as that board alone, by whichever of its names", async () => {
  const key = (await boardlog("keys", "add", "--device", "greenhouse")).out;
  await becomes(403, key);
  for (const [src, status] of [
    ["greenhouse", 200],
    ["//any-host/greenhouse", 200],
    ["other", 403],
    ["//h/other", 403],
  ] as const) {
    expect(await statusOf(key, "/v1/Log.Log", JSON.stringify({ src, msg: "m" })), src).toBe(status);
  }
  expect(await statusOf(key, "/v1/Log.Log", '{"msg":"its own name is known"}')).toBe(200);
  const sources = await running.store.sources("default");
  expect(sources.map(({ src, entryCount }) => [src, entryCount])).toEqual([["greenhouse", 3]]);
});

/** Of no service; typed where it does not belong. */
const KEY = `blk_7gs993a9_${"secret--".repeat(8)}`;

test("wrong usage is said in words, with status 2", async () => {
  for (const [args, words] of [
    [["keys", "add"], "--rights"],
    [["keys", "add", "--rights", "all"], "--rights: all is not one of"],
    [["keys", "add", "--device", "x", "--rights", "read"], "--device"],
    [["keys", "revoke"], "which?"],
    [["keys", "list", "7gs993a9"], "takes no id"],
    [["keys", "steal"], "steal"],
    [["keys", "revoke", KEY], "give its id, which stands behind blk_: 7gs993a9"],
    [["list", "--limit", KEY], "--limit"],
    [["list", "--url", `http://user:${KEY}@127.0.0.1:7480`], "--url: takes no user name and password"],
    [["token", "--expires", "soon"], "--expires: soon is not a time"],
  ] as const) {
    const ended = await boardlog(...args);
    expect(ended.status, args.join(" ")).toBe(2);
    expect(ended.err).toContain(words);
    expect(ended.err).not.toContain("secret");
  }
});

test("a keys file that cannot be read locks nobody out, and a repaired one is taken over", async () => {
  const path = join(folder, "keys.json");
  const good = await readFile(path);
  const key = await readFile(join(folder, "api-key"), "utf8");
  await writeFile(path, "{");
  const failures = (): number => running.counters.values().service_failed_key_reloads_total ?? 0;
  await expect.poll(failures).toBeGreaterThanOrEqual(2);
  expect(await statusOf(key, "/v1/Log.List", '{"src":"s"}')).toBe(200);
  expect(running.logText().match(/the keys cannot be read again/g)).toHaveLength(1);
  await writeFile(path, good);
  const made = await boardlog("keys", "add", "--rights", "read");
  await becomes(200, made.out);
});

test("a key that may write and name no source is told of: it would log as nobody", async () => {
  for (const rights of ["write", "read,write"]) {
    const made = await boardlog("keys", "add", "--rights", rights);
    expect(made).toMatchObject({ status: 0, err: expect.stringContaining("--rights write,on-behalf") });
    expect(made.err).toContain("--device NAME");
  }
  for (const args of [
    ["--rights", "write,on-behalf"],
    ["--rights", "admin"],
    ["--rights", "read"],
    ["--device", "pump"],
  ])
    expect((await boardlog("keys", "add", ...args)).err).not.toContain("nobody");
});
