import { describe, expect, test } from "vitest";
import type { NewEntry, StoredEntry } from "../../../protocol/entry.ts";
import type { JetStreamStore } from "../../../service/store/jetstream/jetstream-store.ts";
import { Register, type RegisterForm } from "../../../service/store/jetstream/register.ts";
import { StoreUnavailable, UnknownToken } from "../../../service/store/log-store.ts";
import { entry, listAll, P, range, seqs } from "../../conformance/store-driver.ts";
import { openMemoryClusterStore } from "../../support/jetstream-store.ts";
import { MemoryCluster, MemoryEngine } from "../../support/memory-engine.ts";
import { SeededRandom } from "../store-drivers.ts";

const GATEWAYS = ["g1", "g2"];
const ENTRIES = 60;

/** What one gateway has to hand over: lines with a seq of boards of its own and of one that both hear, and lines without. */
function spoolOf(gateway: string): NewEntry[] {
  return range(1, ENTRIES).map((position) => {
    const kind = position % 4;
    if (kind === 0) return entry("shared", position / 4);
    if (kind === 1) return entry(`${gateway}-a`, (position + 3) / 4, { boot: `b${Math.ceil(position / 9)}` });
    const { boot: _boot, seq: _seq, ...plain } = entry(kind === 2 ? `${gateway}-a` : "console", position);
    return { ...plain, msg: JSON.stringify(`${gateway} ${position}`) };
  });
}

/** Hands over a spool as a gateway does: from where the store says it is, to any of the stores, until all is there. */
async function handOver(
  gateway: string,
  stores: readonly JetStreamStore[],
  random: SeededRandom,
): Promise<void> {
  const spool = spoolOf(gateway);
  for (let turn = 0; turn < 2000; turn++) {
    const store = stores[random.below(stores.length)];
    try {
      const stands = (await store?.spoolPosition(P, gateway, "e1")) ?? 0;
      if (stands >= spool.length) return;
      const last = Math.min(spool.length, stands + 1 + random.below(9));
      const spoolPositions = range(stands + 1, last);
      const entries = spool.slice(stands, last);
      const place = { project: P, gateway, epoch: "e1", position: last };
      await store?.append([{ project: P, entries, spoolPositions }], place);
    } catch (error) {
      if (!(error instanceof StoreUnavailable)) throw error;
    }
  }
  throw new Error("the spool was never handed over");
}

describe("where answers and publishes get lost, and reads fail", () => {
  test.each(range(1, 25))("every line is there once and in order, seed %i", async (seed) => {
    const random = new SeededRandom(seed);
    const cluster = new MemoryCluster(() => random.fraction());
    const stores = [await openMemoryClusterStore(cluster), await openMemoryClusterStore(cluster)].map(
      ({ store }) => store,
    );
    cluster.faults = { answerLost: 0.15, publishLate: 0.15, readFails: 0.05, checkPasses: 0.3 };
    await Promise.all(GATEWAYS.map((gateway) => handOver(gateway, stores, random)));
    cluster.faults = { answerLost: 0, publishLate: 0, readFails: 0 };
    const [store] = stores;
    if (store === undefined) return;
    const all = await listAll(store, { project: P }, 100);
    const shared = all.filter(({ src }) => src === "shared");
    expect(seqs(shared).toSorted((left, right) => (left ?? 0) - (right ?? 0))).toEqual(range(1, ENTRIES / 4));
    for (const gateway of GATEWAYS) {
      for (const src of [`${gateway}-a`, "console"]) {
        const mine = (one: NewEntry): boolean =>
          one.src === src && (src !== "console" || one.msg.includes(gateway));
        const expected = spoolOf(gateway)
          .filter(mine)
          .map(({ msg }) => msg);
        expect(all.filter(mine).map(({ msg }) => msg)).toEqual(expected);
      }
    }
    expect(await listAll(store, { project: P, src: "shared" }, 9)).toEqual(shared);
  });
});

