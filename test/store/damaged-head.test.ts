import { randomBytes } from "node:crypto";
import { describe, expect, it } from "vitest";
import { CounterTable } from "../../host/counters.ts";
import type { MsgJson } from "../../protocol/entry.ts";
import type { LogStore } from "../../service/store/log-store.ts";
import type { MemoryKvSpace } from "../../service/store/memory-kv.ts";
import { entry, listAll, lossOf } from "../conformance/store-driver.ts";
import { checkOf, memorySpace, openMemoryStore } from "./store-drivers.ts";

const SIZES = { sealBytes: 1 << 20, chunkEntriesMax: 7, segmentBytesMax: 1500, maintenanceMs: 0 };

/** Two projects with a source of the same name; sealed into several segments, one stream deleted, and an unsealed rest. */
async function filled(): Promise<MemoryKvSpace> {
  const space = memorySpace(1);
  const store = await openMemoryStore(space, 1, { options: SIZES });
  for (let seq = 1; seq <= 60; seq++) {
    const stream = seq % 3 === 0 ? "noise" : "console";
    const entries = [
      entry("a", seq, { stream }),
      entry("b", seq),
      lossOf("a", "b0", seq * 2 - 1, seq * 2 - 1),
    ];
    await store.append([
      { project: "p", entries },
      { project: "q", entries: [entry("a", seq)] },
    ]);
    if (seq % 20 === 0) await store.seal();
    if (seq === 40) await store.delete("p", "a", "noise");
  }
  await store.append([{ project: "p", entries: [entry("b", 61)] }]);
  await store.close();
  return space;
}

async function toldBy(store: LogStore): Promise<unknown[]> {
  const told: unknown[] = [];
  for (const project of ["p", "q"]) {
    told.push(await store.sources(project), await listAll(store, { project }, 1000));
    for (const src of ["a", "b"]) {
      told.push(await listAll(store, { project, src }, 1000));
      for (const boot of ["b0", "b1"])
        told.push(await store.mark(project, src, boot), await store.gaps(project, src, boot));
    }
  }
  return told;
}

/** What a store tells that was opened after its damage was mended: nothing of it is damaged any more. */
async function toldByMended(space: MemoryKvSpace, where: string): Promise<unknown[]> {
  const counters = new CounterTable();
  const store = await openMemoryStore(space, 1, { options: SIZES, counters });
  const told = await toldBy(store);
  await store.close();
  expect(
    Object.keys(counters.values()).filter((one) => one.includes("corrupt")),
    where,
  ).toEqual([]);
  expect((await checkOf(space)).problems, where).toEqual([]);
  return told;
}

