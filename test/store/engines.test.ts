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
