import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { LogStore } from "../../service/store/log-store.ts";
import { entry, listAll, P, range, type StoreDriver, seqs } from "./store-driver.ts";

/** What a `LogStore` gives beside all others whose append is one transaction over all its sources. */
export function describeOneTransaction(name: string, makeDriver: () => Promise<StoreDriver>): void {
  describe(`one transaction a call in LogStore on ${name}`, () => {
    let driver: StoreDriver;
    let store: LogStore;

    beforeEach(async () => {
      driver = await makeDriver();
      store = await driver.open();
    });

    afterEach(async () => {
      await store.close();
      await driver.dispose();
    });

    it("gives ids in the order given, over sources", async () => {
      const given = range(1, 40).map((seq) => entry(`s${seq % 3}`, seq));
      const [result] = await store.append([{ project: P, entries: given }]);
      expect(seqs(result?.stored ?? [])).toEqual(range(1, 40));
      expect(await listAll(store, { project: P })).toEqual(result?.stored);
    });

    it("takes an id of another source, given between two of this one, as a place between them", async () => {
      const [result] = await store.append([
        { project: P, entries: [entry("a", 1), entry("b", 1), entry("a", 2)] },
      ]);
      const after = result?.stored[1]?.id ?? "";
      expect(seqs(await store.list({ project: P, src: "a", limit: 9, after }))).toEqual([2]);
    });

    it("keeps concurrent calls in the order they were made, over sources", async () => {
      const calls = range(1, 50).map((seq) =>
        store.append([{ project: P, entries: [entry(`s${seq % 7}`, seq)] }]),
      );
      await Promise.all(calls);
      expect(seqs(await listAll(store, { project: P }))).toEqual(range(1, 50));
    });

    it("lets listeners hear a call at once and in the order given", async () => {
      const heard: (number | undefined)[][] = [];
      store.subscribe(P, ({ stored }) => heard.push(seqs(stored)));
      await store.append([{ project: P, entries: range(1, 9).map((seq) => entry(`s${seq % 2}`, seq)) }]);
      expect(heard).toEqual([range(1, 9)]);
    });
  });
}
