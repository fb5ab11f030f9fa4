import { describe, expect, test } from "vitest";
import { missingBelow, type SeqSpan } from "../../gateway/missing-seqs.ts";
import { Spool } from "../../gateway/spool/spool.ts";
import { SpooledUplink } from "../../gateway/spooled-uplink.ts";
import { UnaskedBoots, WHY_NEVER_CAME } from "../../gateway/unasked-boots.ts";
import { UplinkUnavailable } from "../../gateway/uplink.ts";
import { decodeIngestEntry } from "../../protocol/ingest-entry.ts";
import { FaultyDisk } from "../../sim/faulty-disk.ts";
import { ProcessLife } from "../../sim/process-life.ts";
import { virtualWorld } from "../support/gateway-world.ts";

const DAY_MS = 86_400_000;

/** A service that may be away, and a gateway's processes one after the other on one disk. */
async function setUp() {
  const world = virtualWorld();
  const disk = new FaultyDisk(world.random);
  const service = { isAway: true, missing: [] as readonly SeqSpan[] | undefined, asked: 0 };
  const client = {
    mark: async (): Promise<number> => {
      throw new UplinkUnavailable("away");
    },
    missing: async (): Promise<readonly SeqSpan[] | undefined> => {
      if (service.isAway) throw new UplinkUnavailable("away");
      service.asked += 1;
      return service.missing;
    },
  };
  let life = new ProcessLife(world.time);
  const begin = async () => {
    life = new ProcessLife(world.time);
    const own = { ...world, timers: life, disk, client, isConnected: () => !service.isAway };
    const spool = await Spool.open(own, { gatewaySrc: "gw", commitIntervalMs: 0 });
    const unasked = await UnaskedBoots.open({ ...own, spool });
    const uplink = new SpooledUplink({ ...own, spool, unasked }, { project: "default" });
    const losses = async (): Promise<unknown[]> => {
      const records = await spool.read(spool.position, { entriesMax: 100, bytesMax: 1e6 });
      return records.flatMap(({ payload }) => {
        const entry = decodeIngestEntry(payload);
        return entry.ok && entry.value.stream === "loss" ? [JSON.parse(entry.value.msg)] : [];
      });
    };
    return { uplink, unasked, losses };
  };
  const kill = (): void => {
    life.kill();
    disk.kill();
  };
  const counted = (): number => world.counters.values().gateway_never_came_seqs_total ?? 0;
  return { time: world.time, disk, service, begin, kill, counted };
}

const lossOf = (first: number, last: number): object => ({
  boot: "b",
  first,
  last,
  count: last - first + 1,
  where: "gateway",
  why: WHY_NEVER_CAME,
});

describe("a boot that was met while the service was away", () => {
  test("and whose lines below were with the service is done with as soon as it says so", async () => {
    const { time, service, begin, disk } = await setUp();
    const { uplink, losses } = await begin();
    expect(await uplink.mark("default", "pump", "b", 40)).toBe(39);
    await time.advanceAsync(DAY_MS);
    service.isAway = false;
    await time.advanceAsync(8 * DAY_MS);
    expect(service.asked).toBe(1);
    expect(await losses()).toEqual([]);
    expect(time.pendingCount).toBe(0);
    expect(Buffer.from((await disk.read("unasked-boots.json")) ?? []).toString()).toContain('"boots":[]');
  });

  test("has a loss record of what nobody brought within a week, and of nothing else", async () => {
    const { time, service, begin, counted } = await setUp();
    const { uplink, losses } = await begin();
    await uplink.mark("default", "pump", "b", 40);
    service.isAway = false;
    service.missing = [
      { first: 3, last: 20 },
      { first: 30, last: 39 },
    ];
    await time.advanceAsync(5 * DAY_MS);
    // Another gateway has come back.
    service.missing = [{ first: 30, last: 39 }];
    await time.advanceAsync(1.9 * DAY_MS);
    expect(await losses()).toEqual([]);
    await time.advanceAsync(DAY_MS);
    expect(await losses()).toEqual([lossOf(30, 39)]);
    expect(counted()).toBe(10);
    expect(time.pendingCount).toBe(0);
  });

  test("is remembered by the gateway's next lives, however they ended, with the time that it has waited", async () => {
    const { time, service, begin, kill } = await setUp();
    let present = await begin();
    await present.uplink.mark("default", "pump", "b", 3);
    service.missing = [{ first: 1, last: 2 }];
    for (let day = 1; day <= 6; day++) {
      await time.advanceAsync(DAY_MS);
      if (day % 2 === 0) await present.unasked.stop();
      kill();
      present = await begin();
      service.isAway = day < 3;
    }
    expect(await present.losses()).toEqual([]);
    // A kill makes an hour be waited again.
    await time.advanceAsync(DAY_MS + 7 * 3_600_000);
    expect(await present.losses()).toEqual([lossOf(1, 2)]);
  });

  test("is kept where the service does not say what it lacks", async () => {
    const { time, service, begin } = await setUp();
    const { uplink, losses } = await begin();
    await uplink.mark("default", "pump", "b", 3);
    service.isAway = false;
    service.missing = undefined;
    await time.advanceAsync(9 * DAY_MS);
    expect(await losses()).toEqual([]);
    service.missing = [{ first: 2, last: 2 }];
    await time.advanceAsync(DAY_MS);
    expect(await losses()).toEqual([lossOf(2, 2)]);
  });

  test("at its first line costs the disk nothing", async () => {
    const { time, begin, disk } = await setUp();
    const { uplink } = await begin();
    expect(await uplink.mark("default", "pump", "b", 1)).toBe(0);
    await time.advanceAsync(1_000);
    expect(await disk.read("unasked-boots.json").catch(() => undefined)).toBeUndefined();
  });
});

test("what is missing below a seq: open gaps, and what is above the mark", () => {
  const gaps = [
    [1, 2],
    [8, 20],
  ];
  expect(missingBelow(10, { mark: 30, gaps })).toEqual([
    { first: 1, last: 2 },
    { first: 8, last: 9 },
  ]);
  expect(missingBelow(40, { mark: 30, gaps: [] })).toEqual([{ first: 31, last: 39 }]);
  expect(missingBelow(8, { mark: 30, gaps: [[8, 20]] })).toEqual([]);
  expect(missingBelow(8, { mark: 30 })).toBeUndefined();
  expect(missingBelow(8, { mark: 30, gaps: [["1", 2]] })).toBeUndefined();
});
