import { once } from "node:events";
import { describe, expect, it } from "vitest";
import { LmdbSpace, LmdbViews } from "../../service/store/lmdb-kv.ts";
import type { KvSpace, KvViews } from "../../service/store/ordered-kv.ts";
import { copyStore } from "../../service/store/store-backup.ts";
import { viewStore } from "../../service/store/store-view.ts";
import { entry, listAll, range, seqs } from "../conformance/store-driver.ts";
import { spawnTs } from "../support/run-ts.ts";
import { checkOf, memorySpace, openLmdbStore, openMemoryStore, temporaryFolder } from "./store-drivers.ts";

async function copy(from: KvViews, to: KvSpace): Promise<number> {
  const view = await viewStore(from);
  const { entryCount } = await copyStore(view, to, async () => {});
  await view.close();
  return entryCount;
}

describe("a copy of a store", () => {
  it("opens as the store was: the same entries with the same ids, marks, totals and deletions", async () => {
    const space = memorySpace(1);
    const store = await openMemoryStore(space, 1);
    for (let seq = 1; seq <= 60; seq++) {
      await store.append([{ project: "p", entries: [entry("a", seq), entry("b", seq, { stream: "uart" })] }]);
      if (seq === 20) await store.delete("p", "a");
      if (seq === 40) await store.maintain();
    }
    const to = memorySpace(2);
    await copy(space, to);
    expect((await checkOf(to)).problems).toEqual([]);
    const copied = await openMemoryStore(to, 1);
    expect(await listAll(copied, { project: "p" })).toEqual(await listAll(store, { project: "p" }));
    expect(await copied.sources("p")).toEqual(await store.sources("p"));
    expect(await copied.mark("p", "b", "b1")).toBe(60);
    expect((await copied.append([{ project: "p", entries: [entry("a", 1)] }]))[0]?.duplicateCount).toBe(1);
    await store.close();
    await copied.close();
  });

  it("gives ids above those that the original gave since, so that no reader's token passes over a refilled entry", async () => {
    const space = memorySpace(1);
    const store = await openMemoryStore(space, 1);
    for (let seq = 1; seq <= 30; seq++) await store.append([{ project: "p", entries: [entry("a", seq)] }]);
    const to = memorySpace(2);
    await copy(space, to);
    for (let seq = 31; seq <= 60; seq++) await store.append([{ project: "p", entries: [entry("a", seq)] }]);
    const lost = await listAll(store, { project: "p", src: "a" });
    await store.close();

    let copied = await openMemoryStore(to, 1);
    // Before anything new has come, the token is a good one and there is nothing after it.
    const after = lost.at(-1)?.id ?? "";
    expect(await copied.list({ project: "p", src: "a", limit: 9, after })).toEqual([]);
    for (let seq = 31; seq <= 80; seq++) await copied.append([{ project: "p", entries: [entry("a", seq)] }]);
    expect(seqs(await copied.list({ project: "p", src: "a", limit: 99, after }))).toEqual(range(31, 80));
    await copied.seal();
    await copied.maintain();
    await copied.close();
    copied = await openMemoryStore(to, 1);
    expect(seqs(await listAll(copied, { project: "p", src: "a" }))).toEqual(range(1, 80));
    expect(seqs(await copied.list({ project: "p", src: "a", limit: 99, after }))).toEqual(range(31, 80));
    expect(seqs(await copied.listProject({ project: "p", limit: 9, newest: true }))).toEqual(range(72, 80));
    await copied.close();
    expect((await checkOf(to)).problems).toEqual([]);
    // A copy of the copy goes further up again.
    const third = memorySpace(3);
    await copy(to, third);
    const again = await openMemoryStore(third, 1);
    const [result] = await again.append([{ project: "p", entries: [entry("a", 81)] }]);
    expect(result?.stored[0]?.id.localeCompare(lost.at(-1)?.id ?? "")).toBe(1);
    await again.close();
    expect((await checkOf(third)).problems).toEqual([]);
  });

  it("of a store that another process fills is whole, as of one moment, with all that was acked before", async () => {
    const { dir, remove } = await temporaryFolder();
    const child = await spawnTs("test/store/appending-child.ts", [dir, "1", "boot", "500000"], {
      stdio: ["ignore", "pipe", "pipe"],
    });
    let text = "";
    child.stdout?.setEncoding("utf8").on("data", (chunk: string) => {
      text += chunk;
    });
    const ended = once(child, "close");
    await once(child.stdout ?? child, "data");
    try {
      for (let round = 0; round < 4; round++) {
        await once(child.stdout ?? child, "data");
        const acked = text.split("\n").slice(1, -1);
        const { dir: copyDir, remove: removeCopy } = await temporaryFolder();
        const space = await LmdbSpace.open(copyDir);
        const entryCount = await copy(new LmdbViews(dir), space);
        await space.close();
        expect((await checkOf(new LmdbViews(copyDir))).problems).toEqual([]);
        const store = await openLmdbStore(copyDir);
        const all = await listAll(store, { project: "p" }, 1000);
        expect(all).toHaveLength(entryCount);
        const listed = new Set(all.map((one) => `${one.src} ${one.seq}`));
        expect(acked.filter((line) => !listed.has(line.split(" ").slice(0, 2).join(" ")))).toEqual([]);
        for (let index = 0; index < 6; index++) {
          const mine = seqs(all.filter((one) => one.src === `s${index}`));
          expect(mine).toEqual(range(1, mine.length));
          expect(await store.mark("p", `s${index}`, "boot")).toBe(mine.length);
        }
        await store.close();
        await removeCopy();
      }
    } finally {
      child.kill("SIGKILL");
    }
    await ended;
    await remove();
  });
});
