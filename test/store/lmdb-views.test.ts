import { mkdir, open, readdir, readFile, rm, truncate, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { holdFiles } from "../../service/store/lmdb-holds.ts";
import { LmdbSpace, LmdbViews } from "../../service/store/lmdb-kv.ts";
import { StoreUnavailable } from "../../service/store/log-store.ts";
import type { KvView } from "../../service/store/ordered-kv.ts";
import { entry } from "../conformance/store-driver.ts";
import { checkOf, openLmdbStore, temporaryFolder } from "./store-drivers.ts";

const KEY = Buffer.from("a key");

function put(text: string) {
  return [{ type: "put", key: KEY, value: Buffer.from(text) }] as const;
}

function textOf(view: KvView | undefined): string | undefined {
  const value = view?.get(KEY);
  return value && Buffer.from(value).toString();
}

describe("a view of an engine that its owner has open", () => {
  it("is empty while nothing is committed, and is then of one moment", async () => {
    const { dir, remove } = await temporaryFolder();
    const space = await LmdbSpace.open(dir);
    const views = new LmdbViews(dir);
    expect(await views.view("log-1")).toBeUndefined();
    const kv = await space.open("log-1");
    const empty = await views.view("log-1");
    expect([...(empty?.range({ start: Buffer.alloc(0), end: Buffer.from([255]) }) ?? [])]).toEqual([]);
    expect(textOf(empty)).toBeUndefined();
    await kv.commit(put("first"));
    const view = await views.view("log-1");
    await kv.commit(put("second"));
    const later = await views.view("log-1");
    expect([textOf(view), textOf(later)]).toEqual(["first", "second"]);
    await view?.close();
    await later?.close();
    await kv.close();
    await space.close();
    await remove();
  });

  it("stays what it is when the owner removes the files", async () => {
    const { dir, remove } = await temporaryFolder();
    const space = await LmdbSpace.open(dir);
    const kv = await space.open("log-1");
    await kv.commit(put("kept"));
    const view = await new LmdbViews(dir).view("log-1");
    await kv.close();
    await space.remove("log-1");
    expect(textOf(view)).toBe("kept");
    await view?.close();
    expect(await new LmdbViews(dir).view("log-1")).toBeUndefined();
    await space.close();
    await remove();
  });

  it("leaves nothing in the folder, and can be had of files that came without their locks", async () => {
    const { dir, remove } = await temporaryFolder();
    const space = await LmdbSpace.open(dir);
    const kv = await space.open("log-1");
    await kv.commit(put("here"));
    await kv.close();
    await space.close();
    await rm(join(dir, "log-1.mdb-lock"));
    const view = await new LmdbViews(dir).view("log-1");
    expect(textOf(view)).toBe("here");
    await view?.close();
    expect((await readdir(dir)).sort()).toEqual([
      "log-1.mdb",
      "log-1.mdb-lock",
      "owner.mdb",
      "owner.mdb-lock",
    ]);
    await remove();
  });
});

describe("files that are held to be opened", () => {
  it("are there under a second name although they are removed meanwhile, until they are released", async () => {
    const { dir, remove } = await temporaryFolder();
    await writeFile(join(dir, "log-1.mdb"), "data");
    await writeFile(join(dir, "log-1.mdb-lock"), "lock");
    const held = await holdFiles(dir, "log-1");
    await rm(join(dir, "log-1.mdb"));
    await rm(join(dir, "log-1.mdb-lock"));
    expect(await readFile(held?.path ?? "", "utf8")).toBe("data");
    expect(await readFile(`${held?.path}-lock`, "utf8")).toBe("lock");
    await held?.release();
    expect(await readdir(dir)).toEqual([]);
    expect(await holdFiles(dir, "log-1")).toBeUndefined();
    expect(await readdir(dir)).toEqual([]);
    await remove();
  });

  it("are dropped by the owner's next start where their process was killed, and not while it may be alive", async () => {
    const { dir, remove } = await temporaryFolder();
    for (const name of ["view-killed", "view-alive"]) {
      await mkdir(join(dir, name));
      await writeFile(join(dir, name, "log-1.mdb"), "");
    }
    const before = new Date(Date.now() - 3_600_000);
    await utimes(join(dir, "view-killed"), before, before);
    await (await LmdbSpace.open(dir)).close();
    expect((await readdir(dir)).filter((name) => name.startsWith("view-"))).toEqual(["view-alive"]);
    await remove();
  });
});

describe("a store whose folder is none", () => {
  it("is refused by its path where a file stands in its place, or on the way to it", async () => {
    const { dir, remove } = await temporaryFolder();
    await writeFile(join(dir, "file"), "");
    for (const path of [join(dir, "file"), join(dir, "file", "store")]) {
      await expect(openLmdbStore(path)).rejects.toThrow(
        `${path} cannot be used: a file stands where the folder`,
      );
    }
    await remove();
  });
});

describe("a store with a head that is no engine", () => {
  const garbage: Record<string, (path: string) => Promise<void>> = {
    "of random bytes": (path) => writeFile(path, Buffer.from("no engine at all ".repeat(1000))),
    "cut off in its first pages": (path) => truncate(path, 5000),
    "with a first page that is damaged": (path) => overwrite(path, 24),
    "with a second page that is damaged": (path) => overwrite(path, 4096 + 24),
    "that is empty": (path) => truncate(path, 0),
    "that is missing": (path) => rm(path),
  };
  it.each(Object.keys(garbage))(
    "%s is refused by its path, by the service and by what only looks",
    async (name) => {
      const { dir, remove } = await temporaryFolder();
      const store = await openLmdbStore(dir);
      await store.append([{ project: "p", entries: [entry("a", 1), entry("a", 2)] }]);
      await store.close();
      await garbage[name]?.(join(dir, "head.mdb"));
      for (const attempt of [() => openLmdbStore(dir), () => checkOf(new LmdbViews(dir))]) {
        const error = await attempt().then(
          () => undefined,
          (reason: unknown) => reason,
        );
        expect(error).toBeInstanceOf(StoreUnavailable);
      }
      await remove();
    },
  );
});

async function overwrite(path: string, at: number): Promise<void> {
  const file = await open(path, "r+");
  await file.write(Buffer.alloc(4), 0, 4, at);
  await file.close();
}
