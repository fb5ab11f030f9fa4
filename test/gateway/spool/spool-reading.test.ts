import { describe, expect, test } from "vitest";
import { Spool, type SpoolOptions } from "../../../gateway/spool/spool.ts";
import type { NewEntry } from "../../../protocol/entry.ts";
import { decodeIngestEntry } from "../../../protocol/ingest-entry.ts";
import { FaultyDisk } from "../../../sim/faulty-disk.ts";
import { SeededRandom } from "../../support/gateway-world.ts";
import { boardLine, spoolWorld, TINY_SPOOL } from "../../support/spool-world.ts";

/** Whole files are read as slowly as a test says. */
class SlowDisk extends FaultyDisk {
  gate: Promise<void> = Promise.resolve();
  readCount = 0;

  override async read(path: string): Promise<Uint8Array | undefined> {
    if (path.includes("seg-")) {
      this.readCount += 1;
      await this.gate;
    }
    return super.read(path);
  }
}

async function opened(options: Partial<SpoolOptions> = {}) {
  const disk = new SlowDisk(new SeededRandom(1));
  const world = spoolWorld(disk);
  const spool = await Spool.open(world, { ...TINY_SPOOL, tailBytesMax: 0, ...options });
  await spool.greet(0);
  return { disk, time: world.time, world, spool };
}

const seqsOf = (records: readonly { readonly payload: Uint8Array }[]): (number | undefined)[] =>
  records.map(({ payload }) => {
    const entry = decodeIngestEntry(payload);
    return entry.ok ? entry.value.seq : undefined;
  });
const range = (first: number, last: number): number[] =>
  Array.from({ length: last - first + 1 }, (_, index) => first + index);

function gate(): { readonly promise: Promise<void>; readonly open: () => void } {
  let open = (): void => {};
  const promise = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { promise, open };
}

