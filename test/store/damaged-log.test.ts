import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { CounterTable } from "../../host/counters.ts";
import { LmdbSpace, LmdbViews } from "../../service/store/lmdb-kv.ts";
import type { LogStore } from "../../service/store/log-store.ts";
import { copyStore } from "../../service/store/store-backup.ts";
import { viewStore } from "../../service/store/store-view.ts";
import { entry, listAll } from "../conformance/store-driver.ts";
import { checkOf, openLmdbStore, temporaryFolder } from "./store-drivers.ts";

const UNSEALED = { options: { sealBytes: 1 << 20, maintenanceMs: 0 } };

/** Turns a bit in the head of the transaction of a number, from 0. */
function damageHead(dir: string, number: number): void {
  const name = readdirSync(dir).find((file) => file.endsWith(".journal")) ?? "";
  const bytes = readFileSync(join(dir, name));
  let at = bytes.indexOf("bLj1");
  for (let index = 0; index < number; index++) at = bytes.indexOf("bLj1", at + 1);
  bytes[at + 20] = (bytes[at + 20] ?? 0) ^ 1;
  writeFileSync(join(dir, name), bytes);
}

/** `fill` stores batches of one entry, two, three, ... of two projects in turn. */
async function filled(dir: string, batches: number): Promise<void> {
  const store = await openLmdbStore(dir, UNSEALED);
  for (let size = 1, seq = 1; size <= batches; seq += size++) {
    const entries = Array.from({ length: size }, (_, index) => entry("a", seq + index));
    await store.append([{ project: size % 2 === 0 ? "q" : "p", entries }]);
  }
  await store.close();
}

async function lossesIn(
  store: LogStore,
  project: string,
): Promise<{ src: string; count: number; why: string }[]> {
  const losses = await listAll(store, { project, stream: "loss" }, 1000);
  return losses.map(({ src, msg }) => ({ ...JSON.parse(msg), src }));
}

describe("a transaction of the log whose head is damaged", () => {
  it("becomes a loss record of the service's own in each project, with the number of its entries, once", async () => {
    const { dir, remove } = await temporaryFolder();
    await filled(dir, 4);
    damageHead(dir, 2);
    for (let opening = 0; opening < 3; opening++) {
      const counters = new CounterTable();
      const store = await openLmdbStore(dir, { ...UNSEALED, counters });
      for (const project of ["p", "q"]) {
        const losses = await lossesIn(store, project);
        expect(losses).toMatchObject([{ src: "boardlog-service", count: 3, where: "service" }]);
        expect(losses[0]?.why).toBe("a part of the log is damaged; of which source and project is not known");
        const sources = await store.sources(project);
        expect(sources.find(({ src }) => src === "boardlog-service")?.lossCounts.service).toBe(3);
      }
      expect(await listAll(store, { project: "q", src: "a" })).toHaveLength(6);
      expect(counters.values().store_corrupt_batches_total).toBe(1);
      await store.close();
      const { problems } = await checkOf(new LmdbViews(dir));
      expect(problems.map(({ what }) => what).join()).toMatch(/no batch holds the positions from 4 to 6/);
    }
    await remove();
  });

  it("and behind which there is none is told of too, and its ids are not given again", async () => {
    const { dir, remove } = await temporaryFolder();
    let store = await openLmdbStore(dir, UNSEALED);
    const ids: string[] = [];
    for (const seq of [1, 2, 3]) {
      const [result] = await store.append([{ project: "p", entries: [entry("a", seq)] }]);
      ids.push(...(result?.stored ?? []).map(({ id }) => id));
    }
    await store.close();
    damageHead(dir, 2);
    for (let opening = 0; opening < 3; opening++) {
      store = await openLmdbStore(dir, UNSEALED);
      const losses = await lossesIn(store, "p");
      expect(losses).toMatchObject([{ src: "boardlog-service", count: 1 }]);
      expect(losses[0]?.why).toMatch(/at least one entry is missing; of which source is not known/);
      // A reader that had been told of what is lost misses nothing of what comes.
      expect(
        await store.list({ project: "p", src: "boardlog-service", after: ids[2] ?? "", limit: 9 }),
      ).toHaveLength(1);
      await store.close();
    }
    await remove();
  });

  it("is no loss where it holds no entries", async () => {
    const { dir, remove } = await temporaryFolder();
    await filled(dir, 2);
    // The closing one, behind which the log goes on.
    const store = await openLmdbStore(dir, UNSEALED);
    await store.append([{ project: "p", entries: [entry("a", 9)] }]);
    await store.close();
    damageHead(dir, 2);
    const again = await openLmdbStore(dir, UNSEALED);
    expect(await lossesIn(again, "p")).toEqual([]);
    await again.close();
    await remove();
  });
});

describe("ids that a copy of a store leaves out", () => {
  it("are no loss, though a copy of the copy leaves out others, and each leaves out new ones", async () => {
    const folders = [await temporaryFolder()];
    let last = "";
    for (let copies = 0; copies < 3; copies++) {
      const from = folders.at(-1)?.dir ?? "";
      const store = await openLmdbStore(from, UNSEALED);
      expect(await lossesIn(store, "p")).toEqual([]);
      const before = copies === 2 ? [] : [entry("a", copies + 1)];
      await store.append([{ project: "p", entries: before }]);
      const to = await temporaryFolder();
      folders.push(to);
      const space = await LmdbSpace.open(to.dir);
      await copyStore(await viewStore(new LmdbViews(from)), space, async () => {});
      await space.close();
      const [result] = await store.append([{ project: "p", entries: [entry("a", 100 + copies)] }]);
      const id = result?.stored[0]?.id ?? "";
      expect(id > last).toBe(true);
      last = id;
      await store.close();
    }
    const store = await openLmdbStore(folders.at(-1)?.dir ?? "", UNSEALED);
    expect(await lossesIn(store, "p")).toEqual([]);
    const [result] = await store.append([{ project: "p", entries: [entry("a", 200)] }]);
    expect((result?.stored[0]?.id ?? "") > last).toBe(true);
    await store.close();
    for (const { remove } of folders) await remove();
  });
});
