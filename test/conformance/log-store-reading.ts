import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { entriesText } from "../../protocol/answer.ts";
import type { MsgJson, NewEntry, StoredEntry } from "../../protocol/entry.ts";
import { LEVEL_RANK } from "../../protocol/level.ts";
import { EXTRA_FIELDS, type ExtraField } from "../../protocol/methods.ts";
import { ByteWriter } from "../../service/store/byte-writer.ts";
import {
  compareTime,
  type LogStore,
  type PageQuery,
  type SourceRates,
  StoreUnavailable,
  type TimeQuery,
  UnknownToken,
} from "../../service/store/log-store.ts";
import { type AppendUnit, entry, listAll, lossOf, P, range, type StoreDriver, seqs } from "./store-driver.ts";

const NONE = { agent: 0, link: 0, gateway: 0, service: 0 };
const DAY_MS = 86_400_000;

/** What every driver of `LogStore` must do beside taking entries and paging through them: sources, time, levels, deletion. */
export function describeReading(
  name: string,
  unit: AppendUnit,
  makeDriver: () => Promise<StoreDriver>,
): void {
  describe(`reading from LogStore on ${name}`, () => {
    let driver: StoreDriver;
    let store: LogStore;

    beforeEach(async () => {
      driver = await makeDriver();
      store = await driver.open();
    });

    afterEach(async () => {
      await store.close();
      await driver.dispose();
    });

    async function reopen(): Promise<void> {
      await store.close();
      store = await driver.open();
    }

    async function append(entries: readonly NewEntry[], project = P): Promise<readonly StoredEntry[]> {
      const [result] = await store.append([{ project, entries }]);
      return result?.stored ?? [];
    }

    /** Runs the check as things are, and once more after a reopening. */
    async function twice(check: () => Promise<void>): Promise<void> {
      await check();
      await reopen();
      await check();
    }

    describe("sources", () => {
      it("are told with the received time of their last entry and how many they have", async () => {
        expect(await store.sources(P)).toEqual([]);
        for (let seq = 1; seq <= 33; seq++) await append([entry("b", seq), entry("b", seq)]);
        await append([entry("a", 1, { received: 7 })]);
        await append([entry("a", 2, { received: 5 })]);
        const rest = { bootCount: 1, lastBoot: "b1", clock: "device", lossCounts: NONE };
        const expected = [
          { src: "a", lastReceived: 5, entryCount: 2, ...rest },
          { src: "b", lastReceived: 1_763_784_000_533, entryCount: 33, ...rest },
        ];
        await twice(async () => expect(await store.sources(P)).toStrictEqual(expected));
        await append([entry("b", 34)]);
        await reopen();
        expect((await store.sources(P))[1]?.entryCount).toBe(34);
      });

      it("are told with their boots, the quality of their clock, and what was lost where", async () => {
        const { boot: _boot, seq: _seq, ...plain } = entry("a", 1);
        for (let round = 1; round <= 20; round++) {
          await append([
            entry("a", 1, { boot: `boot-${round}`, clock: "estimated", clockError: round }),
            entry("a", 2, { boot: `boot-${round}`, clock: "server" }),
            { ...plain, clock: "estimated", clockError: 0 },
            lossOf("b", "b1", round * 10, round * 10 + 4),
            // The same again is a duplicate, and counts no loss.
            lossOf("b", "b1", round * 10, round * 10 + 4),
          ]);
        }
        const agent = { ...lossOf("b", "b1", 900, 901), msg: '{"where":"agent","count":2,"why":"x"}' };
        await append([agent, { ...lossOf("b", "b1", 902, 902), msg: '"no loss record"' }]);
        await append([{ ...plain, src: "c", stream: "loss", msg: '{"where":"mars","count":5}' }]);
        await twice(async () => {
          expect(await store.sources(P)).toStrictEqual([
            {
              src: "a",
              lastReceived: plain.received,
              entryCount: 60,
              bootCount: 20,
              lastBoot: "boot-20",
              clock: "estimated",
              clockError: 0,
              lossCounts: NONE,
            },
            {
              src: "b",
              lastReceived: 6,
              entryCount: 22,
              bootCount: 1,
              clock: "server",
              lossCounts: { ...NONE, link: 100, agent: 2 },
            },
            {
              src: "c",
              lastReceived: plain.received,
              entryCount: 1,
              bootCount: 0,
              clock: "device",
              lossCounts: NONE,
            },
          ]);
        });
      });
    });

    /** Entries of three sources, whose times run apart from their arrival; returns what is stored. */
    async function fill(): Promise<StoredEntry[]> {
      const stored: StoredEntry[] = [];
      for (let seq = 1; seq <= 60; seq++) {
        const entries = ["a", "b", "c"].map((src, index) =>
          entry(src, seq, {
            timestamp: (((seq * 37 + index * 5) % 90) + 10) * 1000,
            stream: seq % 5 === 0 ? "uart" : "console",
            ...(seq % 3 > 0 && { level: seq % 3 === 1 ? "info" : "error" }),
          }),
        );
        stored.push(...(await append(entries)));
        await append([entry("a", seq)], "other");
      }
      return stored;
    }

    describe("pages as text", () => {
      const more: readonly Partial<NewEntry>[] = [
        { level: "warn", module: "net" },
        { stream: "uart", msg: '{"b" : 1.0,"a":12345678901234567890}' as MsgJson },
        {
          msg: '"\\u00fc \u00fc \u{1f600} \\"quoted\\""' as MsgJson,
          uptime: 7,
          clock: "estimated",
          clockError: 0,
        },
        {
          boot: 'b "2" \u00fc',
          timestamp: 0,
          received: 2 ** 53 - 1,
          uptime: 999_999_999_999,
          level: "error",
        },
      ];

      async function textOf(query: PageQuery, fields: readonly ExtraField[]): Promise<string> {
        const to = new ByteWriter(16);
        to.characters("before it ");
        const page = await store.writePage(query, fields, to);
        const { src, ...rest } = query;
        const entries =
          src === undefined ? await store.listProject(rest) : await store.list({ ...rest, src });
        const [first, last] = [entries[0]?.id, entries.at(-1)?.id];
        expect(page).toStrictEqual({ entryCount: entries.length, firstId: first, lastId: last });
        const text = to.view().toString();
        expect(text).toBe(`before it ${entriesText(entries, fields)}`);
        return text;
      }

      it("hold what the entries hold, byte for byte, whatever is asked for and wherever it lies", async () => {
        for (let seq = 1; seq <= 30; seq++)
          await append([
            entry("a", seq, more[seq % 5]),
            entry("b\u00fc", seq),
            lossOf("a", "b9", seq * 3, seq * 3),
          ]);
        await store.delete(P, "b\u00fc");
        await store.delete(P, "a", "uart");
        for (let seq = 31; seq <= 40; seq++)
          await append([entry("a", seq, more[seq % 5]), entry("b\u00fc", seq)]);
        const ids = (await listAll(store, { project: P })).map(({ id }) => id);
        const fieldLists = [[], EXTRA_FIELDS, ["seq", "level", "seq", "boot"]] as const;
        await twice(async () => {
          for (const fields of fieldLists) {
            for (const src of [{}, { src: "a" }, { src: "b\u00fc" }]) {
              for (const limit of [1, 9, 1000]) {
                const query = { project: P, limit, ...src };
                await textOf(query, fields);
                await textOf({ ...query, newest: true }, fields);
                await textOf({ ...query, stream: "uart" }, fields);
                for (const id of [ids[3] ?? "", ids[40] ?? "", ids.at(-1) ?? ""]) {
                  await textOf({ ...query, after: id }, fields);
                  await textOf({ ...query, before: id, newest: true, stream: "console" }, fields);
                }
              }
            }
          }
        });
      });

      it("are empty arrays where there is nothing", async () => {
        expect(await textOf({ project: P, src: "nobody", limit: 5 }, EXTRA_FIELDS)).toBe("before it []");
        expect(await textOf({ project: "none", limit: 5 }, [])).toBe("before it []");
      });

      it("refuse a token that was never given", async () => {
        await append([entry("a", 1)]);
        const page = store.writePage({ project: P, after: "made up", limit: 5 }, [], new ByteWriter(16));
        await expect(page).rejects.toThrow(UnknownToken);
      });
    });

    describe("by time", () => {
      const pages = async (query: Omit<TimeQuery, "project" | "beyond">): Promise<StoredEntry[]> => {
        const all: StoredEntry[] = [];
        for (;;) {
          const last = query.newest ? all[0] : all.at(-1);
          const page = await store.listByTime({ project: P, ...query, ...(last && { beyond: last }) });
          expect(page.length).toBeLessThanOrEqual(query.limit);
          if (page.length === 0) return all;
          if (query.newest) all.unshift(...page);
          else all.push(...page);
        }
      };

      it("gives every entry of a time once, in order, in pages of any size, from either end, of one source and of all", async () => {
        const stored = await fill();
        const ranges = [
          { sinceMs: 0, untilMs: Number.MAX_SAFE_INTEGER },
          { sinceMs: 30_000, untilMs: 60_000 },
          { sinceMs: 99_000, untilMs: 99_001 },
          { sinceMs: 500_000, untilMs: 600_000 },
        ];
        await twice(async () => {
          for (const times of ranges) {
            for (const filter of [{}, { src: "b" }, { stream: "uart" }, { src: "c", stream: "uart" }]) {
              const expected = stored
                .filter(({ timestamp }) => timestamp >= times.sinceMs && timestamp < times.untilMs)
                .filter(({ src }) => !("src" in filter) || src === filter.src)
                .filter(({ stream }) => !("stream" in filter) || stream === filter.stream)
                .sort(compareTime);
              for (const limit of [7, 1000]) {
                for (const newest of [false, true]) {
                  const listed = await pages({ ...times, ...filter, limit, newest });
                  expect(listed, JSON.stringify({ times, filter, limit, newest })).toEqual(expected);
                }
              }
            }
          }
        });
      });

      it("never puts entries of one boot against their seq where their time is the same", async () => {
        for (const seq of [9, 3, 1, 7, 2, 8])
          await append([entry("a", seq, { timestamp: 50 }), entry("a", seq, { timestamp: 50, boot: "b0" })]);
        await twice(async () => {
          const listed = await store.listByTime({ project: P, src: "a", sinceMs: 0, untilMs: 99, limit: 99 });
          expect(listed.map(({ boot }) => boot)).toEqual([...Array(6).fill("b0"), ...Array(6).fill("b1")]);
          expect(seqs(listed)).toEqual([1, 2, 3, 7, 8, 9, 1, 2, 3, 7, 8, 9]);
        });
      });

      it("gives nothing of a source or project that has nothing", async () => {
        await append([entry("a", 1)]);
        const query = { sinceMs: 0, untilMs: Number.MAX_SAFE_INTEGER, limit: 9 };
        expect(await store.listByTime({ ...query, project: P, src: "nobody" })).toEqual([]);
        expect(await store.listByTime({ ...query, project: "nothing" })).toEqual([]);
      });
    });

    describe("rates", () => {
      it("count the entries of each level in each span of time, by source", async () => {
        const stored = await fill();
        const count = (src: string, sinceMs: number, stepMs: number, buckets: number, stream?: string) => {
          const counts = range(1, buckets).map(() => [0, 0, 0, 0, 0]);
          for (const one of stored) {
            const row = counts[Math.floor((one.timestamp - sinceMs) / stepMs)];
            if (one.src !== src || row === undefined || (stream !== undefined && one.stream !== stream))
              continue;
            const rank = one.level === undefined ? 0 : LEVEL_RANK[one.level];
            row[rank] = (row[rank] ?? 0) + 1;
          }
          return counts;
        };
        await twice(async () => {
          for (const [sinceMs, stepMs, bucketCount] of [
            [0, 100_000, 1],
            [0, 10_000, 10],
            [30_000, 777, 100],
            [0, DAY_MS, 3],
          ] as const) {
            const times = { sinceMs, untilMs: sinceMs + stepMs * bucketCount, bucketCount };
            for (const filter of [{}, { stream: "uart" }, { src: "b" }]) {
              const rates = await store.rates({ project: P, ...times, ...filter });
              const expected: SourceRates[] = [];
              for (const src of "src" in filter ? ["b"] : ["a", "b", "c"]) {
                const counts = count(
                  src,
                  sinceMs,
                  stepMs,
                  bucketCount,
                  "stream" in filter ? "uart" : undefined,
                );
                if (counts.flat().some((number) => number > 0)) expected.push({ src, counts });
              }
              expect(rates, JSON.stringify({ times, filter })).toEqual(expected);
            }
          }
        });
        expect(await store.rates({ project: "none", sinceMs: 0, untilMs: 9, bucketCount: 1 })).toEqual([]);
      });
    });

    describe("a span", () => {
      it("of ids holds every entry of the time, and there is none where there is no entry", async () => {
        const stored = await fill();
        await twice(async () => {
          for (const [sinceMs, untilMs] of [
            [0, Number.POSITIVE_INFINITY],
            [30_000, 60_000],
            [99_000, 99_001],
            [0, 12_000],
          ] as const) {
            for (const src of [undefined, "b"]) {
              const times = { project: P, sinceMs, untilMs, ...(src !== undefined && { src }) };
              const isWanted = (one: StoredEntry): boolean =>
                one.timestamp >= sinceMs && one.timestamp < untilMs && (src === undefined || one.src === src);
              const span = await store.spanOf(times);
              const listed = await store.listProject({ project: P, ...span, limit: 1000, newest: true });
              expect(listed.filter(isWanted), JSON.stringify(times)).toEqual(stored.filter(isWanted));
            }
          }
          const none = await store.spanOf({ project: P, sinceMs: 500_000, untilMs: 600_000 });
          if (unit === "call") expect(none).toBeUndefined();
          expect(
            await store.spanOf({ project: P, src: "nobody", sinceMs: 0, untilMs: 99_000 }),
          ).toBeUndefined();
          expect(await store.spanOf({ project: "nothing", sinceMs: 0, untilMs: 99_000 })).toBeUndefined();
        });
      });
    });

    describe("deleting", () => {
      it("takes every entry of a source away from every reader, and no other's", async () => {
        const stored = await fill();
        expect(await store.delete(P, "b")).toBe(60);
        expect(await store.delete(P, "b")).toBe(0);
        const kept = stored.filter(({ src }) => src !== "b");
        const wide = { project: P, sinceMs: 0, untilMs: 1_000_000 };
        await twice(async () => {
          expect(await store.list({ project: P, src: "b", limit: 100 })).toEqual([]);
          expect(await store.list({ project: P, src: "b", limit: 100, newest: true })).toEqual([]);
          expect(await listAll(store, { project: P })).toEqual(kept);
          expect(await store.listProject({ project: P, limit: 1000, newest: true })).toEqual(kept);
          expect(await store.listByTime({ ...wide, limit: 1000 })).toEqual(kept.toSorted(compareTime));
          expect((await store.rates({ ...wide, bucketCount: 1 })).map(({ src }) => src)).toEqual(["a", "c"]);
          expect((await store.sources(P)).map(({ src, entryCount }) => [src, entryCount])).toEqual([
            ["a", 60],
            ["b", 0],
            ["c", 60],
          ]);
          expect(await listAll(store, { project: "other" })).toHaveLength(60);
        });
      });

      it("keeps the marks: what comes again is a duplicate, what is new is stored, and a deleted id is still a token", async () => {
        const stored = await fill();
        await store.delete(P, "a");
        for (let round = 0; round < 2; round++) {
          expect(await store.mark(P, "a", "b1")).toBe(60 + round);
          expect(await append(range(1, 60).map((seq) => entry("a", seq)))).toEqual([]);
          expect(seqs(await append([entry("a", 61 + round)]))).toEqual([61 + round]);
          await reopen();
        }
        const after = stored.find(({ src }) => src === "a")?.id ?? "";
        expect(seqs(await store.list({ project: P, src: "a", limit: 9, after }))).toEqual([61, 62]);
        expect((await store.sources(P))[0]).toMatchObject({ src: "a", entryCount: 2 });
        expect(await store.delete(P, "a")).toBe(2);
      });

      it("takes one stream alone", async () => {
        await fill();
        expect(await store.delete(P, "a", "uart")).toBe(12);
        expect(await store.delete(P, "a", "uart")).toBe(0);
        expect(await store.delete(P, "a", "nowhere")).toBe(0);
        await append([entry("a", 61, { stream: "uart" })]);
        await twice(async () => {
          const listed = await listAll(store, { project: P, src: "a" });
          expect(seqs(listed)).toEqual([...range(1, 60).filter((seq) => seq % 5 !== 0), 61]);
          expect((await store.sources(P))[0]?.entryCount).toBe(49);
        });
        expect(await store.delete(P, "a")).toBe(49);
        expect(await listAll(store, { project: P, src: "a" })).toEqual([]);
      });

      it("of what was never there does nothing, and makes nothing", async () => {
        await append([entry("a", 1)]);
        expect(await store.delete(P, "nobody")).toBe(0);
        expect(await store.delete("nothing", "a")).toBe(0);
        expect(await store.sources("nothing")).toEqual([]);
        expect((await store.sources(P)).map(({ src }) => src)).toEqual(["a"]);
      });

      it("goes together with appends: what was acked before is gone, what is acked after is there", async () => {
        let seq = 0;
        const next = (): Promise<readonly StoredEntry[]> => append([entry("a", ++seq), entry("b", seq)]);
        for (let round = 0; round < 10; round++) {
          for (let count = 0; count < 6; count++) await next();
          const before = seq;
          const deleting = store.delete(P, "a");
          const racing = range(1, 4).map(() => next());
          await deleting;
          await Promise.all(racing);
          await next();
          const listed = seqs(await listAll(store, { project: P, src: "a" })).map((one) => one ?? 0);
          expect(listed.every((one) => one > before)).toBe(true);
          expect(listed.at(-1)).toBe(seq);
        }
        expect(await listAll(store, { project: P, src: "b" })).toHaveLength(seq);
      });
    });

    describe("its status", () => {
      it("says how many entries there are and what they take", async () => {
        await fill();
        await twice(async () => {
          const { entryCount, diskBytes, details } = await store.status();
          expect(entryCount).toBe(240);
          expect(diskBytes).toBeGreaterThan(0);
          expect(Object.values(details).every((value) => Number.isFinite(value))).toBe(true);
        });
      });
    });

    it("refuses every call once it is closed", async () => {
      await append([entry("a", 1)]);
      await store.close();
      const wide = { project: P, sinceMs: 0, untilMs: 9 };
      await expect(store.listByTime({ ...wide, limit: 1 })).rejects.toThrow(StoreUnavailable);
      await expect(store.rates({ ...wide, bucketCount: 1 })).rejects.toThrow(StoreUnavailable);
      await expect(store.delete(P, "a")).rejects.toThrow(StoreUnavailable);
      await expect(store.status()).rejects.toThrow(StoreUnavailable);
      store = await driver.open();
      expect(await listAll(store, { project: P })).toHaveLength(1);
    });
  });
}
