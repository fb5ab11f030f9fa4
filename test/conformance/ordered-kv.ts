import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { StoreUnavailable } from "../../service/store/log-store.ts";
import type { KvChange, KvSpace, OrderedKv } from "../../service/store/ordered-kv.ts";

export interface SpaceDriver {
  open(): Promise<KvSpace>;
  dispose(): Promise<void>;
}

const put = (key: readonly number[], value: string | Uint8Array): KvChange => ({
  type: "put",
  key: Uint8Array.from(key),
  value: typeof value === "string" ? Buffer.from(value) : value,
});
const remove = (key: readonly number[]): KvChange => ({ type: "remove", key: Uint8Array.from(key) });

function keysOf(kv: OrderedKv, range: Parameters<OrderedKv["range"]>[0]): number[][] {
  return [...kv.range(range)].map(({ key }) => [...key]);
}

/** What every engine under the chunked store must do. */
export function describeOrderedKv(name: string, makeDriver: () => Promise<SpaceDriver>): void {
  async function withSpace(test: (space: KvSpace) => Promise<void>): Promise<void> {
    const driver = await makeDriver();
    const space = await driver.open();
    try {
      await test(space);
    } finally {
      await space.close();
      await driver.dispose();
    }
  }

  describe(`OrderedKv on ${name}`, () => {
    it("orders keys by their bytes, from an inclusive start to an exclusive end, either way, up to a limit", () =>
      withSpace(async (space) => {
        const kv = await space.open("one");
        await kv.commit([[1], [1, 0], [1, 255], [2], [0, 9], [255, 255], [128]].map((key) => put(key, "x")));
        const range = { start: Uint8Array.of(1), end: Uint8Array.of(128) };
        expect(keysOf(kv, range)).toEqual([[1], [1, 0], [1, 255], [2]]);
        expect(keysOf(kv, { ...range, reverse: true })).toEqual([[2], [1, 255], [1, 0], [1]]);
        expect(keysOf(kv, { ...range, limit: 2 })).toEqual([[1], [1, 0]]);
        expect(keysOf(kv, { ...range, limit: 2, reverse: true })).toEqual([[2], [1, 255]]);
        expect(keysOf(kv, { start: Uint8Array.of(1, 1), end: Uint8Array.of(1, 2) })).toEqual([]);
        expect(keysOf(kv, { start: Uint8Array.of(129), end: Uint8Array.of(255, 255) })).toEqual([]);
        expect(
          keysOf(kv, { start: Uint8Array.of(0), end: Uint8Array.of(255, 255, 0), reverse: true })[0],
        ).toEqual([255, 255]);
        await kv.close();
      }));

    it("shows a commit from the moment that its promise resolves, whatever was read while it was under way", () =>
      withSpace(async (space) => {
        const kv = await space.open("one");
        const nextTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
        const seen: (string | undefined)[] = [];
        for (let round = 0; round < 200; round++) {
          const text = String(round);
          let seenAtOnce: Uint8Array | undefined;
          let isDone = false;
          const committed = kv.commit([put([1], text)]).then(() => {
            seenAtOnce = kv.get(Uint8Array.of(1));
            isDone = true;
          });
          // Turns of the event loop shorter than its shortest timer: what is read in one may be kept for the next.
          while (!isDone) {
            kv.get(Uint8Array.of(1));
            await nextTurn();
          }
          await committed;
          seen.push(seenAtOnce && Buffer.from(seenAtOnce).toString());
        }
        expect(seen).toEqual(seen.map((_, round) => String(round)));
        await kv.close();
      }));

    it("agrees with a sorted list whatever is put, removed and asked for", () =>
      withSpace(async (space) => {
        const aKey = fc.uint8Array({ minLength: 1, maxLength: 3, max: 3 }).map((bytes) => [...bytes]);
        const aBound = fc.uint8Array({ minLength: 1, maxLength: 4, max: 4 });
        const aChange = fc.oneof(
          fc.tuple(aKey, fc.string()).map(([key, value]) => put(key, value)),
          aKey.map(remove),
        );
        const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");
        let run = 0;
        await fc.assert(
          fc.asyncProperty(
            fc.array(fc.array(aChange, { maxLength: 8 }), { maxLength: 6 }),
            aBound,
            aBound,
            fc.boolean(),
            fc.option(fc.integer({ min: 1, max: 5 }), { nil: undefined }),
            async (transactions, start, end, reverse, limit) => {
              const engine = `run-${run++}`;
              const kv = await space.open(engine);
              const model = new Map<string, string>();
              for (const changes of transactions) {
                await kv.commit(changes);
                for (const change of changes) {
                  if (change.type === "put") model.set(hex(change.key), hex(change.value));
                  else model.delete(hex(change.key));
                }
              }
              const inside = [...model].filter(([key]) => key >= hex(start) && key < hex(end)).sort();
              if (reverse) inside.reverse();
              const found = [...kv.range({ start, end, reverse, ...(limit && { limit }) })];
              expect(found.map(({ key, value }) => [hex(key), hex(value)])).toEqual(inside.slice(0, limit));
              for (const [key, value] of model) {
                expect(hex(kv.get(Buffer.from(key, "hex")) ?? Buffer.of())).toBe(value);
              }
              await kv.close();
              await space.remove(engine);
            },
          ),
          { numRuns: 40 },
        );
      }));

    it("gives values that are the caller's own, of any size, and undefined for what is not there", () =>
      withSpace(async (space) => {
        const kv = await space.open("one");
        const sizes = [0, 1, 100, 2030, 4096, 40_000, 1_000_000, 20_000_000];
        await kv.commit(sizes.map((size, index) => put([index], new Uint8Array(size).fill(index + 1))));
        const values = sizes.map((_, index) => kv.get(Uint8Array.of(index)));
        const ranged = [...kv.range({ start: Uint8Array.of(0), end: Uint8Array.of(99) })];
        for (const [index, size] of sizes.entries()) {
          for (const value of [values[index], ranged[index]?.value]) {
            expect(value?.length).toBe(size);
            expect(value?.every((byte) => byte === index + 1)).toBe(true);
            value?.fill(0);
          }
        }
        expect(kv.get(Uint8Array.of(6))?.[0]).toBe(7);
        expect(kv.get(Uint8Array.of(77))).toBeUndefined();
        await kv.close();
      }));

    it("keeps what was committed, and takes changes of one transaction in their order", () =>
      withSpace(async (space) => {
        const kv = await space.open("one");
        await kv.commit([put([1], "a"), put([2], "b"), remove([1]), put([2], "c"), remove([3])]);
        await kv.commit([]);
        await kv.close();
        const again = await space.open("one");
        expect(keysOf(again, { start: Uint8Array.of(0), end: Uint8Array.of(9) })).toEqual([[2]]);
        expect(Buffer.from(again.get(Uint8Array.of(2)) ?? []).toString()).toBe("c");
        await again.close();
      }));

    it("settles commits in the order they were asked for, and waits for them before it closes", () =>
      withSpace(async (space) => {
        const kv = await space.open("one");
        const order: number[] = [];
        const commits = [1, 2, 3, 4, 5].map((number) =>
          kv.commit([put([9], String(number)), put([number], "x")]).then(() => order.push(number)),
        );
        const closing = kv.close();
        await Promise.all(commits);
        await closing;
        expect(order).toEqual([1, 2, 3, 4, 5]);
        const again = await space.open("one");
        expect(Buffer.from(again.get(Uint8Array.of(9)) ?? []).toString()).toBe("5");
        await again.close();
      }));

    it("names its engines in order, keeps them apart, and forgets a removed one", () =>
      withSpace(async (space) => {
        for (const engine of ["b", "a", "log-2", "log-10"]) {
          const kv = await space.open(engine);
          await kv.commit([put([1], engine)]);
          await kv.close();
        }
        expect(await space.names()).toEqual(["a", "b", "log-10", "log-2"]);
        await space.remove("a");
        await space.remove("never-there");
        expect(await space.names()).toEqual(["b", "log-10", "log-2"]);
        const kv = await space.open("a");
        expect(kv.get(Uint8Array.of(1))).toBeUndefined();
        await kv.close();
      }));

    it("keeps a pack beside an engine: what was written is there again, at its place, and goes with the engine", () =>
      withSpace(async (space) => {
        const kv = await space.open("one");
        await kv.commit([put([1], "x")]);
        const before = await space.bytes("one");
        let pack = await space.openPack("one");
        expect(pack.sizeBytes).toBe(0);
        await pack.write([Buffer.from("abc"), Buffer.from("def")], 0);
        await pack.write([Buffer.alloc(100_000, 7)], 6);
        // Behind what counts, as after a seal that a crash cut short.
        await pack.write([Buffer.from("xy")], 4);
        expect(await space.bytes("one")).toBeGreaterThan(before);
        for (const round of ["while it is open", "opened again"]) {
          expect(pack.sizeBytes, round).toBe(100_006);
          expect(pack.read(1, 5).toString(), round).toBe("bcdxy");
          const memory = Buffer.alloc(4, 1);
          expect(pack.read(100_004, 4, memory), round).toEqual(Buffer.of(7, 7));
          expect(memory.subarray(0, 2), round).toEqual(Buffer.of(7, 7));
          expect(pack.read(200_000, 10).length, round).toBe(0);
          await pack.close();
          pack = await space.openPack("one");
        }
        expect(await space.names()).toEqual(["one"]);
        let isWritten = false;
        const writing = pack.write([Buffer.alloc(3_000_000, 8)], 0).then(() => {
          isWritten = true;
        });
        await pack.close();
        expect(isWritten).toBe(true);
        await writing;
        await kv.close();
        await space.remove("one");
        expect(await space.bytes("one")).toBe(0);
        const again = await space.open("one");
        const other = await space.openPack("one");
        expect(other.sizeBytes).toBe(0);
        await other.close();
        await again.close();
      }));

    it("takes keys of 1,900 bytes, and refuses commits once it is closed", () =>
      withSpace(async (space) => {
        const kv = await space.open("one");
        await kv.commit([put(new Array(1900).fill(7), "long")]);
        await kv.close();
        const again = await space.open("one");
        expect(again.get(Uint8Array.from(new Array(1900).fill(7)))).toBeDefined();
        await again.close();
        await expect(again.commit([put([1], "x")])).rejects.toThrow(StoreUnavailable);
      }));
  });
}
