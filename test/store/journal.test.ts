import { describe, expect, it } from "vitest";
import type { DurableFile } from "../../service/store/durable-file.ts";
import { JournalKv, JournalView } from "../../service/store/journal-kv.ts";
import { LmdbSpace, LmdbViews } from "../../service/store/lmdb-kv.ts";
import { StoreUnavailable } from "../../service/store/log-store.ts";
import { type KvChange, KvForm, type OrderedKv } from "../../service/store/ordered-kv.ts";
import { entry, listAll } from "../conformance/store-driver.ts";
import { openLmdbStore, temporaryFolder } from "./store-drivers.ts";

/** A file in memory. What is written is there at once, and durable a turn later. */
class MemoryFile implements DurableFile {
  bytes = Buffer.alloc(0);
  /** What was written, in its order: where, and what. */
  readonly writes: { readonly at: number; readonly bytes: Buffer }[] = [];
  failure: Error | undefined;

  static of(bytes: Uint8Array): MemoryFile {
    const file = new MemoryFile();
    file.bytes = Buffer.from(bytes);
    return file;
  }

  get sizeBytes(): number {
    return this.bytes.length;
  }

  read(at: number, bytesMax: number): Buffer {
    return Buffer.from(this.bytes.subarray(at, at + bytesMax));
  }

  async write(parts: readonly Uint8Array[], at: number): Promise<void> {
    if (this.failure !== undefined) throw this.failure;
    const bytes = Buffer.concat(parts);
    this.writes.push({ at, bytes });
    this.put(bytes, at);
    await undefined;
  }

  put(bytes: Uint8Array, at: number): void {
    const size = Math.max(this.bytes.length, at + bytes.length);
    this.bytes = Buffer.concat([this.bytes, Buffer.alloc(size - this.bytes.length)]);
    this.bytes.set(bytes, at);
  }

  async close(): Promise<void> {}
}

function put(key: string, value: string): KvChange {
  return { type: "put", key: Buffer.from(key), value: Buffer.from(value) };
}

function contentOf(kv: Pick<OrderedKv, "range">): Record<string, string> {
  const pairs = [...kv.range({ start: Buffer.of(0), end: Buffer.of(255) })];
  return Object.fromEntries(pairs.map(({ key, value }) => [String(key), String(Buffer.from(value))]));
}

/** Three transactions, the last one over more than two sectors; and where each begins. */
async function threeIn(file: MemoryFile, close = false): Promise<number[]> {
  const kv = await JournalKv.open(file);
  await kv.commit([put("a", "one"), put("g", "1")]);
  await kv.commit([put("b", "two"), put("g", "2")]);
  await kv.commit([put("c", "three ".repeat(250)), put("g", "3")]);
  if (close) await kv.close();
  return file.writes.map(({ at }) => at);
}

const TWO = { a: "one", b: "two", g: "2" };
const THREE = { a: "one", b: "two", c: "three ".repeat(250), g: "3" };

describe("a journal after a power cut", () => {
  it("holds all of the last transaction or nothing of it, whatever sectors of it reached the disk, and goes on behind it", async () => {
    const file = new MemoryFile();
    const [, , third = 0] = await threeIn(file);
    const end = third + (file.writes[2]?.bytes.length ?? 0);
    const before = Buffer.from(file.bytes);
    before.fill(0, third);
    const sectors = Array.from(
      { length: Math.ceil(end / 512) - Math.floor(third / 512) },
      (_, index) => index,
    );
    for (let written = 0; written < 1 << sectors.length; written++) {
      const cut = MemoryFile.of(before);
      for (const sector of sectors.filter((one) => ((written >> one) & 1) === 1)) {
        const start = Math.max(third, (Math.floor(third / 512) + sector) * 512);
        const stop = Math.min(end, (Math.floor(third / 512) + sector + 1) * 512);
        cut.put(file.bytes.subarray(start, stop), start);
      }
      const isAll = written === (1 << sectors.length) - 1;
      const kv = await JournalKv.open(cut);
      expect(contentOf(kv)).toEqual(isAll ? THREE : TWO);
      expect(kv.damage).toBeUndefined();
      await kv.commit([put("d", "four")]);
      await kv.close();
      const again = await JournalKv.open(cut);
      expect(contentOf(again)).toEqual({ ...(isAll ? THREE : TWO), d: "four" });
      expect(again.damage).toBeUndefined();
    }
  });

  it("holds the same where its file ends at any byte of the last transaction", async () => {
    const file = new MemoryFile();
    const [, , third = 0] = await threeIn(file);
    // What stands behind the values is nothing but room.
    const end = file.bytes.lastIndexOf("three ") + "three ".length;
    for (let size = third; size < end; size++) {
      const kv = await JournalKv.open(MemoryFile.of(file.bytes.subarray(0, size)));
      expect(contentOf(kv)).toEqual(TWO);
    }
  });

  it("never meets again what the power cut left, though what is written over it is shorter", async () => {
    const file = new MemoryFile();
    const [, , third = 0] = await threeIn(file);
    // A sector in the middle was never written; behind it stands a whole transaction, as a larger one may hold.
    const cut = MemoryFile.of(file.bytes);
    cut.put(Buffer.alloc(512), Math.ceil(third / 512) * 512);
    const kv = await JournalKv.open(cut);
    await kv.commit([put("d", "four")]);
    expect(cut.bytes.subarray(third + 200).every((byte) => byte === 0)).toBe(true);
    expect(contentOf(await JournalKv.open(cut))).toEqual({ ...TWO, d: "four" });
  });
});

