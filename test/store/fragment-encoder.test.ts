import { brotliCompressSync, brotliDecompressSync, constants } from "node:zlib";
import { describe, expect, it } from "vitest";
import { brotliCompressor } from "../../service/store/compressor.ts";
import { FragmentEncoder } from "../../service/store/fragment-encoder.ts";

const PARAMS = { [constants.BROTLI_PARAM_QUALITY]: 1, [constants.BROTLI_PARAM_LGWIN]: 16 };
/** Around what the encoder takes as a block, and far beyond its room at the start. */
const SIZES = [1, 2, 16, 17, 500, 4096, 20_000, 131_071, 131_072, 131_073, 700_000];

const values = SIZES.flatMap((size) => [textOf(size), noiseOf(size), Buffer.alloc(size)]);

describe("an encoder of many values", () => {
  it("makes a stream of its own of each", () => {
    const encoder = opened();
    // Twice, so that each stands behind larger ones and behind smaller ones.
    for (const value of [...values, ...values.toReversed()])
      expect(brotliDecompressSync(encoder.compress(value)).equals(value)).toBe(true);
  });

  it("makes the same of a value whatever came before it", () => {
    const encoder = opened();
    for (const value of values) {
      const first = Buffer.from(opened().compress(value));
      expect(encoder.compress(value).equals(first)).toBe(true);
    }
  });

  it("takes at most four bytes more than a call of its own", () => {
    const encoder = opened();
    for (const value of values)
      expect(encoder.compress(value).length).toBeLessThanOrEqual(
        brotliCompressSync(value, { params: PARAMS }).length + 4,
      );
  });

  it("is what the store seals with", () => {
    const [value = Buffer.alloc(0)] = values;
    expect(brotliCompressor.compress(value)).toEqual(opened().compress(value));
    expect(brotliCompressor.expand(brotliCompressor.compress(value), value.length)).toEqual(value);
  });
});

function opened(): FragmentEncoder {
  const encoder = FragmentEncoder.open(PARAMS);
  if (encoder === undefined) throw new Error("this version of Node has no such encoder");
  return encoder;
}

function textOf(size: number): Buffer {
  let text = "";
  for (let line = 0; text.length < size; line++)
    text += `pump: rpm=${(line * 7919) % 4001} duty=${line % 101}%`;
  return Buffer.from(text.slice(0, size));
}

function noiseOf(size: number): Buffer {
  let state = size;
  return Buffer.from(
    Array.from({ length: size }, () => {
      state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
      return state >>> 24;
    }),
  );
}