describe("two processes that write one source at the same time", () => {
  test("store each seq once, and what waits behind goes in as well", async () => {
    const cluster = new MemoryCluster();
    const [one, two] = [await openMemoryClusterStore(cluster), await openMemoryClusterStore(cluster)];
    for (let first = 1; first <= 90; first += 3) {
      const entries = range(first, first + 2).map((seq) => entry("a", seq));
      await Promise.all([one, two, one].map(({ store }) => store.append([{ project: P, entries }])));
    }
    expect(seqs(await listAll(two.store, { project: P, src: "a" }))).toEqual(range(1, 90));
    const conflicts = [one, two].map(({ counters }) => counters.values().store_write_conflicts_total ?? 0);
    expect(Math.max(...conflicts)).toBeGreaterThan(0);
  });

  test("store each seq once where the cluster lets both through that follow on one message", async () => {
    const cluster = new MemoryCluster(() => 0);
    cluster.faults = { answerLost: 0, publishLate: 0, readFails: 0, checkPasses: 1 };
    const [one, two] = [await openMemoryClusterStore(cluster), await openMemoryClusterStore(cluster)];
    for (let first = 1; first <= 30; first += 3) {
      const entries = range(first, first + 2).map((seq) => entry("a", seq));
      await Promise.all([one, two].map(({ store }) => store.append([{ project: P, entries }])));
    }
    expect(seqs(await listAll(two.store, { project: P, src: "a" }))).toEqual(range(1, 30));
    expect(await one.store.mark(P, "a", "b1")).toBe(30);
  });

  test.each([
    ["of a line", 1],
    ["of a source's first message", 0],
  ])(
    "a copy %s that comes late is listed nowhere, and the source is written on all the same",
    async (_, index) => {
      const cluster = new MemoryCluster();
      const { store } = await openMemoryClusterStore(cluster);
      const heard: StoredEntry[] = [];
      store.subscribe(P, ({ stored }) => heard.push(...stored));
      for (const seq of [1, 2, 3]) await store.append([{ project: P, entries: [entry("a", seq)] }]);
      const stream = cluster.streams.get("m_log_default");
      const copied = stream?.messages[index];
      if (stream === undefined || copied === undefined) throw new Error("nothing was stored");
      cluster.publish(copied.subject, copied.data, undefined);
      const { store: other } = await openMemoryClusterStore(cluster);
      for (const each of [store, other]) {
        expect(seqs(await listAll(each, { project: P, src: "a" }))).toEqual([1, 2, 3]);
        expect(seqs(await each.list({ project: P, src: "a", limit: 9, newest: true }))).toEqual([1, 2, 3]);
        expect(seqs(await listAll(each, { project: P }))).toEqual([1, 2, 3]);
        expect(seqs(await each.listProject({ project: P, limit: 9, newest: true }))).toEqual([1, 2, 3]);
      }
      await other.append([{ project: P, entries: [entry("a", 3), entry("a", 4)] }]);
      expect(seqs(await listAll(store, { project: P, src: "a" }))).toEqual([1, 2, 3, 4]);
      await expect.poll(() => seqs(heard)).toEqual([1, 2, 3, 4]);
    },
  );

  test("keep the marks of any number of boots between them", async () => {
    const cluster = new MemoryCluster();
    const stores = [await openMemoryClusterStore(cluster), await openMemoryClusterStore(cluster)];
    const boots = range(1, 300).map((number) => `boot-${number}`);
    const append = async (index: number, entries: readonly NewEntry[]): Promise<readonly StoredEntry[]> =>
      (await stores[index % 2]?.store.append([{ project: P, entries }]))?.[0]?.stored ?? [];
    for (const [index, boot] of boots.entries())
      await append(index, [entry("a", 1, { boot }), entry("a", 4, { boot })]);
    // Many boots in one call, old ones and new.
    const late = boots.filter((_, index) => index % 7 === 0).map((boot) => entry("a", 2, { boot }));
    expect(await append(0, late)).toHaveLength(late.length);
    expect(await append(1, late)).toHaveLength(0);
    for (const [index, boot] of boots.entries()) {
      expect(await stores[index % 2]?.store.mark(P, "a", boot)).toBe(4);
      expect(await append(index, [entry("a", 4, { boot }), entry("a", 1, { boot })])).toEqual([]);
    }
    expect((await stores[0]?.store.sources(P))?.[0]).toMatchObject({ bootCount: 300, entryCount: 643 });
  });
});

