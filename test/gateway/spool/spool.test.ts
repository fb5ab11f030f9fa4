import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Spool } from "../../../gateway/spool/spool.ts";
import { SpoolFull, SpoolUnavailable } from "../../../gateway/spool/spool-errors.ts";
import { HEADER_BYTES } from "../../../gateway/spool/spool-record.ts";
import { CounterTable } from "../../../host/counters.ts";
import type { NewEntry } from "../../../protocol/entry.ts";
import { decodeIngestEntry } from "../../../protocol/ingest-entry.ts";
import { FaultyDisk } from "../../../sim/faulty-disk.ts";
import { SeededRandom } from "../../support/gateway-world.ts";
import { spoolWorld, TINY_SPOOL } from "../../support/spool-world.ts";

function line(src: string, seq: number, more: Partial<NewEntry> = {}): NewEntry {
  return {
    src,
    stream: "console",
    msg: JSON.stringify(`${src} ${seq}`),
    timestamp: 5,
    received: 6,
    clock: "server",
    boot: "b",
    seq,
    ...more,
  };
}

function textLine(number: number): NewEntry {
  return {
    src: "t",
    stream: "uart",
    msg: JSON.stringify(`t ${number}`),
    timestamp: 5,
    received: 6,
    clock: "server",
  };
}

const ALL = { entriesMax: 1_000_000, bytesMax: 1e9 };

/** All entries behind a position. */
async function readAll(
  spool: Spool,
  after = spool.position,
  max = 3,
): Promise<{ position: number; entry: NewEntry }[]> {
  const found: { position: number; entry: NewEntry }[] = [];
  for (;;) {
    const some = await spool.read(found.at(-1)?.position ?? after, { ...ALL, entriesMax: max });
    if (some.length === 0) return found;
    for (const { position, payload } of some) {
      const entry = decodeIngestEntry(payload);
      if (!entry.ok) throw new Error(entry.problem.text);
      found.push({ position, entry: entry.value });
    }
  }
}

const seqsOf = (found: readonly { entry: NewEntry }[]): (number | undefined)[] =>
  found.map(({ entry }) => entry.seq);
const range = (first: number, last: number): number[] =>
  Array.from({ length: last - first + 1 }, (_, index) => first + index);