describe("a damaged row of the head", () => {
  it("of a source, a project or a mark is made anew from the sealed entries: nothing is missing, and what comes again is a duplicate", async () => {
    const space = await filled();
    const whole = await openMemoryStore(space.copy(), 1, { options: SIZES });
    const before = await toldBy(whole);
    await whole.close();
    const rows = space.values().filter(({ name, key }) => name === "head" && /^[sjk]/.test(key));
    expect(rows).toHaveLength(9);
    for (const { name, key, bytes } of rows) {
      for (let at = 0; at < bytes; at += Math.ceil(bytes / 6)) {
        const where = `${JSON.stringify(key)} byte ${at}`;
        const damaged = space.copy();
        damaged.flipBit(name, key, at * 8);
        const store = await openMemoryStore(damaged, 1, { options: SIZES });
        expect(await toldBy(store), where).toEqual(before);
        for (const project of ["p", "q"]) {
          const [again] = await store.append([{ project, entries: [entry("a", 5)] }]);
          expect(again?.duplicateCount, where).toBe(1);
          // A project's row is written with the next seal of it.
          await store.append([{ project, entries: [entry("a", 70)] }]);
        }
        await store.seal();
        await store.close();
        await toldByMended(damaged, where);
      }
    }
  });

  it("of a mark does not take for missing what retention took", async () => {
    const space = memorySpace(1);
    let store = await openMemoryStore(space, 1, { options: SIZES });
    for (let seq = 1; seq <= 40; seq++) {
      const msg = JSON.stringify(randomBytes(1000).toString("hex")) as MsgJson;
      if (seq !== 35) await store.append([{ project: "p", entries: [entry("a", seq, { msg })] }]);
      if (seq % 10 === 0) await store.seal();
    }
    await store.close();
    let bytes = 0;
    for (const name of await space.names()) bytes += await space.bytes(name);
    store = await openMemoryStore(space, 1, { options: { ...SIZES, keepBytes: bytes * 0.8 } });
    await store.maintain();
    const [oldest] = await store.list({ project: "p", src: "a", limit: 1 });
    expect(oldest?.seq).toBeGreaterThan(1);
    await store.close();
    space.flipBit("head", space.values().find(({ key }) => key.startsWith("k"))?.key ?? "", 40);
    store = await openMemoryStore(space, 1, { options: SIZES });
    expect(await store.mark("p", "a", "b1")).toBe(40);
    expect(await store.gaps("p", "a", "b1")).toEqual([{ first: 35, last: 35 }]);
    await store.close();
  });

  it("of which nothing sealed tells is a source that begins anew", async () => {
    const space = memorySpace(1);
    let store = await openMemoryStore(space, 1, { options: { ...SIZES, keepMs: 1000 } });
    await store.append([{ project: "p", entries: [entry("a", 1)] }]);
    await store.seal();
    await store.close();
    const later = { options: { ...SIZES, keepMs: 1000 }, wallMs: () => 1_795_320_000_000 };
    store = await openMemoryStore(space, 1, later);
    await store.maintain();
    await store.close();
    const row = space.values().find(({ name, key }) => name === "head" && key.startsWith("s"));
    space.flipBit("head", row?.key ?? "", 60);
    store = await openMemoryStore(space, 1, later);
    expect(await listAll(store, { project: "p", src: "a" })).toEqual([]);
    await store.append([{ project: "p", entries: [entry("a", 2)] }]);
    expect(await listAll(store, { project: "p", src: "a" })).toHaveLength(1);
    await store.close();
  });
});

describe("a damaged row of a project's index", () => {
  it("is made anew from the chunks of its segment: a list of the project misses nothing, in either direction", async () => {
    const space = await filled();
    const whole = await openMemoryStore(space.copy(), 1, { options: SIZES });
    const before = await toldBy(whole);
    const backwards = await whole.listProject({ project: "p", limit: 1000, newest: true });
    await whole.close();
    const rows = space.values().filter(({ name, key }) => name.startsWith("seg-") && key.startsWith("p"));
    expect(rows.length).toBeGreaterThan(4);
    for (const { name, key, bytes } of rows) {
      for (let at = 0; at < bytes; at += Math.ceil(bytes / 4)) {
        const where = `${name} ${JSON.stringify(key)} byte ${at}`;
        const damaged = space.copy();
        damaged.flipBit(name, key, at * 8);
        const store = await openMemoryStore(damaged, 1, { options: SIZES });
        expect(await store.listProject({ project: "p", limit: 1000, newest: true }), where).toEqual(
          backwards,
        );
        expect(await toldBy(store), where).toEqual(before);
        await store.close();
        expect(await toldByMended(damaged, where), where).toEqual(before);
      }
    }
  });

  it("leaves out what a damaged chunk held, and ends before it where that was the newest", async () => {
    const space = memorySpace(1);
    const options = { ...SIZES, segmentBytesMax: 1 << 20 };
    let store = await openMemoryStore(space, 1, { options });
    for (let seq = 1; seq <= 10; seq++)
      await store.append([{ project: "p", entries: [entry("a", seq), entry("b", seq)] }]);
    await store.seal();
    await store.close();
    const values = space.values().filter(({ name }) => name.startsWith("seg-"));
    const index = values.find(({ key }) => key.startsWith("p"));
    const place = values.filter(({ key }) => key.startsWith("c")).at(-1);
    space.flipBit(index?.name ?? "", index?.key ?? "", 50);
    space.flipBit(place?.name ?? "", place?.key ?? "", 50);
    for (let opening = 0; opening < 2; opening++) {
      store = await openMemoryStore(space, 1, { options });
      const kept = await listAll(store, { project: "p", stream: "console" }, 1000);
      const own = await listAll(store, { project: "p", src: "b", stream: "console" }, 1000);
      expect(kept).toHaveLength(10 + own.length);
      expect(own.length).toBeLessThan(10);
      await store.close();
    }
  });
});
