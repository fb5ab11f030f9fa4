import { describe, expect, it } from "vitest";
import { CounterTable } from "../../host/counters.ts";
import type { MsgJson } from "../../protocol/entry.ts";
import { isLastPage, PAGE_CHARACTERS_MAX, StoreBusy, type TimePlace } from "../../service/store/log-store.ts";
import { MemoryKvSpace } from "../../service/store/memory-kv.ts";
import type { KvSpace, OrderedKv } from "../../service/store/ordered-kv.ts";
import { entry, listAll } from "../conformance/store-driver.ts";
import { memorySpace, openMemoryStore, SeededRandom, TINY } from "./store-drivers.ts";

/** A space that counts what is done to its engines. */
function counted(space: KvSpace): { space: KvSpace; commits: string[]; reads: string[] } {
  const commits: string[] = [];
  const reads: string[] = [];
  const wrap = (name: string, kv: OrderedKv): OrderedKv => ({
    get: (key) => {
      reads.push(name);
      return kv.get(key);
    },
    range: (range) => {
      reads.push(name);
      return kv.range(range);
    },
    commit: (changes) => {
      commits.push(name);
      return kv.commit(changes);
    },
    releaseDeadViews: () => kv.releaseDeadViews(),
    close: () => kv.close(),
  });
  return {
    commits,
    reads,
    space: {
      open: async (name, form) => wrap(name, await space.open(name, form)),
      openPack: (name) => space.openPack(name),
      names: () => space.names(),
      bytes: (name) => space.bytes(name),
      freeBytes: () => space.freeBytes(),
      remove: (name) => space.remove(name),
      close: () => space.close(),
    },
  };
}

describe("group commit", () => {
  it("joins the calls that come while a transaction is under way into the next one", async () => {
    const { space, commits } = counted(memorySpace(1));
    const store = await openMemoryStore(space, 1, { options: { groupEntriesMax: 1000 } });
    commits.length = 0;
    await Promise.all(
      Array.from({ length: 100 }, (_, index) =>
        store.append([{ project: "p", entries: [entry("a", index + 1)] }]),
      ),
    );
    expect(commits.filter((name) => name.startsWith("log-")).length).toBeLessThanOrEqual(2);
    await store.close();
  });

  it("never divides a call, however large", async () => {
    const { space, commits } = counted(memorySpace(1));
    const store = await openMemoryStore(space, 1, {
      options: { ...TINY, sealBytes: 1 << 20, queueEntriesMax: 10 },
    });
    commits.length = 0;
    const entries = Array.from({ length: 50 }, (_, index) => entry("a", index + 1));
    const [result] = await store.append([{ project: "p", entries }]);
    expect(result?.storedCount).toBe(50);
    expect(commits).toHaveLength(1);
    await store.close();
  });

  it("refuses what its queue has no room for, stores the rest, and takes the refused call when it comes again", async () => {
    let letGo: () => void = () => {};
    let gate: Promise<void> | undefined;
    const space = new MemoryKvSpace(new SeededRandom(1), async () => gate);
    const counters = new CounterTable();
    const store = await openMemoryStore(space, 1, {
      counters,
      options: { ...TINY, sealBytes: 1 << 20, queueEntriesMax: 20 },
    });
    gate = new Promise((resolve) => {
      letGo = resolve;
    });
    const calls = Array.from({ length: 40 }, (_, index) =>
      store.append([{ project: "p", entries: [entry("a", index + 1)] }]),
    );
    const settled = Promise.allSettled(calls);
    for (let turn = 0; turn < 50; turn++) await undefined;
    letGo();
    const answers = await settled;
    const refused = answers.flatMap((answer, index) =>
      answer.status === "rejected" ? [{ index, reason: answer.reason }] : [],
    );
    expect(refused.length).toBeGreaterThan(10);
    expect(refused.every(({ reason }) => reason instanceof StoreBusy)).toBe(true);
    expect(counters.values()).toEqual({ store_busy_total: refused.length });
    for (const { index } of refused) await store.append([{ project: "p", entries: [entry("a", index + 1)] }]);
    expect(new Set((await listAll(store, { project: "p" })).map((one) => one.seq)).size).toBe(40);
    await store.close();
  });
});

describe("opening", () => {
  it("reads no sealed value, so that it takes no longer the more there are", async () => {
    const plain = memorySpace(1);
    const store = await openMemoryStore(plain, 1);
    for (let seq = 1; seq <= 300; seq++)
      await store.append([{ project: "p", entries: [entry("a", seq), entry("b", seq)] }]);
    await store.seal();
    await store.close();
    const { space, reads, commits } = counted(plain);
    const again = await openMemoryStore(space, 1);
    expect(reads.filter((name) => name.startsWith("seg-"))).toEqual([]);
    expect(commits).toEqual([]);
    expect(reads.length).toBeLessThan(10);
    await again.close();
  });
});

