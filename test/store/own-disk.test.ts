import { closeSync, openSync, statfsSync, unlinkSync, writeSync } from "node:fs";
import { readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { CounterTable } from "../../host/counters.ts";
import type { MsgJson } from "../../protocol/entry.ts";
import type { ChunkedStore } from "../../service/store/chunked-store.ts";
import { LmdbViews } from "../../service/store/lmdb-kv.ts";
import { StoreFull } from "../../service/store/log-store.ts";
import { entry, listAll } from "../conformance/store-driver.ts";
import { BoardlogProcess, runBoardlog, until } from "../support/boardlog-process.ts";
import { listAll as listEntries } from "../support/list-client.ts";
import { canMount, mountNote, OwnDisk } from "../support/own-disk.ts";
import { checkOf, openLmdbStore } from "./store-drivers.ts";

const DISK_BYTES = 48 << 20;
const SIZES = { sealBytes: 500_000, segmentBytesMax: 500_000, chunkEntriesMax: 100, maintenanceMs: 0 };

let own: OwnDisk;
let disk: string;
beforeAll(async () => {
  own = await OwnDisk.mount(DISK_BYTES);
  disk = own.folder;
});
afterAll(() => own.unmount());

/** As `df` says. */
function usedBytes(): number {
  const { blocks, bfree, bsize } = statfsSync(disk);
  return (blocks - bfree) * bsize;
}

/** 100 entries of text that does not compress. */
function hundred(from: number) {
  return Array.from({ length: 100 }, (_, index) => {
    let text = "";
    for (let part = 0; part < 20; part++)
      text += Math.imul(from + index + part * 7919, 0x9e3779b1).toString(36);
    return entry("a", from + index, { msg: JSON.stringify(text) as MsgJson });
  });
}

async function fill(store: ChunkedStore, from: number, count: number): Promise<void> {
  for (let seq = from; seq < from + count; seq += 100)
    await store.append([{ project: "p", entries: hundred(seq) }]);
  await store.seal();
}

describe.skipIf(!canMount)(`a store on a disk of its own${mountNote}`, () => {
  it("has its room back on the disk when retention takes the oldest", async () => {
    const dir = join(disk, "retention");
    let store = await openLmdbStore(dir, { options: SIZES });
    for (let from = 1; from < 24_000; from += 4000) await fill(store, from, 4000);
    await store.close();
    const before = usedBytes();
    const keepBytes = 1_200_000;
    store = await openLmdbStore(dir, { options: { ...SIZES, keepBytes } });
    await store.maintain();
    expect(before).toBeGreaterThan(2_000_000);
    expect(usedBytes()).toBeLessThan(keepBytes + 200_000);
    const kept = await listAll(store, { project: "p", src: "a" }, 1000);
    expect(kept.length).toBeGreaterThan(1000);
    expect(kept.at(-1)?.seq).toBe(24_000);
    await store.close();
    await rm(dir, { recursive: true });
  });

  it("takes nothing more while the disk is full, loses nothing that it acked, and goes on when there is room", async () => {
    const dir = join(disk, "full");
    const counters = new CounterTable();
    const options = { ...SIZES, reserveBytes: 2_000_000 };
    let store = await openLmdbStore(dir, { counters, options });
    await fill(store, 1, 2000);
    // Somebody else fills the disk, to the last byte.
    const hog = join(disk, "hog");
    const file = openSync(hog, "w");
    const block = Buffer.alloc(1 << 16);
    const hogUntil = (bytes: number): void => {
      while (statfsSync(disk).bavail * 4096 > bytes) writeSync(file, block);
    };
    let next = 2001;
    let refused: unknown;
    for (let round = 0; refused === undefined && round < 1000; round++) {
      for (let part = 0; part < 10 && statfsSync(disk).bavail * 4096 > 2_200_000; part++)
        writeSync(file, block);
      try {
        await store.append([{ project: "p", entries: hundred(next) }]);
        next += 100;
      } catch (error) {
        refused = error;
      }
    }
    expect(refused).toBeInstanceOf(StoreFull);
    for (let round = 0; round < 5; round++)
      await expect(store.append([{ project: "p", entries: hundred(next) }])).rejects.toThrow(/disk is full/);
    // What was taken can be sealed and read all the same, and opened again.
    await store.seal();
    expect(await listAll(store, { project: "p", src: "a" }, 1000)).toHaveLength(next - 1);
    await store.maintain();
    // The seal gave room back.
    hogUntil(1_500_000);
    closeSync(file);
    expect(counters.values().store_full_total).toBeGreaterThanOrEqual(6);
    await store.close();
    store = await openLmdbStore(dir, { counters, options });
    await expect(store.append([{ project: "p", entries: hundred(next) }])).rejects.toThrow(StoreFull);
    unlinkSync(hog);
    await new Promise((resolve) => setTimeout(resolve, 30));
    expect((await store.append([{ project: "p", entries: hundred(next) }]))[0]?.storedCount).toBe(100);
    expect(await listAll(store, { project: "p", src: "a" }, 1000)).toHaveLength(next + 99);
    await store.close();
    expect((await checkOf(new LmdbViews(dir))).problems).toEqual([]);
  });

  // Where there was room for one page and not for the next, the engine's map of its table of readers ended the process.
  it.each([0, 1, 2, 3, 4, 5, 7, 10, 16, 32])(
    "says that the disk is full where its first files can be made in part, %d pages",
    async (pages) => {
      own.fill(pages * 4096);
      try {
        const data = join(disk, "first");
        const { status, stderr } = await runBoardlog(["up", "--data", data, "--http", "0", "--mqtt", "0"]);
        expect([status, stderr]).toEqual([1, expect.stringMatching(/^boardlog: .*the disk is full.*$/m)]);
        await rm(data, { recursive: true, force: true });
      } finally {
        own.free();
      }
    },
  );

  it("answers 503 over HTTP while its disk is full, and takes the same lines again when there is room", async () => {
    const data = join(disk, "up");
    // Keeping little also makes small what it wants to have free.
    const boardlog = await BoardlogProcess.create(["--data", data, "--keep-mb", "20", "--quiet"]);
    const hog = join(disk, "hog");
    try {
      await boardlog.start();
      const key = (await readFile(join(data, "api-key"), "utf8")).trim();
      const log = async (seq: number): Promise<unknown> => {
        const response = await fetch(boardlog.url, {
          method: "POST",
          headers: { "x-api-key": key, "content-type": "application/json" },
          body: JSON.stringify({
            v: 1,
            src: "pump",
            boot: "b1",
            cmds: [{ cmd: "/v1/Log.Log", id: seq, args: { msg: `line ${seq}` } }],
          }),
        });
        return ((await response.json()) as { resp: unknown[] }).resp[0];
      };
      expect(await log(1)).toMatchObject({ status: 0 });
      own.fill(3_000_000);
      await until("it is noticed", async () => ((await log(2)) as { status: number }).status === 503);
      expect(await log(2)).toMatchObject({
        status_msg: expect.stringContaining("disk of the service is full"),
      });
      own.free();
      await until("there is room", async () => ((await log(2)) as { status: number }).status === 0);
      expect(await log(3)).toMatchObject({ status: 0 });
      const listed = (await listEntries(boardlog.url, key, "pump")).map(({ msg }) => msg);
      expect(new Set(listed)).toEqual(new Set(["line 1", "line 2", "line 3"]));
      // Between the notice and the disk's end, line 2 may have been taken before: it is there once.
      expect(listed).toHaveLength(3);
    } finally {
      await boardlog.remove();
      await rm(hog, { force: true });
    }
  });
});
