import { afterAll, beforeAll, describe } from "vitest";
import { describeLogStore } from "../../conformance/log-store.ts";
import { newPrefix, openClusterStore } from "../../support/jetstream-store.ts";
import { NatsCluster } from "../../support/nats-cluster.ts";
import { requires } from "../../support/requirements.ts";

const need = requires("nats-server");

describe.skipIf(need.isMissing)(`a JetStream cluster of three nodes${need.note}`, () => {
  const cluster = new NatsCluster(need.path ?? "");
  beforeAll(() => cluster.start());
  afterAll(() => cluster.dispose());

  describeLogStore("a JetStream cluster", "source", async () => {
    const prefix = newPrefix();
    return { open: async () => (await openClusterStore(cluster, prefix)).store, dispose: async () => {} };
  });
});
