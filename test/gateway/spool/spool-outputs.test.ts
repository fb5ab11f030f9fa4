import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Spool } from "../../../gateway/spool/spool.ts";
import { SpoolFull } from "../../../gateway/spool/spool-errors.ts";
import type { SpoolReader } from "../../../gateway/spool/spool-reader.ts";
import { decodeIngestEntry } from "../../../protocol/ingest-entry.ts";
import { FaultyDisk } from "../../../sim/faulty-disk.ts";
import { SeededRandom } from "../../support/gateway-world.ts";
import { boardLine, spoolWorld, TINY_SPOOL } from "../../support/spool-world.ts";

const TINY = {
  ...TINY_SPOOL,
  outputs: ["slow", "fast"].map((name) => ({ name, evictedCounter: `${name}_evicted` })),
};
const BOUNDS = { entriesMax: 5, bytesMax: 1e9 };

/** Takes what there is, up to a position. */
async function take(reader: SpoolReader, through = Number.POSITIVE_INFINITY): Promise<number[]> {
  const seqs: number[] = [];
  while (reader.position < Math.min(through, reader.durable)) {
    const records = await reader.read(reader.position, BOUNDS);
    for (const { payload } of records) {
      const entry = decodeIngestEntry(payload);
      if (!entry.ok) throw new Error(entry.problem.text);
      if (entry.value.seq !== undefined) seqs.push(entry.value.seq);
    }
    await reader.confirm(records.at(-1)?.position ?? reader.durable);
  }
  return seqs;
}

const range = (first: number, last: number): number[] =>
  Array.from({ length: last - first + 1 }, (_, index) => first + index);

describe("outputs beside the service", () => {
  test("each reads everything at its own pace, and what a slow one lacks stays", async () => {
    const world = spoolWorld(new FaultyDisk(new SeededRandom(1)));
    const spool = await Spool.open(world, TINY);
    for (let number = 1; number <= 30; number++) await spool.commit([boardLine(number)]);
    expect(await take(spool)).toEqual(range(1, 30));
    expect(await take(spool.output("fast"))).toEqual(range(1, 30));
    world.time.advance(5_000);
    await spool.maintain();
    expect(spool.waitingEntries).toBe(0);
    expect(spool.output("slow").waitingEntries).toBe(30);
    expect(await take(spool.output("slow"), 7)).toEqual(range(1, 10));
    await spool.maintain();
    expect(await take(spool.output("slow"))).toEqual(range(11, 30));
    await spool.maintain();
    expect(spool.segmentCount).toBeLessThanOrEqual(1);
    expect(spool.output("slow").takeEvictedCount()).toBe(0);
  });

  test("a slow one gives way when the room is needed: counted, logged, told, and no one else is held up", async () => {
    const world = spoolWorld(new FaultyDisk(new SeededRandom(1)));
    const spool = await Spool.open(world, TINY);
    let taken = 0;
    for (let number = 1; number <= 300; number++) {
      await spool.commit([boardLine(number)]);
      taken += (await take(spool)).length;
      await take(spool.output("fast"));
    }
    expect(taken).toBe(300);
    expect(spool.bytes).toBeLessThanOrEqual(9_000);
    const slow = spool.output("slow");
    const rest = await take(slow);
    const evicted = slow.takeEvictedCount();
    expect(evicted).toBeGreaterThan(100);
    expect(rest).toEqual(range(evicted + 1, 300));
    expect(slow.takeEvictedCount()).toBe(0);
    expect(world.counters.values()).toMatchObject({ slow_evicted: evicted });
    expect(world.counters.values().fast_evicted).toBeUndefined();
    expect(world.counters.values().spool_full_commits_total).toBeUndefined();
    expect(world.log.text).toContain("before this output had them");
  });

  test("one that is told nothing before a kill is told by the next life", async () => {
    const disk = new FaultyDisk(new SeededRandom(1));
    const spool = await Spool.open(spoolWorld(disk), TINY);
    for (let number = 1; number <= 300; number++) {
      await spool.commit([boardLine(number)]);
      await take(spool);
      if (number === 20) await take(spool.output("slow"));
    }
    disk.kill();
    const again = await Spool.open(spoolWorld(disk), TINY);
    const evicted = again.output("slow").takeEvictedCount();
    expect(evicted).toBeGreaterThan(100);
    expect(await take(again.output("slow"))).toEqual(range(20 + evicted + 1, 300));
  });

  test("the service alone holds back boards: without it the spool fills, whatever the outputs have", async () => {
    const world = spoolWorld(new FaultyDisk(new SeededRandom(1)));
    const spool = await Spool.open(world, TINY);
    const fill = async (): Promise<void> => {
      for (let number = 1; ; number++) {
        await spool.commit([boardLine(number)]);
        for (const name of ["slow", "fast"]) await take(spool.output(name));
      }
    };
    await expect(fill()).rejects.toThrow(SpoolFull);
    expect((await take(spool)).length).toBe(spool.durable);
  });

  test("on a full disk the oldest that the service has goes, though an output lacks it", async () => {
    const disk = new FaultyDisk(new SeededRandom(1));
    const world = spoolWorld(disk);
    const spool = await Spool.open(world, { ...TINY, bytesMax: 900_000 });
    for (let number = 1; number <= 60; number++) await spool.commit([boardLine(number)]);
    await take(spool);
    disk.bytesMax = disk.bytes + 100;
    let next = 61;
    for (let tries = 0; tries < 40 && next <= 80; tries++) {
      await spool.commit([boardLine(next)]).then(
        () => (next += 1),
        () => {},
      );
    }
    expect(next).toBe(81);
    const evicted = spool.output("slow").takeEvictedCount();
    expect(evicted).toBeGreaterThan(0);
    expect(evicted).toBeLessThan(60);
    expect(await take(spool.output("slow"))).toEqual(range(evicted + 1, 80));
  });

  test("a new one begins with what comes from then on; one that is taken out of the settings and put back too", async () => {
    const disk = new FaultyDisk(new SeededRandom(1));
    const without = { ...TINY, outputs: [] };
    const first = await Spool.open(spoolWorld(disk), without);
    for (let number = 1; number <= 10; number++) await first.commit([boardLine(number)]);
    await first.close();
    const second = await Spool.open(spoolWorld(disk), TINY);
    await second.commit([boardLine(11)]);
    expect(await take(second.output("slow"))).toEqual([11]);
    expect(await take(second)).toEqual(range(1, 11));
    await second.close();
    const third = await Spool.open(spoolWorld(disk), without);
    await third.commit([boardLine(12)]);
    await third.close();
    expect([...disk.files.keys()].filter((path) => path.includes("slow"))).toEqual([]);
    const fourth = await Spool.open(spoolWorld(disk), TINY);
    await fourth.commit([boardLine(13)]);
    expect(await take(fourth.output("slow"))).toEqual([13]);
    expect(fourth.output("slow").takeEvictedCount()).toBe(0);
  });

  test("a damaged cursor begins at the oldest entry: twice rather than never", async () => {
    const disk = new FaultyDisk(new SeededRandom(1));
    const spool = await Spool.open(spoolWorld(disk), TINY);
    for (let number = 1; number <= 10; number++) await spool.commit([boardLine(number)]);
    await take(spool.output("slow"));
    await spool.close();
    for (const slot of ["a", "b"]) disk.flipBit(`spool/cursor-slow-${slot}`, 3);
    const again = await Spool.open(spoolWorld(disk), TINY);
    expect(await take(again.output("slow"))).toEqual(range(1, 10));
  });

  test("where the segments are gone, what comes next has positions behind those that an output had", async () => {
    const disk = new FaultyDisk(new SeededRandom(1));
    const spool = await Spool.open(spoolWorld(disk), TINY);
    for (let number = 1; number <= 30; number++) await spool.commit([boardLine(number)]);
    await take(spool.output("slow"));
    await spool.close();
    for (const path of [...disk.files.keys()]) if (path.includes("seg-")) await disk.remove(path);
    const again = await Spool.open(spoolWorld(disk), TINY);
    await again.commit([boardLine(31)]);
    expect(await take(again.output("slow"))).toEqual([31]);
    expect(await take(again)).toContain(31);
  });

  test("damage in what the service has is no loss there: it is counted, and no loss record is written", async () => {
    const disk = new FaultyDisk(new SeededRandom(1));
    const world = spoolWorld(disk);
    const spool = await Spool.open(world, TINY);
    for (let number = 1; number <= 40; number++) await spool.commit([boardLine(number)]);
    await take(spool);
    disk.flipBit("spool/seg-0000000001", 8 * 200);
    const before = spool.durable;
    const seqs = await take(spool.output("slow"));
    expect(seqs.length).toBeLessThan(40);
    expect(spool.durable).toBe(before);
    expect(world.counters.values().spool_damaged_entries_total).toBe(40 - seqs.length);
  });
});

