import { describe, expect, it } from "vitest";
import { CounterTable } from "../../host/counters.ts";
import type { ByteFile } from "../../service/store/durable-file.ts";
import { StoreUnavailable } from "../../service/store/log-store.ts";
import { WHOLE_FILE } from "../../service/store/memory-file.ts";
import type { MemoryKvSpace } from "../../service/store/memory-kv.ts";
import { PackReader, PackWriter } from "../../service/store/pack.ts";
import { entry, listAll } from "../conformance/store-driver.ts";
import { checkOf, memorySpace, openMemoryStore } from "./store-drivers.ts";

const SIZES = [1, 2600, 4096, 0, 3, 70_000, 2600, 40_000, 1];

/** Values of these sizes in a pack, each of bytes that tell it from the others. */
async function packed(sizes: readonly number[], isWrittenAt: (index: number) => boolean) {
  const file = await memorySpace(1).openPack("seg-1");
  const writer = new PackWriter(file, 0);
  const values = sizes.map((size, number) => Buffer.alloc(size, number + 1));
  const places = [];
  for (const [index, value] of values.entries()) {
    places.push(writer.add(value));
    if (isWrittenAt(index)) await writer.write();
  }
  await writer.write();
  return { file, writer, values, places };
}

describe("a pack", () => {
  it("gives every value back, however many are written at a time, and holds nothing else", async () => {
    for (const every of [1, 3, 100]) {
      const { file, values, places, writer } = await packed(SIZES, (index) => index % every === 0);
      const reader = new PackReader();
      for (const [index, place] of places.entries())
        expect(reader.read(file, place)?.equals(values[index] ?? Buffer.alloc(0)), `value ${index}`).toBe(
          true,
        );
      expect(file.sizeBytes).toBe(Buffer.concat(values).length);
      expect([writer.bytes, writer.pendingBytes]).toEqual([file.sizeBytes, 0]);
    }
  });

  it("goes on where its state says, over what a seal left that was not finished", async () => {
    const { file, places } = await packed([100, 50], () => true);
    const [first, second] = places;
    if (first === undefined || second === undefined) throw new Error("not packed");
    const writer = new PackWriter(file, 100);
    const third = writer.add(Buffer.alloc(70, 9));
    await writer.write();
    expect(third.start).toBe(second.start);
    const reader = new PackReader();
    expect(reader.read(file, third)).toEqual(Buffer.alloc(70, 9));
    expect(reader.read(file, first)).toEqual(Buffer.alloc(100, 1));
  });

  it("gives nothing of a value that is cut off, or that the disk cannot read, and other values all the same", async () => {
    const { file, places, values } = await packed([100, 5000], () => true);
    const [first, second] = places;
    if (first === undefined || second === undefined) throw new Error("not packed");
    const bytes = Buffer.concat(values);
    const cut = handle(bytes.subarray(0, -1));
    const reader = new PackReader();
    expect(reader.read(cut, second)).toBeUndefined();
    expect(reader.read(cut, first)).toEqual(values[0]);
    const worn: ByteFile = {
      ...handle(bytes),
      read: (at, bytesMax, memory) => {
        if (at + bytesMax > 200) throw Object.assign(new Error("EIO: i/o error, read"), { code: "EIO" });
        return file.read(at, bytesMax, memory);
      },
    };
    expect(reader.read(worn, second)).toBeUndefined();
    expect(reader.read(worn, first)).toEqual(values[0]);
    const closed: ByteFile = {
      ...handle(bytes),
      read: () => {
        throw new StoreUnavailable("the file is closed");
      },
    };
    expect(() => reader.read(closed, first)).toThrow(StoreUnavailable);
  });
});

function handle(bytes: Buffer): ByteFile {
  return {
    sizeBytes: bytes.length,
    read: (at, bytesMax) => bytes.subarray(at, at + bytesMax),
    async close() {},
  };
}

describe("a store whose pack is not what it was", () => {
  async function filled(): Promise<MemoryKvSpace> {
    const space = memorySpace(1);
    const store = await openMemoryStore(space, 1, { options: { chunkEntriesMax: 4 } });
    for (let seq = 1; seq <= 40; seq++) await store.append([{ project: "p", entries: [entry("a", seq)] }]);
    await store.seal();
    await store.close();
    return space;
  }

  it("is not opened where the pack is missing, so that it can be put back", async () => {
    const space = await filled();
    space.cutPack("seg-0000000001", 0);
    await expect(openMemoryStore(space, 1)).rejects.toThrow(
      /the pack of the segment seg-0000000001 is missing/,
    );
  });

  it("shows what is left of one that was cut off, and records the loss of what was behind", async () => {
    const space = await filled();
    const size = space.values().find(({ key }) => key === WHOLE_FILE)?.bytes ?? 0;
    space.cutPack("seg-0000000001", size / 2);
    const report = await checkOf(space);
    expect(report.problems.map(({ what }) => what).join("\n")).toMatch(
      /its pack is cut off: it has \d+ bytes/,
    );
    const counters = new CounterTable();
    const store = await openMemoryStore(space, 1, { counters });
    const listed = await listAll(store, { project: "p", src: "a", stream: "console" });
    const seqs = listed.map(({ seq }) => seq);
    expect(seqs.length).toBeGreaterThan(4);
    expect(seqs).toEqual(Array.from({ length: seqs.length }, (_, index) => index + 1));
    expect(counters.values().store_corrupt_chunks_total).toBe((40 - seqs.length) / 4);
    await store.close();
    const again = await openMemoryStore(space, 1);
    const losses = await listAll(again, { project: "p", src: "a", stream: "loss" });
    expect(losses.reduce((sum, { msg }) => sum + JSON.parse(msg).count, 0)).toBe(40 - seqs.length);
    await again.close();
  });
});
