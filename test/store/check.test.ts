import { once } from "node:events";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { LmdbViews } from "../../service/store/lmdb-kv.ts";
import { StoreUnavailable } from "../../service/store/log-store.ts";
import { WHOLE_FILE } from "../../service/store/memory-file.ts";
import type { MemoryKvSpace } from "../../service/store/memory-kv.ts";
import { markKeysAll, projectIndexKeysAll, sourceKeysAll } from "../../service/store/store-keys.ts";
import { STATE_KEY } from "../../service/store/store-state.ts";
import { entry, lossOf } from "../conformance/store-driver.ts";
import { spawnTs } from "../support/run-ts.ts";
import {
  checkOf,
  memorySpace,
  openLmdbStore,
  openMemoryStore,
  SeededRandom,
  TINY,
  temporaryFolder,
} from "./store-drivers.ts";

const SEED = 20261126;

/** A store with compact and plain segments, deletions, gaps, losses and an unsealed rest, closed. */
async function filledSpace(): Promise<MemoryKvSpace> {
  const space = memorySpace(SEED);
  const store = await openMemoryStore(space, SEED);
  for (let seq = 1; seq <= 60; seq++) {
    const entries = [
      entry("a", seq),
      entry("b", seq * 2, { level: "warn", module: "m" }),
      lossOf("c", "b1", seq * 3, seq * 3 + 1),
    ];
    await store.append([{ project: "p", entries }], {
      project: "p",
      gateway: "g",
      epoch: "1",
      position: seq,
    });
    if (seq === 20) await store.delete("p", "a");
    if (seq === 50) await store.maintain();
    // A seal that the close cuts short would leave values that no state names.
    if (seq === 58) await store.seal();
  }
  await store.close();
  return space;
}