describe("a spool", () => {
  test("keeps a segment that goes on after all of it was forwarded, until the rest is forwarded too", async () => {
    const world = spoolWorld(new FaultyDisk(new SeededRandom(1)));
    const spool = await Spool.open(world, TINY_SPOOL);
    await spool.commit([line("a", 1)]);
    await spool.confirm(1);
    // The service is away: the segment fills up, the next ones follow, and the replay horizon passes.
    for (let seq = 2; seq <= 20; seq++) await spool.commit([line("a", seq)]);
    world.time.advance(60_000);
    await spool.maintain();
    expect(seqsOf(await readAll(spool, 1))).toEqual(range(2, 20));
  });

  test("gives back what was committed, in order and byte for byte, across segments and openings", async () => {
    const disk = new FaultyDisk(new SeededRandom(1));
    const spool = await Spool.open(spoolWorld(disk), TINY_SPOOL);
    const odd = line("a", 41, {
      msg: '{"n":12345678901234567890,"x":1.0}',
      level: "warn",
      module: "größe",
      uptime: 7,
      clockError: 3,
      clock: "estimated",
    });
    for (let seq = 1; seq <= 40; seq++) await spool.commit([line("a", seq)]);
    await spool.commit([odd, line("a", 42, { lost: { boot: "b", first: 42, last: 50 }, stream: "loss" })]);
    expect(spool.segmentCount).toBeGreaterThan(3);
    expect(seqsOf(await readAll(spool))).toEqual(range(1, 42));
    await spool.close();
    const again = await Spool.open(spoolWorld(disk), TINY_SPOOL);
    const found = await readAll(again);
    expect(found.map(({ position }) => position)).toEqual(range(1, 42));
    expect(found[40]?.entry).toEqual(odd);
    expect(again.markOf("a", "b")).toBe(50);
    expect(again.epoch).toBe(spool.epoch);
  });

  test("opening reads the newest segment alone, however much there is, and knows every boot's mark", async () => {
    const disk = new FaultyDisk(new SeededRandom(1));
    const spool = await Spool.open(spoolWorld(disk), { ...TINY_SPOOL, bytesMax: 900_000 });
    for (let seq = 1; seq <= 900; seq++) await spool.commit([line(seq <= 20 ? "old" : "a", seq)]);
    const { segmentCount } = spool;
    expect(segmentCount).toBeGreaterThan(50);
    await spool.close();
    const paths: string[] = [];
    const read = disk.read.bind(disk);
    disk.read = (path) => {
      if (path.includes("seg-")) paths.push(path);
      return read(path);
    };
    disk.readPart = async (path, at, bytesMax) => {
      if (bytesMax > HEADER_BYTES) paths.push(path);
      const file = await read(path);
      return file && { bytes: file.slice(at, at + bytesMax), sizeBytes: file.length };
    };
    const again = await Spool.open(spoolWorld(disk), { ...TINY_SPOOL, bytesMax: 900_000 });
    expect(new Set(paths).size).toBe(1);
    expect(again.segmentCount).toBeGreaterThanOrEqual(segmentCount);
    expect([again.markOf("old", "b"), again.markOf("a", "b"), again.durable]).toEqual([20, 900, 900]);
    expect(seqsOf(await readAll(again))).toEqual(range(1, 900));
  });

  test("removes a segment only when the cursor past it is on the disk and the replay horizon has passed", async () => {
    const disk = new FaultyDisk(new SeededRandom(1));
    const world = spoolWorld(disk);
    const spool = await Spool.open(world, TINY_SPOOL);
    for (let seq = 1; seq <= 40; seq++) await spool.commit([line("a", seq)]);
    const before = spool.segmentCount;
    await spool.confirm(40);
    await spool.maintain();
    expect(spool.segmentCount).toBe(before);
    world.time.advance(1_001);
    const removed: string[] = [];
    const remove = disk.remove.bind(disk);
    disk.remove = async (path) => {
      const slots = ["spool/cursor-a", "spool/cursor-b"].map((name) => String(disk.files.get(name)?.synced));
      expect(slots.join()).toContain(",40,");
      removed.push(path);
      await remove(path);
    };
    await spool.maintain();
    expect(removed).toHaveLength(before - 1);
    // Marks outlive the segments.
    await spool.commit([line("other", 1)]);
    await spool.close();
    expect((await Spool.open(spoolWorld(disk), TINY_SPOOL)).markOf("a", "b")).toBe(40);
  });

  test("a full spool refuses, keeps its bound, and takes again once the service has the oldest", async () => {
    const disk = new FaultyDisk(new SeededRandom(1));
    const spool = await Spool.open(spoolWorld(disk), TINY_SPOOL);
    await spool.greet(0);
    let seq = 0;
    await expect(
      (async () => {
        for (;;) await spool.commit([line("a", ++seq)]);
      })(),
    ).rejects.toThrow(SpoolFull);
    expect(spool.bytes).toBeLessThanOrEqual(9_000);
    expect(seqsOf(await readAll(spool))).toEqual(range(1, seq - 1));
    await spool.confirm(30);
    await spool.commit([line("a", seq)]);
    expect(seqsOf(await readAll(spool))).toEqual(range(31, seq));
  });

  test.each([
    ["in memory too", 1_000_000],
    ["on the disk alone", 400],
  ])(
    "told to evict, a full spool gives up the oldest that was never sent and is %s, with a loss record for each boot",
    async (_where, tailBytesMax) => {
      const disk = new FaultyDisk(new SeededRandom(1));
      const world = spoolWorld(disk);
      const spool = await Spool.open(world, {
        ...TINY_SPOOL,
        segmentBytes: 2_000,
        bytesMax: 13_000,
        tailBytesMax,
        whenFull: "evict",
      });
      await spool.greet(0);
      await spool.read(0, { ...ALL, entriesMax: 1 });
      for (let seq = 1; seq <= 400; seq++)
        await spool.commit(seq % 5 === 0 ? [line("a", seq), textLine(seq)] : [line("a", seq)]);
      expect(spool.bytes).toBeLessThanOrEqual(13_000);
      expect(world.counters.values().spool_evicted_entries_total).toBeGreaterThan(20);
      const check = async (one: Spool): Promise<void> => {
        const found = await readAll(one);
        const covered = new Set<number>();
        let lostTexts = 0;
        for (const { entry } of found) {
          if (entry.lost !== undefined) {
            for (const seq of range(entry.lost.first, entry.lost.last)) {
              expect(covered.has(seq), `seq ${seq} both there and lost`).toBe(false);
              covered.add(seq);
            }
          } else if (entry.stream === "loss") lostTexts += (JSON.parse(entry.msg) as { count: number }).count;
          else if (entry.seq !== undefined) {
            expect(covered.has(entry.seq), `seq ${entry.seq} both there and lost`).toBe(false);
            covered.add(entry.seq);
          }
        }
        expect([...covered].sort((one, other) => one - other)).toEqual(range(1, 400));
        expect(lostTexts + found.filter(({ entry }) => entry.stream === "uart").length).toBe(80);
      };
      await check(spool);
      await spool.close();
      const counters = new CounterTable();
      const again = await Spool.open({ ...spoolWorld(disk), counters }, TINY_SPOOL);
      await check(again);
      expect(counters.values().spool_damaged_entries_total).toBeUndefined();
    },
  );

  test("after a failed sync nothing more goes to that file, and what was not acked is written anew", async () => {
    const disk = new FaultyDisk(new SeededRandom(1));
    const spool = await Spool.open(spoolWorld(disk), TINY_SPOOL);
    await spool.commit([line("a", 1)]);
    const first = [...disk.files.keys()].find((name) => name.includes("seg-"));
    disk.syncFails = 1;
    await expect(spool.commit([line("a", 2), line("a", 3)])).rejects.toThrow(SpoolUnavailable);
    const sizeAfter = disk.files.get(first ?? "")?.content.length;
    disk.syncFails = 0;
    await spool.commit([line("a", 2)]);
    await spool.commit([line("a", 3)]);
    expect(disk.files.get(first ?? "")?.content.length).toBe(sizeAfter);
    expect(seqsOf(await readAll(spool))).toEqual([1, 2, 3]);
    disk.restart();
    expect(seqsOf(await readAll(await Spool.open(spoolWorld(disk), TINY_SPOOL)))).toEqual([1, 2, 3]);
  });

  test("what a killed process wrote and never synced is made durable before it counts", async () => {
    const disk = new FaultyDisk(new SeededRandom(1));
    const spool = await Spool.open(spoolWorld(disk), TINY_SPOOL);
    await spool.commit([line("a", 1)]);
    disk.syncFails = 1;
    await expect(spool.commit([line("a", 2)])).rejects.toThrow(SpoolUnavailable);
    disk.syncFails = 0;
    disk.kill();
    const second = await Spool.open(spoolWorld(disk), TINY_SPOOL);
    const mark = second.markOf("a", "b");
    disk.restart();
    const third = await Spool.open(spoolWorld(disk), TINY_SPOOL);
    expect(third.markOf("a", "b")).toBe(mark);
    expect(seqsOf(await readAll(third))).toEqual(range(1, mark ?? 0));
  });

  test("a full disk stops it, and it goes on by itself when there is room; forwarded segments go first", async () => {
    const disk = new FaultyDisk(new SeededRandom(3));
    const spool = await Spool.open(spoolWorld(disk), TINY_SPOOL);
    disk.bytesMax = 5_000;
    let seq = 0;
    await expect(
      (async () => {
        for (;;) await spool.commit([line("a", ++seq)]);
      })(),
    ).rejects.toThrow(SpoolUnavailable);
    expect(seqsOf(await readAll(spool))).toEqual(range(1, seq - 1));
    await spool.confirm(20);
    // The first try makes the room that the second finds.
    await spool.commit([line("a", seq)]).catch(() => spool.commit([line("a", seq)]));
    expect(seqsOf(await readAll(spool))).toEqual(range(21, seq));
    disk.restart();
    const again = await Spool.open(spoolWorld(disk), TINY_SPOOL);
    expect(seqsOf(await readAll(again)).slice(-(seq - 20))).toEqual(range(21, seq));
  });

  test("every flipped bit is found: the entry is lost and said to be, all others come unaltered", async () => {
    const disk = new FaultyDisk(new SeededRandom(1));
    const spool = await Spool.open(spoolWorld(disk), TINY_SPOOL);
    for (let seq = 1; seq <= 12; seq++) await spool.commit([line(seq % 2 ? "a" : "c", Math.ceil(seq / 2))]);
    // The newest segment's end cannot be told from a cut write: one more entry behind it stands for the life that goes on.
    await spool.close();
    const image = disk.image();
    for (const [path, bytes] of image) {
      if (!path.includes("seg-") && !path.includes("cursor")) continue;
      const isNewest =
        path ===
        [...image.keys()]
          .filter((name) => name.includes("seg-"))
          .sort()
          .at(-1);
      for (let bit = 0; bit < bytes.length * 8; bit += 3) {
        disk.restore(image);
        disk.flipBit(path, bit);
        const counters = new CounterTable();
        const opened = await Spool.open({ ...spoolWorld(disk), counters }, TINY_SPOOL);
        const found = await readAll(opened, 0, 100);
        const covered = { a: new Set<number>(), c: new Set<number>() };
        for (const { entry } of found) {
          const set = covered[entry.src as "a" | "c"];
          if (entry.lost !== undefined)
            for (const seq of range(entry.lost.first, entry.lost.last)) set.add(seq);
          else if (entry.stream !== "loss") {
            expect(entry).toEqual(line(entry.src, entry.seq ?? 0));
            expect(set.has(entry.seq ?? 0)).toBe(false);
            set.add(entry.seq ?? 0);
          }
        }
        const unnamed = found
          .filter(({ entry }) => entry.stream === "loss" && entry.lost === undefined)
          .reduce((sum, { entry }) => sum + (JSON.parse(entry.msg) as { count: number }).count, 0);
        const known = covered.a.size + covered.c.size + unnamed;
        if (!isNewest) expect(known, `${path} bit ${bit}`).toBe(12);
        // Opened again, nothing is written down twice.
        await opened.close();
        const second = await readAll(await Spool.open(spoolWorld(disk), TINY_SPOOL), 0, 100);
        expect(second, `${path} bit ${bit}, opened again`).toEqual(found);
      }
    }
  });

  test("an older copy of its disk gets an epoch of its own, so that new entries are not taken for old ones", async () => {
    const disk = new FaultyDisk(new SeededRandom(1));
    const spool = await Spool.open(spoolWorld(disk), TINY_SPOOL);
    await spool.greet(0);
    for (let seq = 1; seq <= 10; seq++) await spool.commit([line("a", seq)]);
    const image = disk.image();
    for (let seq = 11; seq <= 20; seq++) await spool.commit([line("a", seq)]);
    await readAll(spool);
    await spool.confirm(20);
    const { epoch } = spool;
    disk.restore(image);
    const old = await Spool.open(spoolWorld(disk, 2), TINY_SPOOL);
    await old.commit([textLine(1), textLine(2)]);
    await old.greet(20);
    expect(old.epoch).not.toBe(epoch);
    expect((await readAll(old)).map(({ position, entry }) => [position, entry.src])).toEqual([
      [11, "t"],
      [12, "t"],
    ]);
    disk.kill();
    const again = await Spool.open(spoolWorld(disk, 3), TINY_SPOOL);
    expect(again.epoch).toBe(old.epoch);
    await again.greet(0);
    expect((await readAll(again)).map(({ position }) => position)).toEqual([11, 12]);
  });

  test("an older copy is known for one also when it was written to, and started anew, before the service was heard", async () => {
    const disk = new FaultyDisk(new SeededRandom(1));
    const spool = await Spool.open(spoolWorld(disk), TINY_SPOOL);
    await spool.greet(0);
    for (let seq = 1; seq <= 10; seq++) await spool.commit([line("a", seq)]);
    const image = disk.image();
    for (let seq = 11; seq <= 13; seq++) await spool.commit([line("a", seq)]);
    await readAll(spool);
    await spool.confirm(13);
    disk.restore(image);
    const old = await Spool.open(spoolWorld(disk, 2), TINY_SPOOL);
    for (let seq = 1; seq <= 5; seq++) await old.commit([line("c", seq)]);
    disk.kill();
    const again = await Spool.open(spoolWorld(disk, 3), TINY_SPOOL);
    await again.greet(13);
    expect((await readAll(again)).map(({ entry }) => [entry.src, entry.seq])).toEqual(
      range(1, 5).map((seq) => ["c", seq]),
    );
    expect(again.epoch).not.toBe(spool.epoch);
    disk.kill();
    // Heard once, it is no older copy the next time.
    const third = await Spool.open(spoolWorld(disk, 4), TINY_SPOOL);
    await third.greet(15);
    expect(third.epoch).toBe(again.epoch);
  });

  test("what an earlier life sent and the service commits only later makes no older copy of the disk, and nothing is sent twice", async () => {
    const disk = new FaultyDisk(new SeededRandom(1));
    const spool = await Spool.open(spoolWorld(disk), TINY_SPOOL);
    await spool.greet(0);
    for (let index = 1; index <= 8; index++) await spool.commit([textLine(index)]);
    await readAll(spool);
    disk.kill();
    const again = await Spool.open(spoolWorld(disk, 2), TINY_SPOOL);
    await again.greet(2);
    await again.read(2, { entriesMax: 1, bytesMax: 1_000 });
    // The connection is lost, and at the next greeting the service has all that the life before had sent.
    await again.greet(8);
    expect(again.epoch).toBe(spool.epoch);
    expect(await readAll(again)).toEqual([]);
    await again.commit([textLine(9)]);
    expect((await readAll(again)).map(({ position }) => position)).toEqual([9]);
  });

  test("a damaged loss record of several seqs is told of by all of them", async () => {
    const disk = new FaultyDisk(new SeededRandom(1));
    const spool = await Spool.open(spoolWorld(disk), { ...TINY_SPOOL, segmentBytes: 2_000 });
    const lost = { boot: "b", first: 2, last: 4 };
    const { seq: _, ...rest } = line("a", 0);
    await spool.commit([line("a", 1)]);
    await spool.commit([
      { ...rest, stream: "loss", msg: '{"count":3,"where":"agent","why":"ring full"}', lost },
    ]);
    await spool.commit([line("a", 5)]);
    await spool.close();
    const [path = ""] = [...disk.files.keys()].filter((name) => name.includes("seg-"));
    const at = disk.files.get(path)?.content.indexOf("ring full") ?? 0;
    disk.flipBit(path, at * 8);
    const again = await Spool.open(spoolWorld(disk), { ...TINY_SPOOL, segmentBytes: 2_000 });
    const told = (await readAll(again, 0)).flatMap(({ entry }) => entry.lost ?? []);
    expect(told).toEqual([lost]);
  });

  test("a service that lost what it had answered gets it again, as far as the replay horizon reaches", async () => {
    const disk = new FaultyDisk(new SeededRandom(1));
    const spool = await Spool.open(spoolWorld(disk), TINY_SPOOL);
    await spool.greet(0);
    for (let seq = 1; seq <= 30; seq++) await spool.commit([line("a", seq)]);
    await readAll(spool);
    await spool.confirm(30);
    await spool.greet(12);
    expect(seqsOf(await readAll(spool))).toEqual(range(13, 30));
  });

  test("says how many entries the service lost that it no longer holds itself, once", async () => {
    const world = spoolWorld(new FaultyDisk(new SeededRandom(1)));
    const spool = await Spool.open(world, TINY_SPOOL);
    for (let seq = 1; seq <= 30; seq++) await spool.commit([line("a", seq)]);
    await spool.greet(0);
    await readAll(spool);
    await spool.confirm(30);
    world.time.advance(60_000);
    await spool.maintain();
    const [oldest] = await readAll(spool, 0);
    const first = oldest?.position ?? 0;
    expect(first).toBeGreaterThan(11);
    // It is on a disk of an hour ago.
    for (let time = 0; time < 2; time++) await spool.greet(10);
    const found = await readAll(spool, 0);
    expect(seqsOf(found)).toEqual([...range(first, 30), undefined]);
    const loss = JSON.parse(found.at(-1)?.entry.msg ?? "") as object;
    expect(loss).toMatchObject({ count: first - 11, where: "gateway" });
  });
});

