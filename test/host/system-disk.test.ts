import { appendFile, mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { SystemDisk } from "../../host/system-disk.ts";

let root: string;
let disk: SystemDisk;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "boardlog-disk-"));
  disk = new SystemDisk(root);
});
afterEach(() => rm(root, { recursive: true }));

const bytes = (text: string) => Buffer.from(text, "utf8");

describe("the system's disk", () => {
  test("a file that is not there reads as undefined, a folder as empty, and neither can be removed wrongly", async () => {
    expect(await disk.read("a/b")).toBeUndefined();
    expect(await disk.list("a")).toEqual([]);
    await disk.remove("a/b");
  });

  test("a stamp is another one for another content, and none of what is missing or changed a moment ago", async () => {
    expect(await disk.stamp("keys")).toBeUndefined();
    await disk.replace("keys", bytes("old"));
    expect(await disk.stamp("keys")).toBeUndefined();
    const later = vi.spyOn(Date, "now").mockReturnValue(Date.now() + 60_000);
    try {
      const old = await disk.stamp("keys");
      expect(old).toBeDefined();
      expect(await disk.stamp("keys")).toBe(old);
      await disk.replace("keys", bytes("new"));
      const replaced = await disk.stamp("keys");
      expect(replaced).not.toBe(old);
      await appendFile(join(root, "keys"), "er");
      expect(await disk.stamp("keys")).not.toBe(replaced);
    } finally {
      later.mockRestore();
    }
  });

  test("replace makes the folders, and leaves the new content alone in the folder", async () => {
    await disk.replace("a/b/file", bytes("old"));
    await disk.replace("a/b/file", bytes("new"));
    expect(await readFile(join(root, "a/b/file"), "utf8")).toBe("new");
    expect(await readdir(join(root, "a/b"))).toEqual(["file"]);
  });

  test("a file is its owner's alone whatever the mask, and stays so over a looser leftover", async () => {
    const mask = process.umask(0);
    try {
      await writeFile(join(root, "key.new"), "left by a power cut", { mode: 0o666 });
      await disk.replace("key", bytes("secret"));
      await disk.replace("public", bytes("x"), 0o644);
      await (await disk.openAppend("log")).close();
    } finally {
      process.umask(mask);
    }
    const mode = async (name: string) => ((await stat(join(root, name))).mode & 0o777).toString(8);
    expect(await mode("key")).toBe("600");
    expect(await mode("public")).toBe("644");
    expect(await mode("log")).toBe("600");
  });

  test("a replace that fails keeps the old content", async () => {
    await disk.replace("folder/file", bytes("old"));
    await expect(disk.replace("folder", bytes("new"))).rejects.toThrow();
    expect(await disk.read("folder/file")).toEqual(bytes("old"));
  });

  test("appending goes on at the end of what is there", async () => {
    const first = await disk.openAppend("segments/1");
    expect(first.sizeBytes).toBe(0);
    await first.append(bytes("one "));
    await first.sync();
    await first.close();
    const second = await disk.openAppend("segments/1");
    expect(second.sizeBytes).toBe(4);
    await second.append(bytes("two"));
    expect(second.sizeBytes).toBe(7);
    await second.sync();
    await second.close();
    expect(String(await disk.read("segments/1"))).toBe("one two");
    expect(await disk.list("segments")).toEqual(["1"]);
    await disk.remove("segments/1");
    expect(await disk.list("segments")).toEqual([]);
  });

  test.each(["../outside", "a/../../outside", "/etc/passwd"])(
    "%s is no path of this folder",
    async (path) => {
      await expect(disk.read(path)).rejects.toThrow(RangeError);
      await expect(disk.replace(path, bytes("x"))).rejects.toThrow(RangeError);
    },
  );
});
