import { expect, it } from "vitest";
import { entry } from "../conformance/store-driver.ts";
import { openLmdbStore, temporaryFolder } from "./store-drivers.ts";

it("tells since when it has entries, sealed or not, and nothing where it has none", async () => {
  const { dir, remove } = await temporaryFolder();
  const store = await openLmdbStore(dir, { options: { maintenanceMs: 0, keepMs: 1000 } });
  expect((await store.status()).oldestMs).toBeUndefined();
  const { received } = entry("a", 1);
  await store.append([{ project: "p", entries: [entry("a", 1)] }]);
  expect((await store.status()).oldestMs).toBe(received);
  await store.seal();
  expect((await store.status()).oldestMs).toBeGreaterThan(0);
  await store.close();
  await remove();
});

it("counts each entry once at every moment of a seal, when it is in the log still and in its segment already", async () => {
  const { dir, remove } = await temporaryFolder();
  const store = await openLmdbStore(dir, { options: { maintenanceMs: 0 } });
  const counts = new Set<number>();
  for (let round = 1; round <= 5; round++) {
    const entries = Array.from({ length: 100 }, (_, index) => entry("a", (round - 1) * 100 + index + 1));
    await store.append([{ project: "p", entries }]);
    let isSealed = false;
    const sealed = store.seal().then(() => {
      isSealed = true;
    });
    while (!isSealed) counts.add((await store.status()).entryCount - round * 100);
    await sealed;
  }
  expect([...counts]).toEqual([0]);
  await store.close();
  await remove();
});