describe("a disk that fails to read", () => {
  test("for a moment costs nothing: no segment is removed unread, and nothing counts as damaged", async () => {
    for (let seed = 1; seed <= 40; seed++) {
      const disk = new FaultyDisk(new SeededRandom(seed));
      const spool = await Spool.open(spoolWorld(disk), TINY_SPOOL);
      for (let seq = 1; seq <= 30; seq++) await spool.commit([line("a", seq)]);
      disk.kill();
      const fileCount = disk.files.size;
      disk.readFails = 0.2;
      await Spool.open(spoolWorld(disk, seed), TINY_SPOOL).catch(() => {});
      disk.kill();
      disk.readFails = 0;
      expect(disk.files.size).toBeGreaterThanOrEqual(fileCount);
      const again = await Spool.open(spoolWorld(disk), TINY_SPOOL);
      expect(again.markOf("a", "b"), `seed ${seed}`).toBe(30);
      expect(seqsOf(await readAll(again, 0)), `seed ${seed}`).toEqual(range(1, 30));
    }
  });
});

test("a spool that is at its bound stays in it over restarts, and loses nothing", async () => {
  let bytesMost = 0;
  class MeasuredDisk extends FaultyDisk {
    override async replace(path: string, content: Uint8Array): Promise<void> {
      await super.replace(path, content);
      const segments = [...this.files].filter(([name]) => name.includes("seg-"));
      bytesMost = Math.max(
        bytesMost,
        segments.reduce((sum, [, file]) => sum + file.content.length, 0),
      );
    }
  }
  const disk = new MeasuredDisk(new SeededRandom(1));
  const options = { ...TINY_SPOOL, segmentBytes: 2_000, whenFull: "wait" as const };
  const spool = await Spool.open(spoolWorld(disk), options);
  let seq = 0;
  await expect(
    (async () => {
      for (;;) {
        await spool.commit([line("a", seq + 1)]);
        seq += 1;
      }
    })(),
  ).rejects.toThrow(SpoolFull);
  for (let time = 0; time < 5; time++) {
    disk.kill();
    const again = await Spool.open(spoolWorld(disk), options);
    expect(bytesMost).toBeLessThanOrEqual(9_000);
    expect(seqsOf(await readAll(again, 0))).toEqual(range(1, seq));
  }
});