describe("a page", () => {
  it("touches a bounded number of values, wherever it begins and however much there is", async () => {
    const { space, reads } = counted(memorySpace(1));
    const store = await openMemoryStore(space, 1, {
      options: {
        ...TINY,
        chunkEntriesMax: 32,
        chunkBytesMax: 1 << 16,
        sealBytes: 20_000,
        segmentBytesMax: 1 << 20,
        openChunkBytesMax: 0,
      },
    });
    const most: number[] = [];
    for (const size of [300, 3000]) {
      const ids: string[] = [];
      for (let seq = (await store.mark("p", "a", "b1")) + 1; seq <= size; seq += 10) {
        const entries = Array.from({ length: 10 }, (_, index) => entry("a", seq + index));
        const [result] = await store.append([{ project: "p", entries }]);
        ids.push(result?.stored[3]?.id ?? "");
      }
      await store.seal();
      let worst = 0;
      for (const after of ids) {
        reads.length = 0;
        await store.list({ project: "p", src: "a", after, limit: 20 });
        worst = Math.max(worst, reads.length);
      }
      most.push(worst);
    }
    expect(most[1]).toBeLessThanOrEqual(most[0] ?? 0);
    expect(most[0]).toBeLessThanOrEqual(8);
    await store.close();
  });

  it("of a stream that is nowhere gives other work its turn while it looks", async () => {
    const store = await openMemoryStore(memorySpace(1), 1);
    for (let seq = 1; seq <= 400; seq++) await store.append([{ project: "p", entries: [entry("a", seq)] }]);
    let turns = 0;
    let done = false;
    const looking = store.list({ project: "p", src: "a", stream: "nowhere", limit: 10 }).then((page) => {
      done = true;
      return page;
    });
    while (!done && turns < 10_000) {
      turns++;
      await undefined;
    }
    expect(await looking).toEqual([]);
    expect(turns).toBeGreaterThan(20);
    await store.close();
  });
});

describe("sources", () => {
  it("beyond those kept in memory come back with their marks and totals", async () => {
    const space = memorySpace(1);
    const store = await openMemoryStore(space, 1, {
      options: { ...TINY, groupEntriesMax: 1000, sealBytes: 8000 },
    });
    const sources = Array.from({ length: 300 }, (_, index) => `s${index}`);
    for (const seq of [1, 2, 4])
      await store.append([{ project: "p", entries: sources.map((src) => entry(src, seq)) }]);
    await store.seal();
    const [again] = await store.append([
      { project: "p", entries: sources.flatMap((src) => [entry(src, 2), entry(src, 3), entry(src, 4)]) },
    ]);
    expect([again?.storedCount, again?.duplicateCount]).toEqual([300, 600]);
    for (const src of sources) expect(await store.mark("p", src, "b1")).toBe(4);
    expect((await store.sources("p")).map(({ entryCount }) => entryCount)).toEqual(sources.map(() => 4));
    await store.close();
  });
});

describe("a page", () => {
  const SEAL_BYTES = 8 << 20;
  const count = 30;
  const msg = JSON.stringify("x".repeat(1_000_000)) as MsgJson;
  const openLarge = () =>
    openMemoryStore(memorySpace(1), 1, {
      options: { sealBytes: SEAL_BYTES, chunkBytesMax: 2 << 20, segmentBytesMax: 64 << 20, maintenanceMs: 0 },
    });

  it("of large entries ends where it holds enough, sealed or not, either way, and the next one goes on there", async () => {
    const store = await openLarge();
    for (let seq = 1; seq <= count; seq++) {
      await store.append([{ project: "p", entries: [entry(seq % 3 === 0 ? "b" : "a", seq, { msg })] }]);
    }
    for (const src of [undefined, "a", "b"]) {
      const seqs = Array.from({ length: count }, (_, index) => index + 1).filter(
        (seq) => src === undefined || (src === "b") === (seq % 3 === 0),
      );
      const pageOf = (place: { after?: string; before?: string; newest?: true }) => {
        const query = { project: "p", limit: 1000, ...place };
        return src === undefined ? store.listProject(query) : store.list({ ...query, src });
      };
      const upward: (number | undefined)[] = [];
      const downward: (number | undefined)[] = [];
      let after: string | undefined;
      let before: string | undefined;
      for (;;) {
        const next = await pageOf(after === undefined ? {} : { after });
        const previous = await pageOf({ newest: true, ...(before !== undefined && { before }) });
        for (const page of [next, previous]) {
          const characters = page.slice(0, -1).reduce((sum, one) => sum + one.msg.length, 0);
          // Of a project the sealed ones are fetched some at a time, here those that were sealed together.
          expect(characters).toBeLessThan(src === undefined ? 2 * SEAL_BYTES : PAGE_CHARACTERS_MAX);
        }
        upward.push(...next.map(({ seq }) => seq));
        downward.unshift(...previous.map(({ seq }) => seq));
        after = next.at(-1)?.id ?? after;
        before = previous[0]?.id ?? before;
        if (next.length === 0 && previous.length === 0) break;
        if (isLastPage(next, 1000)) expect(upward).toHaveLength(seqs.length);
        if (isLastPage(previous, 1000)) expect(downward).toHaveLength(seqs.length);
      }
      expect(upward).toEqual(seqs);
      expect(downward).toEqual(seqs);
    }
    await store.close();
  }, 30_000);

  it("of large entries in order of time ends there too, from either end", async () => {
    const store = await openLarge();
    // Each is older than the one that came before it.
    const timestamps = Array.from({ length: count }, (_, index) => 1_763_784_000_000 - index * 1000);
    for (const [index, timestamp] of timestamps.entries())
      await store.append([{ project: "p", entries: [entry("a", index + 1, { msg, timestamp })] }]);
    for (const newest of [false, true]) {
      const found: number[] = [];
      let beyond: TimePlace | undefined;
      for (;;) {
        const range = { sinceMs: 0, untilMs: Number.MAX_SAFE_INTEGER, limit: 1000, newest };
        const page = await store.listByTime({
          project: "p",
          ...range,
          ...(beyond !== undefined && { beyond }),
        });
        expect(page.slice(1).reduce((sum, one) => sum + one.msg.length, 0)).toBeLessThan(PAGE_CHARACTERS_MAX);
        const times = page.map(({ timestamp }) => timestamp);
        if (newest) found.unshift(...times);
        else found.push(...times);
        beyond = newest ? page[0] : page.at(-1);
        if (isLastPage(page, 1000)) break;
      }
      expect(found).toEqual(timestamps.toReversed());
    }
    await store.close();
  }, 30_000);
});
