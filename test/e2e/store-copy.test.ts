import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { NewEntry, StoredEntry } from "../../protocol/entry.ts";
import { entry, listAll, lossOf, P, range } from "../conformance/store-driver.ts";
import { openLmdbStore } from "../store/store-drivers.ts";
import { runBoardlog } from "../support/boardlog-process.ts";
import { newPrefix, openClusterStore } from "../support/jetstream-store.ts";
import { NatsCluster } from "../support/nats-cluster.ts";
import { requires } from "../support/requirements.ts";

const need = requires("nats-server");

describe.skipIf(need.isMissing)(`boardlog store copy${need.note}`, () => {
  const cluster = new NatsCluster(need.path ?? "");
  let folder = "";
  beforeAll(async () => {
    await cluster.start();
    folder = await mkdtemp(join(tmpdir(), "boardlog-store-copy-"));
  });
  afterAll(async () => {
    await cluster.dispose();
    await rm(folder, { recursive: true, force: true });
  });

  const withoutIds = (entries: readonly StoredEntry[]): NewEntry[] =>
    entries
      .map(({ id: _id, ...rest }) => rest)
      .sort((left, right) => (left.src < right.src ? -1 : left.src > right.src ? 1 : 0));

  test("brings entries, marks, positions and keys to the cluster; done again it adds nothing", async () => {
    const old = await openLmdbStore(join(folder, "store"));
    const { boot: _boot, seq: _seq, ...plain } = entry("plain", 1);
    for (let seq = 1; seq <= 40; seq++) {
      const boots = range(1, 3).map((boot) => entry("a", seq, { boot: `b${boot}` }));
      const entries = [...boots, plain, entry("gone", seq), entry("gaps", seq * 3)];
      await old.append([{ project: P, entries }], { project: P, gateway: "pi", epoch: "e1", position: seq });
    }
    await old.append([{ project: "other", entries: [entry("a", 1), lossOf("a", "b1", 2, 9)] }]);
    await old.delete(P, "gone");
    const before = withoutIds(await listAll(old, { project: P }, 500));
    await old.close();
    await writeFile(join(folder, "keys.json"), '{"version":1,"keys":[]}\n');

    const prefix = newPrefix();
    const settings = join(folder, "service.yaml");
    const servers = cluster.urls.map((url) => url.replace("nats://", "")).join(",");
    await writeFile(
      settings,
      `data: ${folder}/new\nstore: nats://${servers}\ncluster: {prefix: ${prefix}}\n`,
    );
    const args = ["store", "copy", "--data", folder, "--settings", settings];
    const first = await runBoardlog(args);
    expect(first).toMatchObject({ status: 0, stderr: "" });
    expect(first.stdout).toMatch(
      /: 202 entries of 5 sources, the marks of 6 boots, the positions of 1 spools\n.*keys are there too/,
    );

    const { store } = await openClusterStore(cluster, prefix);
    try {
      const check = async (): Promise<void> => {
        expect(withoutIds(await listAll(store, { project: P }, 500))).toEqual(before);
        expect(await listAll(store, { project: "other" })).toHaveLength(2);
      };
      await check();
      expect(await store.spoolPosition(P, "pi", "e1")).toBe(40);
      expect(await store.mark("other", "a", "b1")).toBe(9);
      // What was deleted is still a repeat; an open gap is filled once.
      const again = [entry("gone", 40), entry("a", 7, { boot: "b2" }), entry("gaps", 9), entry("gaps", 10)];
      const [result] = await store.append([{ project: P, entries: again }]);
      expect(result?.stored.map(({ src, seq }) => [src, seq])).toEqual([["gaps", 10]]);
      expect(await store.delete(P, "gaps")).toBe(41);
      const second = await runBoardlog([...args, "--json"]);
      expect(JSON.parse(second.stdout)).toMatchObject({ entryCount: 202, hasTakenKeys: false });
      expect(await listAll(store, { project: P, src: "gaps" })).toEqual([]);
      expect(await listAll(store, { project: P, src: "plain" }, 100)).toHaveLength(40);
    } finally {
      await store.close();
    }
  });

  test("waits for a cluster that has no leader yet", async () => {
    const data = join(folder, "early");
    const old = await openLmdbStore(join(data, "store"));
    await old.append([{ project: P, entries: range(1, 30).map((seq) => entry("a", seq)) }]);
    await old.close();
    const settings = join(folder, "early.yaml");
    const servers = cluster.urls.map((url) => url.replace("nats://", "")).join(",");
    const prefix = newPrefix();
    await writeFile(
      settings,
      `data: ${folder}/new\nstore: nats://${servers}\ncluster: {prefix: ${prefix}}\n`,
    );
    await cluster.killNode(1);
    await cluster.killNode(2);
    const copying = runBoardlog(["store", "copy", "--data", data, "--settings", settings, "--json"]);
    // Longer than the one answer that is waited for without a second question.
    await new Promise((resolve) => setTimeout(resolve, 8_000));
    await cluster.start();
    const { status, stdout, stderr } = await copying;
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
    expect(JSON.parse(stdout)).toMatchObject({ entryCount: 30, sourceCount: 1 });
  });

  test("says what is missing", async () => {
    const settings = join(folder, "embedded.yaml");
    await writeFile(settings, `data: ${folder}/new\n`);
    const run = (...args: string[]) => runBoardlog(["store", "copy", "--data", folder, ...args]);
    expect(await run()).toMatchObject({
      status: 2,
      stderr: expect.stringMatching(/whereto\? give --settings/),
    });
    expect((await run("--settings", settings)).stderr).toMatch(/store: names no cluster/);
  });
});