test("a spool opens on a disk that fails every first read, and holds all", async () => {
  const disk = new FaultyDisk(new SeededRandom(1));
  const spool = await Spool.open(spoolWorld(disk), TINY_SPOOL);
  for (let seq = 1; seq <= 30; seq++) await spool.commit([line("a", seq)]);
  disk.kill();
  disk.readGlitches = 1;
  const again = await Spool.open(spoolWorld(disk), TINY_SPOOL);
  disk.readGlitches = 0;
  expect(seqsOf(await readAll(again, 0))).toEqual(range(1, 30));
});

test("a full spool whose oldest segment cannot be read for now takes nothing for now, and evicts it later", async () => {
  const disk = new FaultyDisk(new SeededRandom(1));
  const spool = await Spool.open(spoolWorld(disk), { ...TINY_SPOOL, whenFull: "evict" });
  await spool.greet(0);
  disk.readFails = 1;
  let seq = 0;
  const fill = async (): Promise<void> => {
    while (seq < 200) {
      await spool.commit([line("a", seq + 1)]);
      seq += 1;
    }
  };
  await expect(fill()).rejects.toThrow(SpoolUnavailable);
  expect(seq).toBeLessThan(200);
  disk.readFails = 0;
  await fill();
  const last = (await readAll(spool, 0)).findLast(({ entry }) => entry.lost === undefined);
  expect(last?.entry.seq).toBe(200);
});

