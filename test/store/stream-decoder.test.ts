import { brotliCompressSync, constants } from "node:zlib";
import { describe, expect, it } from "vitest";
import { brotliCompressor, compactBrotliCompressor } from "../../service/store/compressor.ts";
import { EXPAND_SPARE_BYTES, StreamDecoder } from "../../service/store/stream-decoder.ts";

const SIZES = [0, 1, 17, 500, 4096, 20_000, 131_073, 700_000];
const values = SIZES.map((size) => Buffer.from("valve open at 17 C; ".repeat(size / 20 + 1).slice(0, size)));

describe("a decoder of many streams", () => {
  it("gives each back, whatever was read before it, at any quality", () => {
    const decoder = opened();
    for (const quality of [0, 1, 5, 11]) {
      for (const value of [...values, ...values.toReversed()]) {
        const params = { [constants.BROTLI_PARAM_QUALITY]: quality };
        expect(expanded(decoder, brotliCompressSync(value, { params }), value.length).equals(value)).toBe(
          true,
        );
      }
    }
  });

  it("refuses what is cut short at any byte, has bytes behind it or another size, and reads the next one", () => {
    const decoder = opened();
    const value = Buffer.from("fan: rpm=1200, fan: rpm=1201, fan: rpm=1199");
    const stream = brotliCompressSync(value);
    const readsOn = (): void => expect(expanded(decoder, stream, value.length)).toEqual(value);
    for (let end = 0; end < stream.length; end++) {
      expect(() => expanded(decoder, stream.subarray(0, end), value.length)).toThrow(RangeError);
      readsOn();
    }
    for (const [bytes, size] of [
      [Buffer.concat([stream, Buffer.of(1)]), value.length],
      [stream, value.length - 1],
      [stream, value.length + 1],
      [Buffer.of(0xff, 0xff, 0xff), 3],
    ] as const) {
      expect(() => expanded(decoder, bytes, size)).toThrow(RangeError);
      readsOn();
    }
  });

  it("writes nothing behind the memory that it is given", () => {
    const value = Buffer.alloc(1000, "x");
    const memory = Buffer.alloc(2000, 7);
    const result = brotliCompressor.expand(brotliCompressSync(value), value.length, memory.subarray(0, 1001));
    expect(result.buffer).toBe(memory.buffer);
    expect(memory.subarray(0, 1000)).toEqual(value);
    expect(memory.subarray(1001).every((byte) => byte === 7)).toBe(true);
  });

  it("reads what the store seals and compacts", () => {
    for (const compressor of [brotliCompressor, compactBrotliCompressor]) {
      for (const value of values)
        expect(compressor.expand(compressor.compress(value), value.length).equals(value)).toBe(true);
    }
  });
});

function expanded(decoder: StreamDecoder, stream: Buffer, size: number): Buffer {
  return decoder.expand(stream, size, Buffer.alloc(size + EXPAND_SPARE_BYTES));
}

function opened(): StreamDecoder {
  const decoder = StreamDecoder.open();
  if (decoder === undefined) throw new Error("this version of Node has no such decoder");
  return decoder;
}
