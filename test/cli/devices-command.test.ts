import { mkdir, mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { DeviceAuth } from "../../cli/device-auth.ts";
import { SystemDisk } from "../../host/system-disk.ts";
import { runBoardlog } from "../support/boardlog-process.ts";
import { realWorld } from "../support/gateway-world.ts";

let folder = "";
let auth: DeviceAuth;
const world = realWorld();
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "boardlog-devices-"));
  // As a gateway leaves it.
  await mkdir(join(folder, "spool"));
  auth = new DeviceAuth({ ...world, disk: new SystemDisk(folder) }, { project: "default", key: "for all" });
  await auth.start();
});
afterAll(async () => {
  auth.stop();
  await rm(folder, { recursive: true });
});

async function devices(...args: string[]) {
  return runBoardlog(["devices", ...args, "--data", folder]);
}

/** The running gateway looks at its folder every second. */
async function becomes(condition: () => Promise<boolean> | boolean): Promise<void> {
  await expect.poll(condition).toBe(true);
}

test("a board's secret, made beside a running gateway, is good until it is changed or revoked, and only its hash is kept", async () => {
  const added = await devices("add", "kitchen");
  expect(added.status, added.stderr).toBe(0);
  const secret = added.stdout.trim();
  expect(added.stderr).toContain("MQTT user name kitchen");
  await becomes(async () => (await auth.authenticate("kitchen", secret)) !== undefined);
  const client = await auth.authenticate("kitchen", secret);
  expect(client).toEqual({ project: "default", device: "kitchen" });
  expect(await auth.authenticate("cellar", secret)).toBeUndefined();
  expect(await auth.authenticate("default", secret)).toBeUndefined();
  expect(await readFile(join(folder, "keys.json"), "utf8")).not.toContain(secret.slice(13));
  expect((await devices("list")).stdout).toMatch(/^\d{4}-\d\d-\d\d {2}default {2}kitchen\n$/);
  expect(await devices("add", "kitchen")).toMatchObject({
    status: 1,
    stderr: expect.stringContaining("rotate"),
  });

  const rotated = JSON.parse((await devices("rotate", "kitchen", "--json")).stdout) as { secret: string };
  if (client === undefined) throw new Error("no client");
  await becomes(() => !auth.isStillGood(client));
  const again = await auth.authenticate("kitchen", rotated.secret);
  if (again === undefined) throw new Error("the new secret is not good");
  expect(auth.isStillGood(again)).toBe(true);
  expect(await devices("revoke", "kitchen")).toMatchObject({ status: 0 });
  await becomes(() => !auth.isStillGood(again));
  expect(await auth.authenticate("kitchen", rotated.secret)).toBeUndefined();
  expect((await devices("list")).stdout).toBe("");
});

test("the one password of the settings is for the project's name alone", async () => {
  const holder = await auth.authenticate("default", "for all");
  expect(holder).toEqual({ project: "default" });
  if (holder !== undefined) expect(auth.isStillGood(holder)).toBe(true);
  expect(await auth.authenticate("kitchen", "for all")).toBeUndefined();
  expect(await auth.authenticate("default", "for al")).toBeUndefined();
  expect(auth.isStillGood({ project: "default" })).toBe(false);
});

test("wrong use is said with the way out", async () => {
  expect(await devices("add")).toMatchObject({ status: 2, stderr: expect.stringContaining("which?") });
  expect(await devices("add", "a/b")).toMatchObject({
    status: 2,
    stderr: expect.stringContaining("MQTT topics"),
  });
  expect(await devices("revoke", "nobody")).toMatchObject({
    status: 1,
    stderr: expect.stringContaining("list"),
  });
  const elsewhere = await runBoardlog(["devices", "add", "x", "--data", join(folder, "spool")]);
  expect(elsewhere).toMatchObject({ status: 2, stderr: expect.stringContaining("started once") });
});
