import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { LmdbSpace } from "../../service/store/lmdb-kv.ts";
import { KvForm, type KvSpace } from "../../service/store/ordered-kv.ts";
import { describeOrderedKv } from "../conformance/ordered-kv.ts";
import { memorySpace, temporaryFolder } from "./store-drivers.ts";

describeOrderedKv("lmdb", async () => {
  const { dir, remove } = await temporaryFolder();
  return { open: () => LmdbSpace.open(dir), dispose: remove };
});

describeOrderedKv("journals", async () => {
  const { dir, remove } = await temporaryFolder();
  const open = async (): Promise<KvSpace> => {
    const space = await LmdbSpace.open(dir);
    return {
      open: (name) => space.open(name, KvForm.Journal),
      openPack: (name) => space.openPack(name),
      names: () => space.names(),
      bytes: (name) => space.bytes(name),
      freeBytes: () => space.freeBytes(),
      remove: (name) => space.remove(name),
      close: () => space.close(),
    };
  };
  return { open, dispose: remove };
});

describeOrderedKv("simulated engines", async () => {
  const space = memorySpace(1);
  return { open: async () => space, dispose: async () => {} };
});

describe.runIf(process.platform === "linux")("a file of lmdb", () => {
  it("is mapped once, however far it grows: pages that were looked at in a map that is too small would stay in memory", async () => {
    const { dir, remove } = await temporaryFolder();
    const space = await LmdbSpace.open(dir);
    const kv = await space.open("grown");
    for (let key = 0; key < 8; key++)
      await kv.commit([{ type: "put", key: Buffer.from([key]), value: Buffer.alloc(1 << 20) }]);
    const maps = readFileSync("/proc/self/maps", "utf8").split("\n");
    expect(maps.filter((line) => line.endsWith("/grown.mdb"))).toHaveLength(1);
    await kv.close();
    await space.close();
    await remove();
  });
});