test("under cuts drawn from a seed every output gets all of it, in order, again only from its written cursor on", async () => {
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 0, max: 2 ** 31 }), async (seed) => {
      const random = new SeededRandom(seed);
      const disk = new FaultyDisk(random);
      const options = { ...TINY, bytesMax: 900_000 };
      let spool = await Spool.open(spoolWorld(disk), options);
      const got: Record<string, number[]> = { service: [], slow: [], fast: [] };
      const readerOf = (name: string): SpoolReader => (name === "service" ? spool : spool.output(name));
      let acked = 0;
      for (let step = 0; step < 80; step++) {
        if (random.fraction() < 0.1) disk.stepsToCut = 1 + Math.floor(random.fraction() * 5);
        try {
          const dice = random.fraction();
          const name = dice < 0.5 ? "" : dice < 0.7 ? "service" : dice < 0.9 ? "fast" : "slow";
          if (name === "") {
            await spool.commit([boardLine(acked + 1)]);
            acked += 1;
          } else {
            const reader = readerOf(name);
            const records = await reader.read(reader.position, BOUNDS);
            for (const { position } of records) got[name]?.push(position);
            const last = records.at(-1);
            if (last !== undefined) await reader.confirm(last.position);
          }
          if (random.fraction() < 0.1) await spool.maintain();
          if (disk.stepsToCut <= 0) throw new Error("cut");
        } catch (error) {
          if (disk.stepsToCut > 0) throw error;
          disk.restart();
          spool = await Spool.open(spoolWorld(disk), options);
          // A line that was never acked may be there all the same.
          acked = spool.markOf("a", "b") ?? 0;
        }
      }
      for (const [name, positions] of Object.entries(got)) {
        const reader = readerOf(name);
        while (reader.position < reader.durable) {
          const records = await reader.read(reader.position, BOUNDS);
          for (const { position } of records) positions.push(position);
          await reader.confirm(records.at(-1)?.position ?? reader.durable);
        }
        let highest = 0;
        for (const position of positions) {
          expect(position, `${name}, seed ${seed}`).toBeLessThanOrEqual(highest + 1);
          highest = Math.max(highest, position);
        }
        expect(highest).toBe(spool.durable);
        expect(reader.takeEvictedCount()).toBe(0);
      }
    }),
    { numRuns: 100 },
  );
});