describe("retention", () => {
  const DAY_MS = 86_400_000;

  test("by age takes whole messages from the beginning and leaves marks, positions, names and tokens", async () => {
    const cluster = new MemoryCluster();
    let nowMs = 1_763_784_000_000;
    cluster.nowMs = () => nowMs;
    const { store, counters } = await openMemoryClusterStore(cluster, { keepMs: DAY_MS });
    const old = await store.append([{ project: P, entries: [1, 2, 5].map((seq) => entry("a", seq)) }], {
      project: P,
      gateway: "g",
      epoch: "e",
      position: 3,
    });
    await store.append([{ project: P, entries: [entry("b", 1), entry("b", 2)] }]);
    nowMs += DAY_MS / 2;
    await store.append([{ project: P, entries: [entry("b", 3)] }]);
    await store.maintain();
    expect(await listAll(store, { project: P })).toHaveLength(6);
    nowMs += DAY_MS / 2 + 1;
    await store.maintain();
    expect(await listAll(store, { project: P })).toHaveLength(1);
    expect(counters.values().store_expired_entries_total).toBe(5);
    expect((await store.sources(P)).map(({ src, entryCount }) => [src, entryCount])).toEqual([
      ["a", 0],
      ["b", 1],
    ]);
    const { store: other } = await openMemoryClusterStore(cluster);
    for (const each of [store, other]) {
      expect(await each.spoolPosition(P, "g", "e")).toBe(3);
      expect(await each.mark(P, "a", "b1")).toBe(5);
      expect((await each.sources(P)).map(({ entryCount }) => entryCount)).toEqual([0, 1]);
      const after = old[0]?.stored[0]?.id ?? "";
      expect(seqs(await each.listProject({ project: P, after, limit: 9 }))).toEqual([3]);
      expect(await each.list({ project: P, src: "a", after, limit: 9 })).toEqual([]);
    }
    // An open gap is filled once, also by a process that never saw the message it was in.
    const again = [1, 2, 3, 5].map((seq) => entry("a", seq));
    expect(seqs((await other.append([{ project: P, entries: again }]))[0]?.stored ?? [])).toEqual([3]);
    expect((await store.append([{ project: P, entries: again }]))[0]?.storedCount).toBe(0);
    expect((await store.sources(P)).map(({ entryCount }) => entryCount)).toEqual([1, 1]);
  });

  test("by size takes the oldest of all projects until the rest fits", async () => {
    const cluster = new MemoryCluster();
    let nowMs = 1_763_784_000_000;
    cluster.nowMs = () => ++nowMs;
    const { store } = await openMemoryClusterStore(cluster, { keepBytes: 20_000 });
    for (let seq = 1; seq <= 100; seq++) {
      for (const project of ["other", P]) await store.append([{ project, entries: [entry("a", seq)] }]);
    }
    await store.maintain();
    const { diskBytes } = await store.status();
    expect(diskBytes).toBeLessThanOrEqual(21_000);
    const left = seqs(await listAll(store, { project: P, src: "a" }, 100));
    expect(left.length).toBeGreaterThan(20);
    expect(left).toEqual(range(101 - left.length, 100));
    expect(await store.mark("other", "a", "b1")).toBe(100);
  });

  test("forgets a deleted stream once what it hid is gone", async () => {
    const cluster = new MemoryCluster();
    let nowMs = 1_763_784_000_000;
    cluster.nowMs = () => nowMs;
    const { store } = await openMemoryClusterStore(cluster, { keepMs: DAY_MS });
    await store.append([{ project: P, entries: [entry("a", 1), entry("a", 2, { stream: "uart" })] }]);
    expect(await store.delete(P, "a", "uart")).toBe(1);
    expect((await store.sources(P))[0]?.entryCount).toBe(1);
    nowMs += DAY_MS * 2;
    await store.append([{ project: P, entries: [entry("a", 3, { stream: "uart" })] }]);
    await store.maintain();
    expect((await store.sources(P))[0]?.entryCount).toBe(1);
    expect(seqs(await listAll(store, { project: P, src: "a" }))).toEqual([3]);
  });
});

describe("a cluster that was put back", () => {
  test("is noticed; what was lost is taken again, once, and newer ids are refused", async () => {
    const cluster = new MemoryCluster();
    const { store, counters } = await openMemoryClusterStore(cluster);
    const send = (first: number, last: number) =>
      store.append(
        [
          {
            project: P,
            entries: range(first, last).map((seq) => entry("a", seq)),
            spoolPositions: range(first, last),
          },
        ],
        { project: P, gateway: "g", epoch: "e", position: last },
      );
    await send(1, 5);
    const copy = structuredClone(
      [...cluster.streams].map(([name, { messages, lastSeq }]) => ({ name, messages, lastSeq })),
    );
    const lost = await send(6, 9);
    for (const { name, messages, lastSeq } of copy) {
      const stream = cluster.streams.get(name);
      if (stream === undefined) continue;
      stream.messages = messages.map((message) => ({ ...message, data: Buffer.from(message.data) }));
      stream.lastSeq = lastSeq;
    }
    expect(await store.spoolPosition(P, "g", "e")).toBe(5);
    const after = lost[0]?.stored.at(-1)?.id ?? "";
    await expect(store.list({ project: P, src: "a", limit: 9, after })).rejects.toThrow(UnknownToken);
    await send(6, 9);
    expect(seqs(await listAll(store, { project: P, src: "a" }))).toEqual(range(1, 9));
    expect(counters.values().store_rolled_back_total).toBe(1);
    expect(await store.spoolPosition(P, "g", "e")).toBe(9);
  });
});

