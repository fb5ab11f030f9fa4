import { describe, expect, it } from "vitest";
import { CounterTable } from "../../host/counters.ts";
import type { MsgJson, StoredEntry } from "../../protocol/entry.ts";
import { type LogStore, StoreUnavailable } from "../../service/store/log-store.ts";
import type { MemoryKvSpace } from "../../service/store/memory-kv.ts";
import { entry, listAll, lossOf } from "../conformance/store-driver.ts";
import { memorySpace, openMemoryStore, SeededRandom } from "./store-drivers.ts";

const SEED = 20261122;

/** A store with sealed chunks in several segments and an unsealed rest, closed. */
async function filledSpace(): Promise<{ space: MemoryKvSpace; stored: Map<string, StoredEntry> }> {
  const space = memorySpace(SEED);
  const store = await openMemoryStore(space, SEED);
  const stored = new Map<string, StoredEntry>();
  for (let seq = 1; seq <= 60; seq++) {
    const entries = [
      entry("a", seq),
      entry("b", seq, { level: "warn", module: "m" }),
      lossOf("c", "b1", seq * 3, seq * 3 + 1),
    ];
    const [result] = await store.append([{ project: "p", entries }]);
    for (const one of result?.stored ?? []) stored.set(one.id, one);
    if (seq === 50) await store.seal();
  }
  await store.close();
  return { space, stored };
}

async function everything(store: LogStore): Promise<StoredEntry[]> {
  const all = [...(await listAll(store, { project: "p" }, 1000))];
  for (const src of ["a", "b", "c"]) {
    all.push(...(await listAll(store, { project: "p", src }, 1000)));
    all.push(...(await store.list({ project: "p", src, limit: 1000, newest: true })));
  }
  for (const src of ["a", "b", "c"]) await store.mark("p", src, "b1");
  await store.sources("p");
  return all;
}

describe("a bit that turned over in a stored value", () => {
  it("is found, wherever it is: the value is left out and counted, or the store refuses to open; nothing comes out altered", async () => {
    const { space, stored } = await filledSpace();
    const random = new SeededRandom(SEED);
    const whole = await openMemoryStore(space, SEED);
    const complete = (await everything(whole)).length;
    await whole.close();
    const values = space.values();
    expect(new Set(values.map(({ name }) => name.slice(0, 3)))).toEqual(new Set(["hea", "log", "seg"]));
    let left = 0;
    let refused = 0;
    for (const { name, key, bytes } of values) {
      for (let at = 0; at < bytes; at += 1 + random.below(bytes < 40 ? 12 : 90)) {
        const bit = at * 8 + random.below(8);
        const damaged = space.copy();
        damaged.flipBit(name, key, bit);
        const counters = new CounterTable();
        const where = `${name} ${JSON.stringify(key)} bit ${bit}`;
        try {
          const store = await openMemoryStore(damaged, SEED, { counters });
          const listed = (await everything(store)).filter(({ msg }) => !msg.includes('"where":"service"'));
          for (const one of listed) expect(one, where).toStrictEqual(stored.get(one.id));
          expect(
            Object.keys(counters.values()).some((counter) => counter.startsWith("store_corrupt_")),
            where,
          ).toBe(true);
          if (listed.length < complete) left++;
          await store.close();
        } catch (error) {
          if (!(error instanceof StoreUnavailable)) throw error;
          refused++;
        }
      }
    }
    expect(left).toBeGreaterThan(50);
    expect(refused).toBeGreaterThan(5);
    const again = await openMemoryStore(space, SEED);
    expect((await everything(again)).length).toBe(complete);
    await again.close();
  });

  it("in a batch of the log takes no id away: later entries get later ones", async () => {
    const { space, stored } = await filledSpace();
    const last = space
      .values()
      .filter(({ name }) => name.startsWith("log-"))
      .at(-1);
    space.flipBit(last?.name ?? "", last?.key ?? "", 100);
    const store = await openMemoryStore(space, SEED);
    const [result] = await store.append([{ project: "p", entries: [entry("a", 1000)] }]);
    const newest = [...stored.keys()].sort().at(-1) ?? "";
    expect((result?.stored[0]?.id ?? "") > newest).toBe(true);
    await store.close();
  });

  it("in a batch of the log becomes loss records of its sources, as exact as what is left of it tells, once", async () => {
    const space = memorySpace(SEED);
    let store = await openMemoryStore(space, SEED, { options: { sealBytes: 1 << 20 } });
    await store.append([{ project: "p", entries: [entry("a", 1)] }]);
    const plain = { ...entry("c", 1), msg: '"no seq"' as MsgJson };
    const { boot: _boot, seq: _seq, ...unnumbered } = plain;
    const entries = [entry("a", 2), entry("a", 3), lossOf("b", "b1", 4, 6), entry("a", 7), unnumbered];
    await store.append([{ project: "p", entries }]);
    await store.append([{ project: "p", entries: [entry("a", 8)] }]);
    await store.close();
    const batch = space.values().filter(({ name }) => name.startsWith("log-"))[1];
    if (batch === undefined) throw new Error("there is no batch");
    const kinds = new Map<string, string[]>();
    for (let at = 0; at < batch.bytes; at++) {
      const damaged = space.copy();
      damaged.flipBit(batch.name, batch.key, at * 8 + (at % 8));
      const losses: string[] = [];
      for (let opening = 0; opening < 2; opening++) {
        store = await openMemoryStore(damaged, SEED, { options: { sealBytes: 1 << 20 } });
        const listed = await listAll(store, { project: "p" }, 1000);
        losses.splice(0);
        for (const { src, stream, msg } of listed) {
          if (stream !== "loss") continue;
          const { boot, first, last, count, where } = JSON.parse(msg);
          losses.push(`${where} ${src} ${boot === undefined ? count : `${boot} ${first}-${last}`}`);
        }
        const isExact = losses.some((loss) => loss.includes("2-3"));
        expect(await store.mark("p", "a", "b1"), `byte ${at}`).toBe(8);
        const [again] = await store.append([{ project: "p", entries: [entry("a", 2)] }]);
        expect(again?.duplicateCount, `byte ${at}`).toBe(isExact ? 1 : opening);
        await store.close();
      }
      const kind = losses.join(", ");
      kinds.set(kind, [...(kinds.get(kind) ?? []), String(at)]);
    }
    expect([...kinds.keys()].sort()).toEqual([
      "service a 3, service b 1, service c 1",
      "service a b1 2-3, service a b1 7-7, service b b1 4-6, service c 1",
      "service boardlog-service 5",
    ]);
    // The names of the sources are the smallest part.
    expect(kinds.get("service boardlog-service 5")?.length).toBeLessThan(batch.bytes / 3);
  });
});
