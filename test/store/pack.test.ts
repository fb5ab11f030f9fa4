import { describe, expect, it } from "vitest";
import { PACK_BYTES, PackBuilder, type PackPlace, PackReader } from "../../service/store/pack.ts";
import { memorySpace } from "./store-drivers.ts";

const SIZES = [
  1,
  2600,
  PACK_BYTES,
  PACK_BYTES - 2601,
  0,
  3,
  PACK_BYTES * 9 + 1,
  PACK_BYTES - 1,
  2600,
  40_000,
];

/** Values of these sizes in packs of an engine, each of bytes that tell it from the others. */
async function packed(sizes: readonly number[]) {
  const kv = await memorySpace(1).open("seg-1");
  const builder = new PackBuilder(1);
  const values = sizes.map((size, number) => Buffer.alloc(size, number + 1));
  const places: PackPlace[] = [];
  for (const value of values) {
    const changes = builder.add(Buffer.from(`place ${places.length}`), value, (place) => {
      places.push(place);
      return Buffer.of(0);
    });
    await kv.commit(changes);
  }
  await kv.commit(builder.finish());
  const packs = [...kv.range({ start: Buffer.from("v"), end: Buffer.from("w") })];
  return { kv, values, places, packs };
}

describe("packs", () => {
  it("give every value back, also one that begins in one pack and ends in another, or fills many", async () => {
    const { kv, values, places } = await packed(SIZES);
    const reader = new PackReader();
    for (const [index, place] of places.entries())
      expect(reader.read(kv, place)?.equals(values[index] ?? Buffer.alloc(0)), `value ${index}`).toBe(true);
    expect(places.some(({ start, size }) => start + size > PACK_BYTES)).toBe(true);
  });

  it("are full but for the last one, so that nothing of a page is left over", async () => {
    const { packs, values } = await packed(SIZES);
    expect(packs.slice(0, -1).every(({ value }) => value.length === PACK_BYTES)).toBe(true);
    expect(packs.reduce((sum, { value }) => sum + value.length, 0)).toBe(Buffer.concat(values).length);
  });

  it("give nothing of a value whose last pack is missing or cut off, and the values before it all the same", async () => {
    const { kv, places, packs } = await packed([100, PACK_BYTES * 2]);
    const [first, second] = places;
    const last = packs.at(-1);
    if (first === undefined || second === undefined || last === undefined) throw new Error("not packed");
    const reader = new PackReader();
    await kv.commit([{ type: "put", key: last.key, value: last.value.subarray(1) }]);
    expect(reader.read(kv, second)).toBeUndefined();
    await kv.commit([{ type: "remove", key: last.key }]);
    expect(reader.read(kv, second)).toBeUndefined();
    expect(reader.read(kv, first)?.equals(Buffer.alloc(100, 1))).toBe(true);
  });
});