test("a batch that goes on from a position read before the connection was lost is refused: what lies between may be gone", async () => {
  const cluster = new MemoryCluster();
  const { store } = await openMemoryClusterStore(cluster);
  const send = (seq: number) =>
    store.append([{ project: P, entries: [entry("a", seq)], spoolPositions: [seq] }], {
      project: P,
      gateway: "g",
      epoch: "e",
      position: seq,
    });
  expect(await store.spoolPosition(P, "g", "e")).toBe(0);
  await send(1);
  cluster.generation++;
  await expect(send(2)).rejects.toThrow(StoreUnavailable);
  expect(await store.spoolPosition(P, "g", "e")).toBe(1);
  await send(2);
  expect(seqs(await listAll(store, { project: P, src: "a" }))).toEqual([1, 2]);
});

test("a page of a source in order of time, and a span of time, cost the same however much the source has by then", async () => {
  const cluster = new MemoryCluster();
  const { store } = await openMemoryClusterStore(cluster);
  const at = (seq: number): number => 1_763_784_000_000 + seq * 1000;
  // Every tenth comes from a clock that is an hour late.
  const line = (seq: number): NewEntry =>
    entry("a", seq, { timestamp: seq % 10 === 0 ? at(seq) - 3_600_000 : at(seq) });
  const costs: number[][] = [];
  let first = 1;
  for (const last of [100, 1_000]) {
    for (; first <= last; first++) await store.append([{ project: P, entries: [line(first)] }]);
    const query = { project: P, src: "a", sinceMs: 0, untilMs: Number.MAX_SAFE_INTEGER, limit: 10 };
    // What came since the last look is read once.
    await store.listByTime(query);
    const cost: number[] = [];
    const counted = async (look: () => Promise<unknown>): Promise<void> => {
      const before = cluster.readCount;
      await look();
      cost.push(cluster.readCount - before);
    };
    await counted(async () =>
      expect(seqs(await store.listByTime({ ...query, newest: true }))).toEqual(
        range(last - 11, last).filter((seq) => seq % 10 !== 0),
      ),
    );
    await counted(async () => expect(await store.listByTime(query)).toHaveLength(10));
    await counted(() => store.spanOf({ project: P, src: "a", sinceMs: at(50), untilMs: at(60) }));
    costs.push(cost);
  }
  expect(costs[1]).toEqual(costs[0]);
  expect(Math.max(...costs.flat())).toBeLessThan(100);
});

describe("an entry that no message can hold", () => {
  test("becomes a loss record in its place, and its seq is accounted for", async () => {
    const { store, counters } = await openMemoryClusterStore(new MemoryCluster(), {
      payloadBytesMax: 40_000,
    });
    const msg = JSON.stringify("x".repeat(50_000));
    const { boot: _boot, seq: _seq, ...plain } = entry("a", 9, { msg });
    await store.append([
      { project: P, entries: [entry("a", 1), entry("a", 2, { msg }), plain, entry("a", 3)] },
    ]);
    const listed = await listAll(store, { project: P, src: "a" });
    expect(listed.map(({ stream, seq }) => [stream, seq])).toEqual([
      ["console", 1],
      ["loss", 2],
      ["loss", undefined],
      ["console", 3],
    ]);
    expect(listed[1]?.msg).toMatch(/max_payload/);
    expect(await store.mark(P, "a", "b1")).toBe(3);
    expect(counters.values().store_oversize_entries_total).toBe(2);
  });
});

test("a damaged message is left out and counted, never altered", async () => {
  const cluster = new MemoryCluster();
  const { store, counters } = await openMemoryClusterStore(cluster);
  for (const seq of [1, 2, 3]) await store.append([{ project: P, entries: [entry("a", seq)] }]);
  // The first one is empty.
  const message = cluster.streams.get("m_log_default")?.messages[2];
  message?.data.set([(message.data.at(-3) ?? 0) ^ 4], message.data.length - 3);
  expect(seqs(await listAll(store, { project: P, src: "a" }))).toEqual([1, 3]);
  expect(seqs(await listAll(store, { project: P }))).toEqual([1, 3]);
  expect(counters.values().store_corrupt_values_total).toBeGreaterThan(0);
});

test("of two changes that are made of one value at once, what the first one made is not hidden by the other", async () => {
  const cluster = new MemoryCluster(() => 0);
  cluster.faults = { answerLost: 0, publishLate: 0, readFails: 0, checkPasses: 1 };
  const engine = new MemoryEngine(cluster);
  await engine.ensureStream("m_values", "m.values.>", 16);
  const place = { engine, prefix: "m", stream: "m_values" };
  const form: RegisterForm<number> = {
    empty: 0,
    encode: (value, to) => to.varint(value),
    decode: (from) => from.varint(),
  };
  const raise = (by: number): Promise<void> =>
    new Register(place, "m.values.a", form).update((known) => (known >= by ? undefined : by));
  await raise(1);
  await Promise.all([raise(60), raise(50)]);
  expect(await new Register(place, "m.values.a", form).read()).toBe(60);
});