describe("under faults drawn from a seed", () => {
  test("nothing that was acked is lost, repeated, altered or out of order", async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 0, max: 2 ** 31 }), async (seed) => {
        const random = new SeededRandom(seed);
        const disk = new FaultyDisk(random);
        let spool = await Spool.open(spoolWorld(disk, seed), TINY_SPOOL);
        await spool.greet(0);
        let acked = 0;
        /** What a board would send next: what the spool says it has, plus one. */
        let next = 1;
        const received: number[] = [];
        const forward = async (): Promise<void> => {
          const some = await spool.read(spool.position, {
            ...ALL,
            entriesMax: 1 + Math.floor(random.fraction() * 6),
          });
          for (const { payload } of some) {
            const entry = decodeIngestEntry(payload);
            if (entry.ok && entry.value.seq !== undefined) received.push(entry.value.seq);
          }
          const last = some.at(-1);
          if (last !== undefined) await spool.confirm(last.position);
          if (last !== undefined) served = last.position;
        };
        let served = 0;
        for (let step = 0; step < 150; step++) {
          const dice = random.fraction();
          disk.syncFails = dice < 0.2 ? 0.3 : 0;
          disk.writeFails = dice > 0.1 && dice < 0.3 ? 0.3 : 0;
          if (random.fraction() < 0.1) disk.stepsToCut = 1 + Math.floor(random.fraction() * 6);
          try {
            if (random.fraction() < 0.6) {
              const count = 1 + Math.floor(random.fraction() * 4);
              await spool.commit(range(next, next + count - 1).map((seq) => line("a", seq)));
              next += count;
              acked = next - 1;
            } else await forward();
            if (disk.stepsToCut <= 0) throw new Error("cut");
          } catch (error) {
            if (disk.stepsToCut > 0) {
              expect(error).toBeInstanceOf(SpoolUnavailable);
              continue;
            }
            disk.restart();
            disk.syncFails = 0;
            disk.writeFails = 0;
            spool = await Spool.open(spoolWorld(disk, seed + step), TINY_SPOOL);
            const mark = spool.markOf("a", "b") ?? 0;
            expect(mark).toBeGreaterThanOrEqual(acked);
            next = mark + 1;
            acked = mark;
            await spool.greet(served);
          }
        }
        disk.syncFails = 0;
        disk.writeFails = 0;
        disk.stepsToCut = Number.POSITIVE_INFINITY;
        while (spool.waitingEntries > 0) await forward();
        expect(received).toEqual(range(1, next - 1));
      }),
      { numRuns: 150 },
    );
  });

  test("cut again at every single step of the opening, the life after that has all that was acked", async () => {
    for (let seed = 1; seed <= 12; seed++) {
      const disk = new FaultyDisk(new SeededRandom(seed));
      const spool = await Spool.open(spoolWorld(disk), TINY_SPOOL);
      for (let seq = 1; seq <= 9; seq += 3)
        await spool.commit([seq, seq + 1, seq + 2].map((at) => line("a", at)));
      disk.restart();
      const image = disk.image();
      for (let step = 1; step <= 12; step++) {
        disk.restore(image);
        disk.stepsToCut = step;
        await Spool.open(spoolWorld(disk, 5), TINY_SPOOL).catch(() => {});
        disk.restart();
        const again = await Spool.open(spoolWorld(disk, 6), TINY_SPOOL);
        expect(seqsOf(await readAll(again, 0)), `seed ${seed}, step ${step}`).toEqual(range(1, 9));
      }
    }
  });

  test("cut at every single step of a life, the next one has all that was acked", async () => {
    const live = async (disk: FaultyDisk): Promise<{ acked: number }> => {
      const state = { acked: 0 };
      try {
        const world = spoolWorld(disk);
        const spool = await Spool.open(world, TINY_SPOOL);
        for (let seq = 1; seq <= 25; seq++) {
          await spool.commit([line("a", seq)]);
          state.acked = seq;
          if (seq % 7 === 0) {
            await spool.read(0, { ...ALL, entriesMax: 1 });
            await spool.confirm(seq - 3);
            world.time.advance(2_000);
            await spool.maintain();
          }
        }
        await spool.close();
      } catch {
        // The power is gone.
      }
      return state;
    };
    const whole = new FaultyDisk(new SeededRandom(1));
    await live(whole);
    expect(whole.stepCount).toBeGreaterThan(40);
    for (let step = 1; step <= whole.stepCount; step++) {
      for (let seed = 1; seed <= 3; seed++) {
        const disk = new FaultyDisk(new SeededRandom(seed));
        disk.stepsToCut = step;
        const { acked } = await live(disk);
        disk.restart();
        const spool = await Spool.open(spoolWorld(disk, 5), TINY_SPOOL);
        expect(spool.markOf("a", "b") ?? 0, `step ${step}, seed ${seed}`).toBeGreaterThanOrEqual(acked);
        const seqs = seqsOf(await readAll(spool, 0));
        const first = seqs[0] ?? 1;
        expect(first).toBeLessThanOrEqual(spool.position + 1);
        expect(seqs).toEqual(range(first, Math.max(acked, first - 1 + seqs.length)));
      }
    }
  });
});