describe("a journal that was damaged", () => {
  it("gives values as they are, and says nothing, wherever in one a bit has turned", async () => {
    const file = new MemoryFile();
    const starts = await threeIn(file, true);
    for (const [index, name] of ["one", "two", "three"].entries()) {
      const at = file.bytes.indexOf(name, starts[index]);
      const flipped = MemoryFile.of(file.bytes);
      flipped.put(Uint8Array.of((file.bytes[at] ?? 0) ^ 1), at);
      const kv = await JournalKv.open(flipped);
      const found = contentOf(kv);
      expect(Object.keys(found)).toEqual(["a", "b", "c", "g"]);
      expect(Object.values(found).filter((value) => Object.values(THREE).includes(value))).toHaveLength(3);
      expect(kv.damage).toBeUndefined();
    }
  });

  it("cannot tell a damaged last transaction from one that was cut short, unless it was closed behind it", async () => {
    const file = new MemoryFile();
    await threeIn(file);
    file.put(Uint8Array.of(0), file.bytes.lastIndexOf("three"));
    const kv = await JournalKv.open(file);
    expect([contentOf(kv), kv.damage]).toEqual([TWO, undefined]);
    const closed = new MemoryFile();
    const [, , third = 0] = await threeIn(closed, true);
    closed.put(Uint8Array.of(0), third);
    expect((await JournalKv.open(closed)).damage?.text).toContain(`from byte ${third} to`);
  });

  it("leaves out a transaction whose head is damaged where another follows, says where it was, and keeps the others", async () => {
    const file = new MemoryFile();
    const [first = 0, second = 0] = await threeIn(file);
    for (let at = first; at < file.bytes.indexOf("one"); at++) {
      const flipped = MemoryFile.of(file.bytes);
      flipped.put(Uint8Array.of((file.bytes[at] ?? 0) ^ 0x10), at);
      const kv = await JournalKv.open(flipped);
      expect(contentOf(kv)).toEqual({ b: "two", c: THREE.c, g: "3" });
      expect(kv.damage?.text).toBe(`what stands from byte ${first} to ${second} is damaged`);
      expect(kv.damage?.bytes).toBe(second - first);
      expect(kv.damage?.keysAfter.map(String)).toEqual(["b", "g", "c", "g"]);
    }
  });

  it("takes nothing for a transaction that stands where it was not written, though a text holds the bytes of one", async () => {
    const file = new MemoryFile();
    await threeIn(file);
    const record = file.writes[0]?.bytes.subarray(0, 64) ?? Buffer.alloc(0);
    const holder = new MemoryFile();
    const kv = await JournalKv.open(holder);
    for (let shift = 0; shift < 8; shift++)
      await kv.commit([
        { type: "put", key: Buffer.from("k"), value: Buffer.concat([Buffer.alloc(shift, 1), record]) },
      ]);
    const damaged = MemoryFile.of(holder.bytes);
    damaged.put(Uint8Array.of(0), 0);
    expect(contentOf(await JournalKv.open(damaged)).a).toBeUndefined();
  });
});