describe("the check of a store", () => {
  it("finds nothing in a store that is as it was written, and counts what there is", async () => {
    const space = await filledSpace();
    const report = await checkOf(space);
    expect(report.problems).toEqual([]);
    expect(report).toMatchObject({ sourceCount: 3, markCount: 3 });
    expect(report.unsealedEntryCount).toBeGreaterThan(0);
    expect(report.sealedEntryCount + report.unsealedEntryCount).toBeGreaterThan(150);
    const values = space.values().filter(({ key }) => key !== WHOLE_FILE);
    // Of a place in a segment there is the value too that it is of.
    const places = values.filter(({ name }) => name.startsWith("seg-"));
    expect(places.length).toBeGreaterThan(40);
    expect(report.valueCount).toBe(values.length + places.length);
    expect(report.bytes).toBe(space.values().reduce((sum, { bytes }) => sum + bytes, 0));
  });

  it("finds a bit that turned over, in whichever value it is, or says that the store cannot be read", async () => {
    const space = await filledSpace();
    const random = new SeededRandom(SEED);
    for (const { name, key, bytes } of space.values()) {
      for (let at = 0; at < bytes; at += 1 + random.below(bytes < 40 ? 12 : 90)) {
        const damaged = space.copy();
        const bit = at * 8 + random.below(8);
        damaged.flipBit(name, key, bit);
        const where = `${name} ${JSON.stringify(key)} bit ${bit}`;
        try {
          expect((await checkOf(damaged)).problemCount, where).toBeGreaterThan(0);
        } catch (error) {
          if (!(error instanceof StoreUnavailable)) throw error;
        }
      }
    }
  });

  it("finds a value that is gone, though every checksum is good", async () => {
    const space = await filledSpace();
    for (const { name, key } of space.values()) {
      // An older position of a gateway, a log's end, and a deletion that is forgotten leave no trace.
      if (/^[gbd]/.test(key) || (name === "head" && key === "msecret")) continue;
      const damaged = space.copy();
      if (key === WHOLE_FILE) damaged.cutPack(name, 0);
      else await (await damaged.open(name)).commit([{ type: "remove", key: Buffer.from(key, "latin1") }]);
      const where = `${name} ${JSON.stringify(key)}`;
      if (key === STATE_KEY.toString("latin1"))
        await expect(checkOf(damaged), where).rejects.toThrow(/no state/);
      else expect((await checkOf(damaged)).problemCount, where).toBeGreaterThan(0);
    }
  });

  it("names what does not agree: an old total, an old mark, an index of another time", async () => {
    const space = memorySpace(1);
    const store = await openMemoryStore(space, 1);
    await store.append([{ project: "p", entries: [entry("a", 1), entry("a", 2), entry("b", 1)] }]);
    await store.seal();
    const old = space.copy();
    await store.append([{ project: "p", entries: [entry("a", 3), entry("b", 2)] }]);
    await store.seal();
    await store.close();
    const cases = [
      { keys: sourceKeysAll(), name: "head", what: /count says 2 entries, there are 3/ },
      { keys: markKeysAll(), name: "head", what: /boot b1 go up to seq 3, the mark says 2/ },
      { keys: projectIndexKeysAll(), name: "seg-0000000001", what: /index of a project does not agree/ },
    ];
    for (const { keys, name, what } of cases) {
      const damaged = space.copy();
      const kv = await damaged.open(name);
      const before = [...((await old.view(name))?.range(keys) ?? [])];
      await kv.commit([
        ...[...kv.range(keys)].map(({ key }) => ({ type: "remove" as const, key })),
        ...before.map((pair) => ({ type: "put" as const, ...pair })),
      ]);
      const { problems } = await checkOf(damaged);
      expect(problems.map((problem) => problem.what).join("\n")).toMatch(what);
    }
  });

  it("names a seq that a mark calls missing though it was stored, or given up, since", async () => {
    for (const [late, what] of [
      [entry("a", 3), /seq 3 of boot b1 is stored, the mark says it is missing/],
      [
        lossOf("a", "b1", 3, 4),
        /seq 3 of boot b1 is accounted for by a loss record, the mark says it is missing/,
      ],
    ] as const) {
      const space = memorySpace(1);
      const store = await openMemoryStore(space, 1);
      await store.append([{ project: "p", entries: [entry("a", 1), entry("a", 5)] }]);
      await store.seal();
      const oldMarks = [...((await space.view("head"))?.range(markKeysAll()) ?? [])];
      await store.append([{ project: "p", entries: [late] }]);
      await store.seal();
      await store.close();
      const kv = await space.open("head");
      await kv.commit(oldMarks.map((pair) => ({ type: "put" as const, ...pair })));
      const { problems } = await checkOf(space);
      expect(problems.map((problem) => problem.what).join("\n")).toMatch(what);
    }
  });

  it("reads the store of a process that goes on appending, sealing and compacting, at one moment", async () => {
    const { dir, remove } = await temporaryFolder();
    const child = await spawnTs("test/store/appending-child.ts", [dir, "1", "boot"], {
      stdio: ["ignore", "pipe", "pipe"],
    });
    child.stdout?.resume();
    const ended = once(child, "close");
    await once(child.stdout ?? child, "data");
    try {
      let most = 0;
      for (let round = 0; round < 10 || most < 1000; round++) {
        const report = await checkOf(new LmdbViews(dir));
        expect(report.problems).toEqual([]);
        const count = report.sealedEntryCount + report.unsealedEntryCount;
        expect(count).toBeGreaterThanOrEqual(most);
        most = count;
      }
    } finally {
      child.kill("SIGKILL");
    }
    await ended;
    expect((await checkOf(new LmdbViews(dir))).problems).toEqual([]);
    await remove();
  });

  it("finds a page of the engine that is damaged or missing before it would end the process", async () => {
    const { dir, remove } = await temporaryFolder();
    const store = await openLmdbStore(dir, { options: { ...TINY, segmentBytesMax: 1 << 20 } });
    for (let seq = 1; seq <= 300; seq++)
      await store.append([{ project: "p", entries: [entry("a", seq), entry(`s${seq % 50}`, seq)] }]);
    await store.seal();
    await store.close();
    const path = join(dir, "seg-0000000001.mdb");
    const whole = await readFile(path);
    expect((await checkOf(new LmdbViews(dir))).problems).toEqual([]);
    const random = new SeededRandom(SEED);
    let refused = 0;
    for (let round = 0; round < 50; round++) {
      const bytes = Buffer.from(whole);
      // The newest transaction's pages are among them; a flip in a free page does no harm.
      const page = 2 + random.below(bytes.length / 4096 - 2);
      const at = page * 4096 + random.below(4096);
      bytes.writeUInt8(bytes.readUInt8(at) ^ (1 << random.below(8)), at);
      const isCut = round % 10 === 0;
      await writeFile(path, isCut ? bytes.subarray(0, page * 4096) : bytes);
      // The service looks at the length alone, since the pages are many.
      let opens = true;
      if (isCut) {
        const opened = await openLmdbStore(dir).catch((error: Error) => error);
        opens = !(opened instanceof Error);
        if (opened instanceof Error) expect(opened.message).toMatch(/page \d+ of it is damaged or missing/);
        else await opened.close();
      }
      try {
        const { problems } = await checkOf(new LmdbViews(dir));
        if (problems.length > 0) refused++;
        // All that was cut off was free.
        expect(opens).toBe(true);
        if (isCut) expect(problems).toEqual([]);
      } catch (error) {
        if (!(error instanceof StoreUnavailable)) throw error;
        expect(error.message).toMatch(/seg-0000000001.mdb: page \d+ of it is damaged or missing/);
        refused++;
      }
    }
    expect(refused).toBeGreaterThan(5);
    await remove();
  });
});