describe("reading what stands in segments", () => {
  test("does not hold up commits: boards are acked while a slow disk is read", async () => {
    const { disk, spool } = await opened();
    for (let number = 1; number <= 30; number++) await spool.commit([boardLine(number)]);
    const slow = gate();
    disk.gate = slow.promise;
    const reading = spool.read(0, { entriesMax: 100, bytesMax: 1e6 });
    for (let number = 31; number <= 40; number++) await spool.commit([boardLine(number)]);
    expect(spool.durable).toBe(40);
    slow.open();
    const seqs = seqsOf(await reading);
    expect(seqs).toEqual(range(1, seqs.length));
  });

  test("reads each segment's file once, however small the batches", async () => {
    const { disk, spool } = await opened();
    for (let number = 1; number <= 30; number++) await spool.commit([boardLine(number)]);
    const seqs: (number | undefined)[] = [];
    while (spool.position < spool.durable) {
      const records = await spool.read(spool.position, { entriesMax: 2, bytesMax: 1e6 });
      seqs.push(...seqsOf(records));
      await spool.confirm(records.at(-1)?.position ?? spool.durable);
    }
    expect(seqs).toEqual(range(1, 30));
    expect(disk.readCount).toBeLessThanOrEqual(spool.segmentCount);
  });

  test("a reader that goes back in its segment gets the same again, and the file is not read again for it", async () => {
    const { disk, spool } = await opened({ segmentBytes: 4_000, bytesMax: 40_000 });
    for (let number = 1; number <= 60; number++) await spool.commit([boardLine(number)]);
    const random = new SeededRandom(3);
    let after = 0;
    for (let tries = 0; tries < 300; tries++) {
      const entriesMax = 1 + Math.floor(random.fraction() * 4);
      const records = await spool.read(after, { entriesMax, bytesMax: 1e6 });
      expect(seqsOf(records)).toEqual(range(after + 1, after + records.length));
      expect(records.length).toBeGreaterThan(0);
      const isBack = random.fraction() < 0.4;
      after = isBack ? Math.floor(random.fraction() * after) : (records.at(-1)?.position ?? 0);
      if (after > 25) after = Math.floor(random.fraction() * 10);
    }
    expect(disk.readCount).toBe(1);
  });

  test("a reader at the end of the newest segment goes on where it stood when that has grown", async () => {
    const { spool } = await opened({ segmentBytes: 1_500 });
    const seqs: (number | undefined)[] = [];
    for (let number = 1; number <= 60; number++) {
      await spool.commit([boardLine(number)]);
      const records = await spool.read(spool.position, {
        entriesMax: number % 3 === 0 ? 2 : 1,
        bytesMax: 1e6,
      });
      seqs.push(...seqsOf(records));
      if (number % 4 !== 0) await spool.confirm(records.at(-1)?.position ?? 0);
      else seqs.splice(seqs.length - records.length, records.length);
    }
    for (;;) {
      const records = await spool.read(spool.position, { entriesMax: 7, bytesMax: 1e6 });
      if (records.length === 0) break;
      seqs.push(...seqsOf(records));
      await spool.confirm(records.at(-1)?.position ?? 0);
    }
    expect(seqs).toEqual(range(1, 60));
  });

  test("a segment is read in pieces, whatever their ends cut: entries, one that is larger, damage", async () => {
    const { disk, spool } = await opened({ segmentBytes: 4 << 20, bytesMax: 32 << 20 });
    const path = "spool/seg-0000000001";
    const count = 1_000;
    const lineOf = (seq: number): NewEntry => {
      const length = seq % 351 === 0 ? 400_000 : (seq * 37) % 900;
      return { ...boardLine(seq), msg: JSON.stringify("x".repeat(length)) };
    };
    for (let seq = 1; seq <= count; seq += 20)
      await spool.commit(Array.from({ length: 20 }, (_, index) => lineOf(seq + index)));
    const { content } = disk.files.get(path) ?? { content: Buffer.alloc(0) };
    expect(content.length).toBeGreaterThan(1 << 20);
    // In the middle of the large one's text, over more than a piece.
    const damagedAt = content.indexOf("x".repeat(950)) + 1_000;
    for (let at = damagedAt; at < damagedAt + 280_000; at += 1_000) disk.flipBit(path, at * 8);
    const sizes: number[] = [];
    const readPart = disk.readPart.bind(disk);
    const failedAt = new Set<number>();
    disk.readPart = async (...given) => {
      const [, at] = given;
      if (at > 0 && !failedAt.has(at)) {
        failedAt.add(at);
        throw new Error("EIO: not for now");
      }
      const part = await readPart(...given);
      sizes.push(part?.bytes.length ?? 0);
      return part;
    };
    const seqs: (number | undefined)[] = [];
    for (let after = 0; after < count; ) {
      const records = await spool.read(after, { entriesMax: 70, bytesMax: 100_000 }).catch(() => undefined);
      if (records === undefined) continue;
      expect(records.length).toBeGreaterThan(0);
      for (const [index, seq] of seqsOf(records).entries()) {
        if (seq === undefined) continue; // A loss record.
        const entry = decodeIngestEntry(records[index]?.payload ?? new Uint8Array());
        expect(entry.ok && entry.value.msg).toBe(lineOf(seq).msg);
        seqs.push(seq);
      }
      after = records.at(-1)?.position ?? after;
    }
    expect(seqs).toEqual(range(1, count).filter((seq) => seq !== 351));
    expect(Math.max(...sizes)).toBeLessThan(content.length / 2);
  });

  test.each(["before", "after"])(
    "a segment that is given up %s it is begun to be read is sent or lost, never both",
    async (order) => {
      const { disk, spool } = await opened({ whenFull: "evict" });
      let number = 0;
      while (spool.bytes < 7_400) await spool.commit([boardLine(++number)]);
      const given: number[] = [];
      const collect = (records: readonly { readonly payload: Uint8Array }[]): void => {
        for (const { payload } of records) {
          const entry = decodeIngestEntry(payload);
          if (!entry.ok) continue;
          const { seq, lost } = entry.value;
          given.push(...range(lost?.first ?? seq ?? 0, lost?.last ?? seq ?? 0));
        }
      };
      // The whole of the first segment; the second is next, for the reader and for who needs room.
      collect(await spool.read(0, { entriesMax: 1_000, bytesMax: 1e6 }));
      const slow = gate();
      disk.gate = slow.promise;
      const read = async (): Promise<void> => {
        const records = await spool.read(given.length, { entriesMax: 1_000, bytesMax: 1e6 });
        collect(records);
        await spool.confirm(records.at(-1)?.position ?? 0);
      };
      const fill = async (): Promise<void> => {
        for (let count = 0; count < 12; count++) await spool.commit([boardLine(++number)]);
      };
      const steps = order === "before" ? [fill, read] : [read, fill];
      const both = steps.map((step) => step());
      for (let hop = 0; hop < 200; hop++) await undefined;
      slow.open();
      await Promise.all(both);
      for (;;) {
        const records = await spool.read(spool.position, { entriesMax: 4, bytesMax: 1e6 });
        if (records.length === 0) break;
        collect(records);
        await spool.confirm(records.at(-1)?.position ?? 0);
      }
      expect(given.sort((a, b) => a - b)).toEqual(range(1, number));
    },
  );
});