describe("a journal", () => {
  it("makes room ahead of small transactions, so that the next ones change nothing of the file but its bytes", async () => {
    const file = new MemoryFile();
    const kv = await JournalKv.open(file);
    const sizes: number[] = [];
    for (let round = 0; round < 50; round++) {
      await kv.commit([put("k", "x".repeat(3000))]);
      sizes.push(file.sizeBytes);
    }
    expect(new Set(sizes).size).toBeLessThan(8);
    await kv.commit([put("k", "x".repeat(500_000))]);
    await kv.commit([put("k", "x".repeat(500_000))]);
    expect(file.sizeBytes).toBeLessThan(1_200_000);
  });

  it("fails for good when a write fails, with everything that waited for it", async () => {
    const file = new MemoryFile();
    const kv = await JournalKv.open(file);
    file.failure = new Error("no space left");
    const commits = [kv.commit([put("a", "one")]), kv.commit([put("b", "two")])];
    for (const result of await Promise.allSettled(commits)) {
      expect(result.status).toBe("rejected");
      expect((result as PromiseRejectedResult).reason).toBeInstanceOf(StoreUnavailable);
    }
    file.failure = undefined;
    await expect(kv.commit([put("c", "three")])).rejects.toThrow(StoreUnavailable);
    await kv.close();
  });

  it("is closed, with all that was acked, where the disk fails at the very last", async () => {
    const file = new MemoryFile();
    const kv = await JournalKv.open(file);
    await kv.commit([put("a", "one")]);
    file.failure = new Error("EIO: i/o error, write");
    await kv.close();
    expect(() => kv.get(Buffer.from("a"))).toThrow(StoreUnavailable);
    expect(contentOf(new JournalView(file))).toEqual({ a: "one" });
  });

  it("says that the disk is full where that is why", async () => {
    const file = new MemoryFile();
    const kv = await JournalKv.open(file);
    file.failure = Object.assign(new Error("write"), { code: "ENOSPC" });
    await expect(kv.commit([put("a", "one")])).rejects.toThrow(/the disk is full: make room/);
    await kv.close();
  });

  it("shows a view only whole transactions, and none of one that is just being written", async () => {
    const file = new MemoryFile();
    const [, , third = 0] = await threeIn(file);
    for (const size of [10, 100, 1000]) {
      const partly = MemoryFile.of(file.bytes);
      partly.bytes.fill(0, third + size);
      const view = new JournalView(partly);
      expect([contentOf(view), view.damage]).toEqual([TWO, undefined]);
      await view.close();
    }
    expect(contentOf(new JournalView(file))).toEqual(THREE);
  });
});

describe("the store's log", () => {
  it("is a journal, and one that an earlier version made in a tree of lmdb is read and sealed all the same", async () => {
    const { dir, remove } = await temporaryFolder();
    let store = await openLmdbStore(dir);
    await store.append([{ project: "p", entries: [entry("a", 1), entry("b", 1)] }]);
    await store.close();
    let space = await LmdbSpace.open(dir);
    const journal = await space.open("log-0000000001", KvForm.Tree);
    expect(journal).toBeInstanceOf(JournalKv);
    const pairs = [...journal.range({ start: Buffer.of(0), end: Buffer.of(255) })];
    await journal.close();
    await space.remove("log-0000000001");
    const tree = await space.open("log-0000000001", KvForm.Tree);
    await tree.commit(pairs.map(({ key, value }) => ({ type: "put", key, value })));
    await tree.close();
    await space.close();

    store = await openLmdbStore(dir);
    await store.append([{ project: "p", entries: [entry("a", 1), entry("a", 2)] }]);
    expect(await listAll(store, { project: "p", src: "a" })).toHaveLength(2);
    await store.seal();
    await store.close();
    space = await LmdbSpace.open(dir);
    expect((await space.names()).filter((name) => name.startsWith("log-"))).toEqual(["log-0000000002"]);
    expect(await (await new LmdbViews(dir).view("log-0000000002"))?.get(Buffer.from("x"))).toBeUndefined();
    await space.close();
    store = await openLmdbStore(dir);
    expect((await listAll(store, { project: "p", src: "a" })).map(({ seq }) => seq)).toEqual([1, 2]);
    await store.close();
    await remove();
  });
});
