import { mkdtemp, readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { Disk } from "../../host/disk.ts";
import { SystemDisk } from "../../host/system-disk.ts";
import { systemRandom } from "../../host/system-random.ts";
import { KEYS_FILE, KEYS_MAX, KeyStore, KeysUnreadable } from "../../service/auth/key-store.ts";
import { memoryDisk } from "../support/running-service.ts";

const clock = { wallMs: () => 1234, monotonicMs: () => 0 };

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "boardlog-keys-"));
});
afterEach(() => rm(folder, { recursive: true }));

function openKeys(disk: Disk | Map<string, Uint8Array> = new SystemDisk(folder)) {
  return new KeyStore({
    disk: disk instanceof Map ? memoryDisk(disk) : disk,
    random: systemRandom,
    clock,
  });
}

describe("the keys", () => {
  test("the first start makes an admin key, tells it once and leaves it alone in api-key for its owner", async () => {
    const keys = openKeys();
    const { newAdminKey = "" } = await keys.start();
    expect(newAdminKey).toMatch(/^blk_[0-9a-v]{8}_[\w-]{64}$/);
    expect(await readFile(join(folder, "api-key"), "utf8")).toBe(newAdminKey);
    expect((await stat(join(folder, "api-key"))).mode & 0o777).toBe(0o600);
    expect((await stat(join(folder, "keys.json"))).mode & 0o777).toBe(0o600);
    expect(await keys.verify(newAdminKey)).toMatchObject({ project: "default", rights: new Set(["admin"]) });
  });

  test("later starts know the same keys and make none", async () => {
    const { newAdminKey = "" } = await openKeys().start();
    const again = openKeys();
    expect(await again.start()).toEqual({});
    expect(await again.verify(newAdminKey)).toMatchObject({ project: "default" });
    expect(again.list()).toHaveLength(1);
  });

  test("a start cut off after the key file was written makes a new key", async () => {
    const files = new Map([["api-key", Buffer.from("blk_00000000_half-a-start")]]);
    const { newAdminKey = "" } = await openKeys(files).start();
    expect(String(files.get("api-key"))).toBe(newAdminKey);
  });

  test("no key is stored as it is", async () => {
    const files = new Map<string, Uint8Array>();
    const keys = openKeys(files);
    await keys.start();
    const { key } = await keys.add({ project: "p", rights: ["read"] });
    expect(String(files.get("keys.json"))).not.toContain(key.slice(13));
    expect(JSON.stringify(keys.list())).not.toContain("hash");
  });

  test("a key that differs in one character anywhere is not good", async () => {
    const keys = openKeys(new Map());
    const { newAdminKey: key = "" } = await keys.start();
    for (let index = 0; index < key.length; index++) {
      const other = key[index] === "1" ? "2" : "1";
      expect(await keys.verify(key.slice(0, index) + other + key.slice(index + 1))).toBeUndefined();
    }
    for (const wrong of [
      "",
      key.slice(0, -1),
      `${key}x`,
      `${key} `,
      ` ${key}`,
      key.toUpperCase(),
      "x".repeat(1e6),
    ]) {
      expect(await keys.verify(wrong)).toBeUndefined();
    }
    expect(await keys.verify(key)).toBeDefined();
  });

  test("many keys are added in one write, in the order asked for, each good for its own board alone", async () => {
    const files = new Map<string, Uint8Array>();
    const disk = memoryDisk(files);
    let writes = 0;
    const replace: typeof disk.replace = async (path, ...rest) => {
      if (path === "keys.json") writes++;
      await disk.replace(path, ...rest);
    };
    const keys = new KeyStore({ disk: { ...disk, replace }, random: systemRandom, clock });
    await keys.start();
    writes = 0;
    const names = Array.from({ length: 10_000 }, (_, index) => `board-${index}`);
    const made = await keys.addAll(names.map((src) => ({ project: "green", rights: ["write"], src })));
    expect(writes).toBe(1);
    const again = openKeys(files);
    await again.start();
    expect(again.list()).toHaveLength(10_001);
    const callers = await Promise.all(made.map(({ key }) => again.verify(key)));
    expect(callers.map((caller) => caller?.src)).toEqual(names);
    expect(await again.revoke(made[7]?.id ?? "")).toBe(true);
    expect(await again.verify(made[7]?.key ?? "")).toBeUndefined();
    expect(await again.verify(made[8]?.key ?? "")).toBeDefined();
  });

  test("of many keys of which one is wrong or too many none is added", async () => {
    const keys = openKeys(new Map());
    await keys.start();
    const good = { project: "green", rights: ["read"] as const };
    await expect(keys.addAll([good, { ...good, project: "a/b" }])).rejects.toThrow("not a project name: a/b");
    await expect(keys.addAll(Array.from({ length: KEYS_MAX }, () => good))).rejects.toThrow("more than");
    expect(keys.list()).toHaveLength(1);
  });

  test("added keys survive a restart with project, rights and source; revoked ones do not work at once", async () => {
    const keys = openKeys();
    await keys.start();
    const { id, key } = await keys.add({ project: "green", rights: ["write"], src: "board-7" });
    const again = openKeys();
    await again.start();
    const caller = { keyId: id, project: "green", rights: new Set(["write"]), src: "board-7" };
    expect(await again.verify(key)).toEqual(caller);
    expect(await again.revoke(id)).toBe(true);
    expect(await again.revoke(id)).toBe(false);
    expect(await again.verify(key)).toBeUndefined();
    const third = openKeys();
    await third.start();
    expect(await third.verify(key)).toBeUndefined();
  });

  test.each(["", "{", "{}", '{"version":2,"keys":[]}', '{"version":1,"keys":[{"id":"x"}]}'])(
    "a keys.json of %j stops the start rather than let anyone in",
    async (content) => {
      const keys = openKeys(new Map([["keys.json", Buffer.from(content)]]));
      await expect(keys.start()).rejects.toThrow(KeysUnreadable);
    },
  );

  test("a project must be a name", async () => {
    const keys = openKeys(new Map());
    await keys.start();
    for (const project of ["", "a/b", "..", "a b"]) {
      await expect(keys.add({ project, rights: ["read"] })).rejects.toThrow(RangeError);
    }
  });

  test("a file that did not change is not read again, and one that cannot be read is tried until it can", async () => {
    const files = memoryDisk();
    let stamp: string | undefined = "first";
    let readCount = 0;
    const disk = {
      ...files,
      stamp: async () => stamp,
      read: (path: string) => {
        readCount += 1;
        return files.read(path);
      },
    };
    const keys = openKeys(disk);
    await keys.start();
    await keys.reload();
    readCount = 0;
    await keys.reload();
    expect(readCount).toBe(0);
    // Another process writes it.
    const other = openKeys(files);
    await other.start();
    const { key } = await other.add({ project: "default", rights: ["read"] });
    stamp = "second";
    await keys.reload();
    expect(await keys.verify(key)).toMatchObject({ project: "default" });
    const good = (await files.read(KEYS_FILE)) ?? new Uint8Array();
    await files.replace(KEYS_FILE, Buffer.from("{"));
    stamp = "third";
    await expect(keys.reload()).rejects.toThrow(KeysUnreadable);
    await expect(keys.reload()).rejects.toThrow(KeysUnreadable);
    await files.replace(KEYS_FILE, good);
    await keys.reload();
    expect(await keys.verify(key)).toBeDefined();
    // Where it cannot be told, it is read.
    stamp = undefined;
    readCount = 0;
    await keys.reload();
    expect(readCount).toBe(1);
  });
});
