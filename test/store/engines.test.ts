import { LmdbSpace } from "../../service/store/lmdb-kv.ts";
import { describeOrderedKv } from "../conformance/ordered-kv.ts";
import { memorySpace, temporaryFolder } from "./store-drivers.ts";

describeOrderedKv("lmdb", async () => {
  const { dir, remove } = await temporaryFolder();
  return { open: () => LmdbSpace.open(dir), dispose: remove };
});

describeOrderedKv("simulated engines", async () => {
  const space = memorySpace(1);
  return { open: async () => space, dispose: async () => {} };
});
