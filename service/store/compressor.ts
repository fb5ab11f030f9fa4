import { brotliCompressSync, brotliDecompressSync, constants } from "node:zlib";
import { FragmentEncoder } from "./fragment-encoder.ts";
import { EXPAND_SPARE_BYTES, StreamDecoder } from "./stream-decoder.ts";

/** Compression of sealed values. Both work within the turn: a chunk takes 0.05 ms to compress and 0.02 ms to expand. */
export interface Compressor {
  /** The result is good until the next call. */
  compress(bytes: Uint8Array): Uint8Array;
  /**
   * @param memory of EXPAND_SPARE_BYTES more, which the result is the beginning of
   * @throws RangeError where the bytes do not expand to exactly `sizeBytes`.
   */
  expand(bytes: Uint8Array, sizeBytes: number, memory?: Buffer): Buffer;
}

/**
 * Brotli at quality 1 takes three fifths of the time of quality 2 and of deflate at level 3, for a seventh more bytes than the
 * former; what is kept for long is compacted anyway. The asynchronous calls cost a quarter more CPU a chunk than the chunk itself.
 */
export const brotliCompressor: Compressor = quickBrotli(1, 16);
/** Smaller again, for three times the time. */
export const compactBrotliCompressor: Compressor = brotli(5, 18);

/** @param quality 0 or 1 */
function quickBrotli(quality: number, windowBits: number): Compressor {
  const oneByOne = brotli(quality, windowBits);
  let encoder: Pick<Compressor, "compress"> | undefined;
  return {
    compress: (bytes) => {
      encoder ??= FragmentEncoder.open(paramsOf(quality, windowBits)) ?? oneByOne;
      return encoder.compress(bytes);
    },
    expand,
  };
}

function brotli(quality: number, windowBits: number): Compressor {
  const params = paramsOf(quality, windowBits);
  return {
    compress: (bytes) => brotliCompressSync(bytes, { params, chunkSize: Math.max(64, bytes.length >> 1) }),
    expand,
  };
}

function paramsOf(quality: number, windowBits: number): Record<number, number> {
  return {
    [constants.BROTLI_PARAM_QUALITY]: quality,
    [constants.BROTLI_PARAM_LGWIN]: windowBits,
    [constants.BROTLI_PARAM_MODE]: constants.BROTLI_MODE_GENERIC,
  };
}

let expander: Pick<StreamDecoder, "expand"> | undefined;

function expand(
  bytes: Uint8Array,
  sizeBytes: number,
  memory = Buffer.allocUnsafeSlow(sizeBytes + EXPAND_SPARE_BYTES),
): Buffer {
  expander ??= StreamDecoder.open() ?? { expand: expandOnItsOwn };
  return expander.expand(bytes, sizeBytes, memory);
}

function expandOnItsOwn(bytes: Uint8Array, sizeBytes: number, memory: Buffer): Buffer {
  const result = brotliDecompressSync(bytes, { maxOutputLength: sizeBytes, chunkSize: sizeBytes + 64 });
  if (result.length !== sizeBytes) throw new RangeError("a compressed value has another size than it says");
  result.copy(memory);
  return memory.subarray(0, sizeBytes);
}
