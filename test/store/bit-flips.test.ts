import { describe, expect, it } from "vitest";
import { CounterTable } from "../../host/counters.ts";
import type { StoredEntry } from "../../protocol/entry.ts";
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
      for (let at = 0; at < bytes; at += 1 + random.below(bytes < 40 ? 8 : 60)) {
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
});
