import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { MsgJson, NewEntry, StoredEntry } from "../../protocol/entry.ts";
import { GAPS_MAX } from "../../service/store/boot-mark.ts";
import { type LogStore, StoreUnavailable, UnknownToken } from "../../service/store/log-store.ts";
import { describeReading } from "./log-store-reading.ts";
import { describeOneTransaction } from "./log-store-transaction.ts";
import {
  type AppendUnit,
  entry,
  listAll,
  lossOf,
  P,
  range,
  type StoreDriver,
  seqs,
  untilHeard,
} from "./store-driver.ts";

/** What every driver of `LogStore` must do; and, where an append is one transaction, what that adds. */
export function describeLogStore(
  name: string,
  unit: AppendUnit,
  makeDriver: () => Promise<StoreDriver>,
): void {
  describe(`LogStore on ${name}`, () => {
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

    describe("positions of spools", () => {
      it("stand with their entries, one for each life of a spool, and outlive seals and reopenings", async () => {
        const at = (position: number, epoch = "e1", gateway = "g1") => ({
          project: P,
          gateway,
          epoch,
          position,
        });
        expect(await store.spoolPosition(P, "g1", "e1")).toBe(0);
        for (let seq = 1; seq <= 60; seq++)
          await store.append([{ project: P, entries: [entry("a", seq)] }], at(seq));
        await store.append([], at(7, "e2"));
        // Duplicates alone move it too.
        await store.append([{ project: P, entries: [entry("a", 60)] }], at(64));
        await store.append([{ project: P, entries: [] }], at(3, "e1", "g2"));
        for (let round = 0; round < 3; round++) {
          expect(await store.spoolPosition(P, "g1", "e1")).toBe(64);
          expect(await store.spoolPosition(P, "g1", "e2")).toBe(7);
          expect(await store.spoolPosition(P, "g2", "e1")).toBe(3);
          expect(await store.spoolPosition("other", "g1", "e1")).toBe(0);
          await reopen();
          if (round === 0) for (let seq = 61; seq <= 120; seq++) await append([entry("a", seq)]);
        }
      });
    });

    describe("walking back", () => {
      it("pages newest first by `before` give every entry once, in reverse, of one source and of all, across a reopening", async () => {
        for (let seq = 1; seq <= 120; seq++) {
          await append([entry("a", seq), ...(seq % 3 === 0 ? [entry("b", seq, { stream: "uart" })] : [])]);
        }
        for (const round of ["as appended", "reopened"]) {
          for (const query of [{ src: "a" }, { src: "b", stream: "uart" }, { stream: "console" }, {}]) {
            const forward = (await listAll(store, { project: P, ...query })).map(({ id }) => id);
            for (const limit of [1, 7, 50]) {
              const back: string[] = [];
              for (;;) {
                const before = back[0];
                const rest = { project: P, ...query, limit, newest: true, ...(before && { before }) };
                const page =
                  rest.src === undefined
                    ? await store.listProject(rest)
                    : await store.list({ ...rest, src: rest.src });
                if (page.length === 0) break;
                back.unshift(...page.map(({ id }) => id));
              }
              expect(back, `${round} ${JSON.stringify(query)} by ${limit}`).toEqual(forward);
            }
          }
          await reopen();
        }
      });

      it("ends an ascending page before `before` too", async () => {
        const all = await append([1, 2, 3, 4, 5].map((seq) => entry("a", seq)));
        const [after, before] = [all[0]?.id ?? "", all[3]?.id ?? ""];
        for (const round of [1, 2]) {
          expect(
            seqs(await store.list({ project: P, src: "a", after, before, limit: 9 })),
            `${round}`,
          ).toEqual([2, 3]);
          expect(seqs(await store.listProject({ project: P, before, limit: 9 })), `${round}`).toEqual([
            1, 2, 3,
          ]);
          await reopen();
        }
      });
    });

    describe("order and ids", () => {
      it("lists a source's entries in the order they were appended, across many appends and a reopening", async () => {
        for (let seq = 1; seq <= 60; seq += 3) {
          await append([entry("a", seq), entry("b", seq), entry("a", seq + 1), entry("a", seq + 2)]);
        }
        expect(seqs(await listAll(store, { project: P, src: "a" }))).toEqual(range(1, 60));
        await reopen();
        expect(seqs(await listAll(store, { project: P, src: "a" }))).toEqual(range(1, 60));
        expect(await listAll(store, { project: P, src: "b" })).toHaveLength(20);
      });

      it("gives ids of one width out of the allowed characters, strictly ascending as text", async () => {
        const stored: StoredEntry[] = [];
        for (let seq = 1; seq <= 40; seq++)
          stored.push(...(await append([entry("a", seq), entry("b", seq)])));
        await reopen();
        stored.push(...(await append([entry("a", 41)])));
        const ids = stored.map((one) => one.id);
        for (const id of ids) expect(id).toMatch(/^[0-9A-Za-z_-]{1,64}$/);
        expect(new Set(ids.map((id) => id.length)).size).toBe(1);
        for (const [index, id] of ids.entries())
          if (index > 0) expect(id > (ids[index - 1] ?? "")).toBe(true);
      });

      it("answers an append with the entries as they are listed afterwards", async () => {
        const stored = [...(await append(range(1, 30).map((seq) => entry("a", seq))))];
        expect(await listAll(store, { project: P, src: "a" })).toEqual(stored);
        await reopen();
        expect(await listAll(store, { project: P, src: "a" })).toEqual(stored);
      });

      it("gives each batch of a call its own answer, over projects", async () => {
        const [first, second] = await store.append([
          { project: "one", entries: [entry("a", 1), entry("a", 1)] },
          { project: "two", entries: [entry("a", 1)] },
        ]);
        expect([first?.storedCount, first?.duplicateCount]).toEqual([1, 1]);
        expect([second?.storedCount, second?.duplicateCount]).toEqual([1, 0]);
        expect(await listAll(store, { project: "one", src: "a" })).toEqual(first?.stored);
        expect(await listAll(store, { project: "two", src: "a" })).toEqual(second?.stored);
      });

      it("takes an append of nothing", async () => {
        expect(await store.append([])).toEqual([]);
        const [result] = await store.append([{ project: P, entries: [] }]);
        expect(result?.stored).toEqual([]);
      });

      it("keeps concurrent appends in the order of the calls", async () => {
        const results = await Promise.all(range(1, 50).map((seq) => append([entry("a", seq)])));
        expect(seqs(results.flat())).toEqual(range(1, 50));
        expect(seqs(await listAll(store, { project: P, src: "a" }))).toEqual(range(1, 50));
      });
    });

    describe("what was put in comes out", () => {
      const messages = [
        '{"n":1.0,"big":12345678901234567890,"b":1,"a":2}',
        '["\\ud800","\\u0000","\\/",1e400]',
        '"grüße, 世界 \u{1f600}"',
        '{"__proto__":1,"a":[ 1 , 2 ],"":""}',
        '""',
        `"${"x".repeat(70_000)}"`,
      ];

      it("every byte of msg", async () => {
        await append(messages.map((msg, index) => entry("a", index + 1, { msg: msg as MsgJson })));
        for (let seq = 10; seq < 40; seq++) await append([entry("a", seq)]);
        await reopen();
        const listed = await listAll(store, { project: P, src: "a" });
        expect(listed.slice(0, messages.length).map((one) => one.msg)).toEqual(messages);
      });

      it("every field, and no field that was not there", async () => {
        const entries: NewEntry[] = [
          { src: "a", stream: "console", msg: '"x"', timestamp: 0, received: 0, clock: "server" },
          {
            src: "a",
            stream: "größe",
            msg: '"x"',
            timestamp: Number.MAX_SAFE_INTEGER,
            received: 0,
            clock: "estimated",
            clockError: 250,
            level: "error",
            module: "wifi",
            boot: "123",
            seq: Number.MAX_SAFE_INTEGER,
            uptime: Number.MAX_SAFE_INTEGER,
          },
          { ...entry("a", 3), level: "debug", uptime: 0, received: Number.MAX_SAFE_INTEGER, timestamp: 0 },
          { ...entry("a", 4), level: "warn", module: "ü", clock: "estimated" },
          { ...entry("a", 5), level: "info", boot: "another" },
          lossOf("a", "b1", 6, 2 ** 40),
          {
            ...entry("a", 2 ** 40 + 9),
            stream: "loss",
            lost: { boot: "b1", first: 2 ** 40 + 1, last: 2 ** 40 + 9 },
          },
        ];
        for (const one of entries) await append([one]);
        for (let seq = 1; seq < 40; seq++) await append([entry("b", seq)]);
        const expected = entries.map((one) => ({ ...one, id: expect.any(String) }));
        expect(await listAll(store, { project: P, src: "a" })).toStrictEqual(expected);
        await reopen();
        expect(await listAll(store, { project: P, src: "a" })).toStrictEqual(expected);
      });

      it("names of sources that look like keys, paths or numbers", async () => {
        const sources = [
          "a",
          "a\u0001",
          "aa",
          "//host/a/../b",
          "0",
          "ä",
          "\u{1f600}",
          "__proto__",
          "constructor",
          "x".repeat(256),
        ];
        for (const src of sources) await append([entry(src, 1)]);
        await reopen();
        for (const src of sources) {
          expect((await listAll(store, { project: P, src })).map((one) => one.src)).toEqual([src]);
          expect(await store.mark(P, src, "b1")).toBe(1);
        }
        expect((await store.sources(P)).map((one) => one.src)).toEqual([...sources].sort());
      });

      it("refuses an entry that it could not give back as it is, and stores nothing of the call", async () => {
        const bad: Partial<NewEntry>[] = [
          { msg: '"\ud800"' as MsgJson },
          { timestamp: 1.5 },
          { timestamp: -1 },
          { seq: 0 },
          { seq: 2 ** 53 },
          { lost: { boot: "b1", first: 3, last: 2 } },
        ];
        for (const more of bad) {
          await expect(
            store.append([{ project: P, entries: [entry("a", 1), entry("a", 2, more)] }]),
          ).rejects.toThrow();
        }
        expect(await store.list({ project: P, src: "a", limit: 10 })).toEqual([]);
        expect(await store.mark(P, "a", "b1")).toBe(0);
      });
    });

    describe("paging", () => {
      it("visits every entry once while others are appended, whatever the size of the page", async () => {
        for (const limit of [1, 3, 50]) {
          const src = `paged-${limit}`;
          let next = 1;
          const seen: StoredEntry[] = [];
          for (let turn = 0; turn < 60; turn++) {
            const appending = append([
              entry(src, next++),
              entry("other", turn + limit * 1000),
              entry(src, next++),
            ]);
            const last = seen.at(-1);
            seen.push(...(await store.list({ project: P, src, limit, ...(last && { after: last.id }) })));
            await appending;
          }
          const last = seen.at(-1);
          for (let after = last?.id; ; ) {
            const page = await store.list({ project: P, src, limit, ...(after && { after }) });
            if (page.length === 0) break;
            seen.push(...page);
            after = page.at(-1)?.id;
          }
          expect(seqs(seen)).toEqual(range(1, next - 1));
        }
      });

      it("lets a late entry land after the cursor of a reader that has read everything", async () => {
        await append([entry("a", 1), entry("a", 2), entry("a", 5)]);
        const [, , last] = await store.list({ project: P, src: "a", limit: 10 });
        await append([entry("a", 3, { timestamp: 1 })]);
        const page = await store.list({ project: P, src: "a", limit: 10, after: last?.id ?? "" });
        expect(seqs(page)).toEqual([3]);
      });

      it("gives the newest entries in ascending order, with and without a cursor", async () => {
        const stored: StoredEntry[] = [];
        for (let seq = 1; seq <= 40; seq++)
          stored.push(...(await append([entry("a", seq), entry("b", seq)])));
        const query = { project: P, src: "a", newest: true };
        expect(seqs(await store.list({ ...query, limit: 3 }))).toEqual([38, 39, 40]);
        expect(seqs(await store.list({ ...query, limit: 33 }))).toEqual(range(8, 40));
        expect(seqs(await store.list({ ...query, limit: 1000 }))).toEqual(range(1, 40));
        const after = stored.filter((one) => one.src === "a")[29]?.id ?? "";
        expect(seqs(await store.list({ ...query, limit: 5, after }))).toEqual(range(36, 40));
        expect(seqs(await store.list({ ...query, limit: 50, after }))).toEqual(range(31, 40));
        const all = await store.listProject({ project: P, newest: true, limit: 15 });
        expect(all).toEqual(stored.slice(-15));
        expect(await store.listProject({ project: P, newest: true, limit: 1000 })).toEqual(stored);
        expect(
          await store.listProject({ project: P, newest: true, limit: 1000, after: stored[6]?.id ?? "" }),
        ).toEqual(stored.slice(7));
      });

      it("filters by stream, in both directions, and finds what is rare", async () => {
        for (let seq = 1; seq <= 80; seq++) {
          const stream = seq % 27 === 0 ? "rare" : seq % 2 === 0 ? "even" : "console";
          await append([entry("a", seq, { stream }), entry("b", seq)]);
        }
        const query = { project: P, src: "a" };
        expect(seqs(await listAll(store, { ...query, stream: "rare" }))).toEqual([27, 54]);
        expect(seqs(await store.list({ ...query, stream: "rare", limit: 1, newest: true }))).toEqual([54]);
        expect(seqs(await listAll(store, { ...query, stream: "even" }))).toEqual(
          range(1, 80).filter((seq) => seq % 2 === 0 && seq % 27 !== 0),
        );
        expect(await listAll(store, { ...query, stream: "none" })).toEqual([]);
        expect(seqs(await listAll(store, { project: P, stream: "rare" }))).toEqual([27, 54]);
        expect(seqs(await store.listProject({ project: P, stream: "rare", limit: 9, newest: true }))).toEqual(
          [27, 54],
        );
      });

      it("lists a project over all its sources in the order of ids, and none of another project", async () => {
        const stored: StoredEntry[] = [];
        for (let seq = 1; seq <= 45; seq++) {
          const entries = range(0, seq % 5).map((index) => entry(`s${index}`, seq));
          stored.push(...(await append(entries)));
          await append([entry("s0", seq, { msg: '"foreign"' as MsgJson })], "other");
        }
        for (const limit of [1, 7, 1000]) expect(await listAll(store, { project: P }, limit)).toEqual(stored);
        await reopen();
        expect(await listAll(store, { project: P })).toEqual(stored);
        expect((await listAll(store, { project: "other" })).every((one) => one.msg === '"foreign"')).toBe(
          true,
        );
        expect(await listAll(store, { project: "none" })).toEqual([]);
      });

      it("answers an unknown source with nothing", async () => {
        await append([entry("a", 1)]);
        expect(await store.list({ project: P, src: "nobody", limit: 10 })).toEqual([]);
        expect(await store.list({ project: "nothing", src: "a", limit: 10 })).toEqual([]);
      });
    });

    describe("tokens", () => {
      it("refuses made-up ones", async () => {
        const stored = await append(range(1, 20).map((seq) => entry("a", seq)));
        const id = stored[9]?.id ?? "";
        const flipped = [...id].map((character, index) => {
          const other = character === "1" ? "2" : "1";
          return id.slice(0, index) + other + id.slice(index + 1);
        });
        const cut = [id.slice(1), id.slice(0, -1), `${id}0`, `0${id}`, id.toUpperCase(), ` ${id}`];
        const made = [
          "",
          "0",
          "1",
          "-1",
          "9".repeat(id.length),
          "z".repeat(64),
          "\u{1f600}",
          "..",
          "__proto__",
        ];
        for (const after of [...flipped, ...cut, ...made].filter((token) => token !== id)) {
          await expect(store.list({ project: P, src: "a", limit: 1, after }), after).rejects.toThrow(
            UnknownToken,
          );
          await expect(store.listProject({ project: P, limit: 1, after }), after).rejects.toThrow(
            UnknownToken,
          );
        }
      });

      it("refuses one of another project, or of a project that has nothing", async () => {
        const [mine] = await append([entry("a", 1)]);
        const [theirs] = await append([entry("a", 1)], "other");
        const after = theirs?.id ?? "";
        await expect(store.list({ project: P, src: "a", limit: 1, after })).rejects.toThrow(UnknownToken);
        await expect(store.list({ project: "none", src: "a", limit: 1, after })).rejects.toThrow(
          UnknownToken,
        );
        expect(await store.list({ project: P, src: "a", limit: 1, after: mine?.id ?? "" })).toEqual([]);
      });

      it("takes one of another source of the same project as a place in the same order", async () => {
        await append([entry("a", 1)]);
        const [ofAnother] = await append([entry("b", 1)]);
        await append([entry("a", 2)]);
        expect(
          seqs(await store.list({ project: P, src: "a", limit: 9, after: ofAnother?.id ?? "" })),
        ).toEqual([2]);
      });

      it("keeps them through closing and opening", async () => {
        const stored: StoredEntry[] = [];
        for (let seq = 1; seq <= 50; seq++) stored.push(...(await append([entry("a", seq)])));
        for (let seq = 0; seq < 50; seq += 9) {
          await reopen();
          const page = await store.list({ project: P, src: "a", limit: 1000, after: stored[seq]?.id ?? "" });
          expect(page).toEqual(stored.slice(seq + 1));
        }
      });
    });

    describe("exactly once", () => {
      it("stores a seq once, however often and in whichever call it comes", async () => {
        const [first] = await store.append([
          { project: P, entries: [entry("a", 1), entry("a", 2), entry("a", 1)] },
        ]);
        expect([first?.storedCount, first?.duplicateCount]).toEqual([2, 1]);
        const results = await Promise.all(
          range(1, 5).map(() => store.append([{ project: P, entries: [entry("a", 2), entry("a", 3)] }])),
        );
        expect(results.flat().reduce((sum, result) => sum + result.storedCount, 0)).toBe(1);
        await reopen();
        expect(await append([entry("a", 1), entry("a", 2), entry("a", 3)])).toEqual([]);
        expect(seqs(await listAll(store, { project: P, src: "a" }))).toEqual([1, 2, 3]);
      });

      it("keeps boots, sources and projects apart", async () => {
        await append([entry("a", 1), entry("a", 1, { boot: "b2" }), entry("b", 1)]);
        await append([entry("a", 1)], "other");
        expect(await listAll(store, { project: P })).toHaveLength(3);
        expect(await listAll(store, { project: "other" })).toHaveLength(1);
      });

      it("stores entries without a seq as often as they come", async () => {
        const { boot: _boot, seq: _seq, ...plain } = entry("a", 1);
        await append([plain, plain]);
        await append([plain, { ...plain, boot: "b1" }, { ...plain, boot: "b1" }]);
        expect(await listAll(store, { project: P, src: "a" })).toHaveLength(5);
        expect(await store.mark(P, "a", "b1")).toBe(0);
      });

      it("fills an open gap once, seq by seq, also after a reopening", async () => {
        await append([entry("a", 1), entry("a", 10)]);
        expect(await store.mark(P, "a", "b1")).toBe(10);
        expect(seqs(await append([entry("a", 5), entry("a", 5), entry("a", 2), entry("a", 9)]))).toEqual([
          5, 2, 9,
        ]);
        await reopen();
        expect(seqs(await append(range(1, 11).map((seq) => entry("a", seq))))).toEqual([3, 4, 6, 7, 8, 11]);
        expect(await append(range(1, 11).map((seq) => entry("a", seq)))).toEqual([]);
        expect(await store.mark(P, "a", "b1")).toBe(11);
      });

      it("says which gaps are open, also after a reopening", async () => {
        await append([entry("a", 3), entry("a", 10), entry("a", 6)]);
        await reopen();
        expect(await store.gaps(P, "a", "b1")).toEqual([
          { first: 1, last: 2 },
          { first: 4, last: 5 },
          { first: 7, last: 9 },
        ]);
        await append([1, 2, 4, 5, 7, 8].map((seq) => entry("a", seq)));
        expect(await store.gaps(P, "a", "b1")).toEqual([{ first: 9, last: 9 }]);
        expect(await store.gaps(P, "a", "never seen")).toEqual([]);
        expect(await store.gaps("other", "a", "b1")).toEqual([]);
      });

      it("remembers marks long after, and through many boots", async () => {
        for (let boot = 1; boot <= 30; boot++) {
          await append(range(1, 4).map((seq) => entry("a", seq, { boot: `boot-${boot}` })));
        }
        for (let seq = 1; seq <= 60; seq++) await append([entry("b", seq)]);
        await reopen();
        for (let boot = 1; boot <= 30; boot++) {
          expect(await append([entry("a", 4, { boot: `boot-${boot}` })])).toEqual([]);
          expect(await store.mark(P, "a", `boot-${boot}`)).toBe(4);
        }
      });

      it("takes a lost range as accounted for: the mark moves, its gaps close, and a late seq of it is a duplicate", async () => {
        await append([entry("a", 1), entry("a", 4)]);
        await append([lossOf("a", "b1", 2, 3), lossOf("a", "b1", 5, 20)]);
        expect(await store.mark(P, "a", "b1")).toBe(20);
        expect(await append([entry("a", 2), entry("a", 15), entry("a", 20)])).toEqual([]);
        expect(seqs(await append([entry("a", 21)]))).toEqual([21]);
        await reopen();
        expect(await store.mark(P, "a", "b1")).toBe(21);
        expect(await append([entry("a", 3)])).toEqual([]);
      });

      it("stores a loss record that says nothing new once", async () => {
        await append([entry("a", 1), lossOf("a", "b1", 2, 9)]);
        await append([lossOf("a", "b1", 2, 9), lossOf("a", "b1", 4, 5)]);
        expect(await listAll(store, { project: P, src: "a", stream: "loss" })).toHaveLength(1);
        await append([lossOf("a", "b1", 4, 10)]);
        expect(await listAll(store, { project: P, src: "a", stream: "loss" })).toHaveLength(2);
        expect(await store.mark(P, "a", "b1")).toBe(10);
      });

      it("opens a gap below a lost range that starts further up", async () => {
        await append([entry("a", 1), lossOf("a", "b1", 5, 6)]);
        expect(seqs(await append([entry("a", 3), entry("a", 5), entry("a", 2)]))).toEqual([3, 2]);
        expect(await store.mark(P, "a", "b1")).toBe(6);
      });

      it("makes a loss record of the oldest gap where more are open than it keeps, and takes no seq of it later", async () => {
        const tops = range(1, GAPS_MAX + 3).map((number) => 10 * number);
        const stored = await append(tops.map((seq) => entry("a", seq)));
        const losses = stored.filter(({ stream }) => stream === "loss");
        expect(losses.map(({ msg, lost }) => [JSON.parse(msg), lost])).toEqual(
          [1, 11, 21].map((first) => {
            const lost = { boot: "b1", first, last: first + 8 };
            const why = "more than 64 gaps of this boot are open, and this was the oldest";
            return [{ ...lost, count: 9, where: "service", why }, lost];
          }),
        );
        expect(await listAll(store, { project: P, src: "a" })).toEqual(stored);
        const [source] = await store.sources(P);
        expect([source?.entryCount, source?.lossCounts.service]).toEqual([tops.length + 3, 27]);
        await reopen();
        expect(seqs(await append([entry("a", 5), entry("a", 25), entry("a", 31)]))).toEqual([31]);
        expect(await listAll(store, { project: P, src: "a", stream: "loss" })).toEqual(losses);
        expect(await store.mark(P, "a", "b1")).toBe(tops.at(-1));
      });

      it("says 0 for a boot, source or project never seen, and makes none by asking", async () => {
        expect(await store.mark(P, "a", "b1")).toBe(0);
        await append([entry("a", 3)]);
        expect([
          await store.mark(P, "a", "b1"),
          await store.mark(P, "a", "b2"),
          await store.mark("x", "a", "b1"),
        ]).toEqual([3, 0, 0]);
        expect(await store.sources("x")).toEqual([]);
      });
    });

    describe("subscriptions", () => {
      it("deliver every entry once, in order, once it can be listed, and join on to a listing without gap or repeat", async () => {
        for (let seq = 1; seq <= 20; seq++) await append([entry("a", seq)]);
        const heard: StoredEntry[] = [];
        const unlisted: string[] = [];
        const checks: Promise<void>[] = [];
        const end = store.subscribe(P, (batch) => {
          const { entries, stored } = batch;
          heard.push(...stored);
          const last = stored.at(-1);
          expect(entries.map((one, index) => ({ ...one, id: batch.idAt(index) }))).toEqual(stored);
          const check = store.listProject({ project: P, limit: 1, newest: true }).then(([newest]) => {
            if (last === undefined || newest === undefined || newest.id < last.id)
              unlisted.push(last?.id ?? "none");
          });
          checks.push(check);
        });
        const listed = await listAll(store, { project: P });
        await Promise.all(
          range(21, 60).map((seq) =>
            store.append([{ project: P, entries: [entry("a", seq), entry("a", seq), entry("b", seq)] }]),
          ),
        );
        await untilHeard(unit, heard, 80);
        end();
        await append([entry("a", 61)]);
        await Promise.all(checks);
        expect(unlisted).toEqual([]);
        expect(heard).toEqual((await listAll(store, { project: P })).slice(listed.length, -1));
        expect(heard).toHaveLength(80);
      });

      it("hear nothing of other projects and of duplicates", async () => {
        const heard: StoredEntry[] = [];
        store.subscribe(P, ({ stored }) => heard.push(...stored));
        await append([entry("a", 1)], "other");
        await append([entry("a", 1)]);
        await append([entry("a", 1), entry("b", 1)]);
        await untilHeard(unit, heard, 2);
        expect(heard.map(({ src }) => src)).toEqual(["a", "b"]);
      });

      it("that throw harm neither the store nor the others", async () => {
        const heard: StoredEntry[] = [];
        store.subscribe(P, () => {
          throw new Error("a broken listener");
        });
        store.subscribe(P, ({ stored }) => heard.push(...stored));
        expect(seqs(await append([entry("a", 1)]))).toEqual([1]);
        expect(seqs(await append([entry("a", 2)]))).toEqual([2]);
        await untilHeard(unit, heard, 2);
        expect(seqs(heard)).toEqual([1, 2]);
      });

      it("may end themselves, one another, or begin anew within a delivery", async () => {
        const heard: string[] = [];
        const endSecond: (() => void)[] = [];
        const endFirst = store.subscribe(P, () => {
          heard.push("first");
          endFirst();
          for (const end of endSecond) end();
          store.subscribe(P, () => heard.push("third"));
        });
        endSecond.push(store.subscribe(P, () => heard.push("second")));
        await append([entry("a", 1)]);
        await untilHeard(unit, heard, 1);
        await append([entry("a", 2)]);
        await untilHeard(unit, heard, 2);
        expect(heard).toEqual(["first", "third"]);
      });
    });

    describe("closing", () => {
      it("waits for what was accepted, and refuses what comes later", async () => {
        const accepted = range(1, 30).map((seq) =>
          store.append([{ project: P, entries: [entry("a", seq)] }]),
        );
        const closing = store.close();
        await expect(store.append([{ project: P, entries: [entry("a", 99)] }])).rejects.toThrow(
          StoreUnavailable,
        );
        await Promise.all(accepted);
        await closing;
        await expect(store.append([{ project: P, entries: [entry("a", 99)] }])).rejects.toThrow(
          StoreUnavailable,
        );
        await expect(store.list({ project: P, src: "a", limit: 1 })).rejects.toThrow(StoreUnavailable);
        await expect(store.listProject({ project: P, limit: 1 })).rejects.toThrow(StoreUnavailable);
        await expect(store.mark(P, "a", "b1")).rejects.toThrow(StoreUnavailable);
        await expect(store.sources(P)).rejects.toThrow(StoreUnavailable);
        await store.close();
        store = await driver.open();
        expect(seqs(await listAll(store, { project: P, src: "a" }))).toEqual(range(1, 30));
      });
    });
  });
  describeReading(name, unit, makeDriver);
  if (unit === "call") describeOneTransaction(name, makeDriver);
}
