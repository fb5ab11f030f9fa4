import { describe, expect, it } from "vitest";
import type { ValueBlock } from "../../service/store/value-memory.ts";
import { ValueMemory } from "../../service/store/value-memory.ts";
import { entry } from "../conformance/store-driver.ts";
import { memorySpace, openMemoryStore, TINY } from "./store-drivers.ts";

const VALUE_BYTES = 1 << 20;
const BLOCK_VALUES = 4;

describe("memory of values", () => {
  it("is used again once all values of a block were given back", () => {
    const memory = new ValueMemory();
    const first = takeBlock(memory);
    const second = takeBlock(memory);
    for (const block of first.slice(1)) memory.giveBack(block);
    expect(takeBlock(memory)[0] === first[0]).toBe(false);
    memory.giveBack(first[0] as ValueBlock);
    expect(second[0] === first[0]).toBe(false);
    expect(takeBlock(memory)[0] === first[0]).toBe(true);
  });

  it("does not use the block again that it still takes from", () => {
    const memory = new ValueMemory();
    const { value, block } = memory.take(8);
    value.fill(1);
    memory.giveBack(block as ValueBlock);
    const next = memory.take(8).value.fill(2);
    expect(value).toEqual(Buffer.alloc(8, 1));
    expect(next).toEqual(Buffer.alloc(8, 2));
  });

  it("is of its own for a large value", () => {
    const { value, block } = new ValueMemory().take(VALUE_BYTES + 1);
    expect(value.length).toBe(VALUE_BYTES + 1);
    expect(block).toBeUndefined();
  });
});

describe("a table whose memory is used again", () => {
  it("is whole for those who began to read it before it was sealed", async () => {
    const store = await openMemoryStore(memorySpace(1), 1, { options: { ...TINY, sealBytes: 1 << 20 } });
    // Of so many rows, a page looks at some in each turn.
    const entries = Array.from({ length: 4000 }, (_, index) => ({
      ...entry("a", index + 1),
      stream: index < 3990 ? "console" : "rare",
    }));
    await store.append([{ project: "p", entries }]);
    const lists: ReturnType<typeof store.list>[] = [];
    let isSealed = false;
    const sealing = store.seal().then(() => {
      isSealed = true;
    });
    while (!isSealed) {
      // One at each moment, so that some are under way when the seal ends.
      lists.push(store.list({ project: "p", src: "a", stream: "rare", limit: 20 }));
      await Promise.resolve();
    }
    await sealing;
    await store.append([{ project: "p", entries: entries.map((_, index) => entry("b", index + 1)) }]);
    const expected = entries.slice(3990).map(({ msg }) => msg);
    for (const list of await Promise.all(lists)) expect(list.map(({ msg }) => msg)).toEqual(expected);
    await store.close();
  });
});

/** The blocks of as many values as one holds; a block is full with them. */
function takeBlock(memory: ValueMemory): ValueBlock[] {
  return Array.from({ length: BLOCK_VALUES }, () => {
    const { block } = memory.take(VALUE_BYTES);
    if (block === undefined) throw new Error("the value has memory of its own");
    return block;
  });
}
