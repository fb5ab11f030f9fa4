import { describeLogStore } from "../conformance/log-store.ts";
import { memorySpace, openLmdbStore, openMemoryStore, TINY, temporaryFolder } from "./store-drivers.ts";

describeLogStore("simulated engines, tiny chunks", "call", async () => {
  const space = memorySpace(1);
  return { open: () => openMemoryStore(space, 1), dispose: async () => {} };
});

describeLogStore("lmdb, tiny chunks", "call", async () => {
  const { dir, remove } = await temporaryFolder();
  return { open: () => openLmdbStore(dir, { options: TINY }), dispose: remove };
});

describeLogStore("lmdb, default sizes", "call", async () => {
  const { dir, remove } = await temporaryFolder();
  return { open: () => openLmdbStore(dir, { options: {} }), dispose: remove };
});
