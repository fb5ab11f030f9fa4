import { randomBytes } from "node:crypto";
import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { CounterTable } from "../../host/counters.ts";
import type { MsgJson } from "../../protocol/entry.ts";
import { WHOLE_FILE } from "../../service/store/memory-file.ts";
import { entry, listAll } from "../conformance/store-driver.ts";
import { memorySpace, openLmdbStore, openMemoryStore, TINY, temporaryFolder } from "./store-drivers.ts";

/** Blocks that the files of a folder take, in bytes, as `du` counts. */
function diskBytes(dir: string): number {
  // One may go meanwhile.
  const blocksOf = (file: string): number =>
    statSync(join(dir, file), { throwIfNoEntry: false })?.blocks ?? 0;
  return readdirSync(dir).reduce((sum, file) => sum + blocksOf(file) * 512, 0);
}

const SIZES = { sealBytes: 200_000, segmentBytesMax: 200_000, chunkEntriesMax: 100, maintenanceMs: 0 };

/** 2,000 entries of text that does not compress, in batches of 100, sealed. */
async function fill(store: Awaited<ReturnType<typeof openLmdbStore>>, from: number): Promise<void> {
  for (let seq = from; seq < from + 2000; seq += 100) {
    const entries = Array.from({ length: 100 }, (_, index) => {
      let text = "";
      for (let part = 0; part < 20; part++)
        text += Math.imul(seq + index + part * 7919, 0x9e3779b1).toString(36);
      return entry("a", seq + index, { msg: JSON.stringify(text) as MsgJson });
    });
    await store.append([{ project: "p", entries }]);
  }
  await store.seal();
}

describe("retention", () => {
  it("by bytes frees the room of the oldest entries on the disk; pages go on, and marks outlive their entries", async () => {
    const { dir, remove } = await temporaryFolder();
    let store = await openLmdbStore(dir, { options: SIZES });
    for (let from = 1; from < 12_000; from += 2000) await fill(store, from);
    const before = diskBytes(dir);
    const [first] = await store.list({ project: "p", src: "a", limit: 1 });
    await store.close();
    const keepBytes = 900_000;
    const counters = new CounterTable();
    store = await openLmdbStore(dir, { counters, options: { ...SIZES, keepBytes } });
    await store.maintain();
    expect(before).toBeGreaterThan(keepBytes);
    expect(diskBytes(dir)).toBeLessThanOrEqual(keepBytes);
    const gone = counters.values().store_expired_entries_total ?? 0;
    expect(gone).toBeGreaterThan(1000);
    for (const round of ["in place", "reopened"]) {
      const kept = await listAll(store, { project: "p", src: "a" }, 500);
      expect(kept.map(({ seq }) => seq)[0], round).toBe(gone + 1);
      expect(kept.at(-1)?.seq).toBe(12_000);
      // A token older than what is kept goes on at the oldest kept.
      const page = await store.list({ project: "p", src: "a", limit: 2, after: first?.id ?? "" });
      expect(page).toEqual(kept.slice(0, 2));
      expect((await store.sources("p"))[0]?.entryCount).toBe(12_000 - gone);
      const again = [entry("a", 1), entry("a", 12_000)];
      expect((await store.append([{ project: "p", entries: again }]))[0]?.duplicateCount).toBe(2);
      await store.close();
      store = await openLmdbStore(dir, { options: { ...SIZES, keepBytes } });
    }
    await store.close();
    await remove();
  });

  it("by bytes holds at every moment while entries come without a pause, are sealed and compacted", async () => {
    const { dir, remove } = await temporaryFolder();
    const keepBytes = 4_000_000;
    const counters = new CounterTable();
    const store = await openLmdbStore(dir, { counters, options: { keepBytes } });
    let most = 0;
    const watch = setInterval(() => {
      most = Math.max(most, diskBytes(dir));
    }, 10);
    let seq = 0;
    const isCompacted = (): boolean => (counters.values().store_compacted_segments_total ?? 0) > 0;
    for (let round = 0; round < 80 || !isCompacted(); round++) {
      const batches = Array.from({ length: 4 }, () => {
        const entries = Array.from({ length: 50 }, () => {
          const msg = JSON.stringify(randomBytes(500).toString("base64")) as MsgJson;
          return entry(`s${seq % 7}`, Math.floor(seq++ / 7) + 1, { msg });
        });
        return store.append([{ project: "p", entries }]);
      });
      await Promise.all(batches);
    }
    clearInterval(watch);
    await store.seal();
    const gone = counters.values().store_expired_entries_total ?? 0;
    expect(gone).toBeGreaterThan(0);
    expect(most).toBeLessThanOrEqual(keepBytes);
    // And not by keeping far less than there is room for.
    expect(diskBytes(dir)).toBeGreaterThan(keepBytes / 3);
    expect((await store.status()).entryCount).toBe(seq - gone);
    await store.close();
    await remove();
  });

  it("by age takes what was sealed longer ago, and nothing while it is younger", async () => {
    const space = memorySpace(1);
    const store = await openMemoryStore(space, 1, { options: { ...TINY, keepMs: 1000 } });
    for (let seq = 1; seq <= 50; seq++) await store.append([{ project: "p", entries: [entry("a", seq)] }]);
    await store.seal();
    await store.maintain();
    expect(await listAll(store, { project: "p" })).toHaveLength(50);
    await store.close();
    // By a clock that has gone on a year.
    const later = await openMemoryStore(space, 1, {
      options: { ...TINY, keepMs: 1000 },
      wallMs: () => 1_795_320_000_000,
    });
    await later.maintain();
    expect(await listAll(later, { project: "p" })).toEqual([]);
    expect((await later.sources("p"))[0]).toMatchObject({ entryCount: 0, bootCount: 1 });
    expect(await later.mark("p", "a", "b1")).toBe(50);
    expect((await space.names()).filter((name) => name.startsWith("seg-"))).toEqual([]);
    await later.close();
  });
});

