import { describeLogStore } from "../../conformance/log-store.ts";
import { openMemoryClusterStore } from "../../support/jetstream-store.ts";
import { MemoryCluster } from "../../support/memory-engine.ts";

describeLogStore("a cluster in memory", "source", async () => {
  const cluster = new MemoryCluster();
  return { open: async () => (await openMemoryClusterStore(cluster)).store, dispose: async () => {} };
});