describe("compaction", () => {
  it("writes old segments smaller, and gives every entry back as it was", async () => {
    const { dir, remove } = await temporaryFolder();
    let store = await openLmdbStore(dir, { options: { ...SIZES, segmentBytesMax: 20_000 } });
    for (let seq = 1; seq <= 20_000; seq += 100) {
      const entries = Array.from({ length: 100 }, (_, index) =>
        entry("a", seq + index, {
          msg: JSON.stringify(
            `pump: rpm=${1000 + ((seq * 7919 + index * 31) % 4000)} duty=${index}%`,
          ) as MsgJson,
        }),
      );
      await store.append([{ project: "p", entries }]);
    }
    await store.seal();
    const before = await listAll(store, { project: "p" }, 1000);
    const sealed = diskBytes(dir);
    await store.maintain();
    expect((await store.status()).details.compactSegments).toBeGreaterThan(0);
    expect(diskBytes(dir)).toBeLessThan(sealed);
    expect(await listAll(store, { project: "p" }, 1000)).toEqual(before);
    await store.close();
    store = await openLmdbStore(dir, { options: SIZES });
    expect(await listAll(store, { project: "p", src: "a" }, 1000)).toEqual(before);
    await store.close();
    await remove();
  });

  it("leaves out for good what was deleted", async () => {
    const store = await openMemoryStore(memorySpace(1), 1);
    for (let seq = 1; seq <= 200; seq++)
      await store.append([{ project: "p", entries: [entry("a", seq), entry("b", seq)] }]);
    await store.seal();
    await store.delete("p", "a");
    await store.maintain();
    const { entryCount } = await store.status();
    // Of the segment that is still being filled, nothing is written anew.
    expect(entryCount).toBeLessThan(250);
    expect(await listAll(store, { project: "p" })).toHaveLength(200);
    await store.close();
  });
});

describe("a damaged chunk", () => {
  it("becomes a loss record of its source, once, however often it is met", async () => {
    const space = memorySpace(1);
    let store = await openMemoryStore(space, 1);
    for (let seq = 1; seq <= 40; seq++) await store.append([{ project: "p", entries: [entry("a", seq)] }]);
    await store.seal();
    await store.close();
    space.flipBit("seg-0000000001", WHOLE_FILE, 200);
    for (let round = 0; round < 3; round++) {
      const counters = new CounterTable();
      store = await openMemoryStore(space, 1, { counters });
      const listed = await listAll(store, { project: "p", src: "a", stream: "console" });
      await store.close();
      expect(counters.values().store_corrupt_chunks_total).toBe(1);
      store = await openMemoryStore(space, 1);
      const losses = await listAll(store, { project: "p", src: "a", stream: "loss" });
      expect(losses).toHaveLength(1);
      const loss = JSON.parse(losses[0]?.msg ?? "");
      expect(loss).toMatchObject({ where: "service", boot: "b1" });
      expect(loss.count).toBe(40 - listed.length);
      const [source] = await store.sources("p");
      expect(source?.lossCounts.service).toBe(loss.count);
      await store.close();
    }
  });
});
