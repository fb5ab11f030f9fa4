export const VARINT_BYTES_MAX = 8;
export const SIGNED_BYTES_MAX = 9;
/** Up to this many bytes a loop is faster than a call that copies them. */
const LOOP_MAX = 128;
const INT_MAX = 0x7fffffff;
/** What four bytes of a varint hold. */
const HIGH = 2 ** 28;

/** A growing byte buffer with the number forms of the store's records. Unsigned forms take integers from 0 to 2^53-1. */
export class ByteWriter {
  #bytes: Buffer;
  #words: DataView;
  #length = 0;

  constructor(capacityBytes = 256) {
    this.#bytes = Buffer.allocUnsafeSlow(capacityBytes);
    this.#words = wordsOf(this.#bytes);
  }

  get length(): number {
    return this.#length;
  }

  /** What it holds without growing. */
  get capacityBytes(): number {
    return this.#bytes.length;
  }

  /** A view; good until the next write. */
  view(): Buffer {
    return this.#bytes.subarray(0, this.#length);
  }

  clear(): void {
    this.#length = 0;
  }

  /** Makes room for `size` bytes, so that the writes that follow do not move the buffer. */
  reserve(size: number): void {
    const needed = this.#length + size;
    if (needed <= this.#bytes.length) return;
    const grown = Buffer.allocUnsafeSlow(Math.max(needed, this.#bytes.length * 2));
    this.#bytes.copy(grown, 0, 0, this.#length);
    this.#bytes = grown;
    this.#words = wordsOf(grown);
  }

  /** The buffer itself, with room for `size` bytes after `length`: for writers that count for themselves, then `advance`. */
  open(size: number): Buffer {
    this.reserve(size);
    return this.#bytes;
  }

  advance(length: number): void {
    this.#length = length;
  }

  u8(value: number): void {
    this.reserve(1);
    this.#bytes[this.#length++] = value;
  }

  u32(value: number): void {
    this.reserve(4);
    this.#length = this.#bytes.writeUInt32BE(value, this.#length);
  }

  varint(value: number): void {
    this.reserve(VARINT_BYTES_MAX);
    if (value < 128) this.#bytes[this.#length++] = value;
    else this.#length = putVarint(this.#bytes, this.#length, value);
  }

  /** An integer from -(2^53-1) to 2^53-1: the sign is the lowest bit of the first byte, since 2^54 would lose a bit. */
  signed(value: number): void {
    this.reserve(SIGNED_BYTES_MAX);
    this.#length = putSigned(this.#bytes, this.#length, value);
  }

  /** UTF-8 with its length before it, in one pass: the length takes as many bytes as the longest UTF-8 could need. */
  text(value: string): void {
    this.reserve(textBytesMax(value));
    this.#length = putText(this.#bytes, this.#length, value);
  }

  /** UTF-8 without its length. */
  characters(value: string): void {
    this.reserve(value.length * 3);
    this.#length += putShort(this.#bytes, this.#length, value)
      ? value.length
      : this.#bytes.write(value, this.#length);
  }

  /** UTF-16 without its length, the low byte first. */
  utf16(value: string): void {
    this.reserve(value.length * 2);
    this.#length += this.#bytes.write(value, this.#length, "utf16le");
  }

  /**
   * The bytes from `start` to below `end` of a text in UTF-8 that is a message long. Eight bytes a step take a third of the time of four,
   * which take half of that of one, or of a call into the engine; the last step may write some of what the one before wrote.
   * They go as doubles, which are copied as they are but for those that are no number, and no UTF-8 looks like one: its eighth byte would
   * be 255, or 127 behind one of 240 or more.
   */
  copyWords(from: DataView, start: number, end: number): void {
    const size = end - start;
    this.reserve(size);
    const words = this.#words;
    const at = this.#length;
    this.#length = at + size;
    if (size >= 8) {
      const last = size - 8;
      for (let index = 0; index < last; index += 8)
        words.setFloat64(at + index, from.getFloat64(start + index, true), true);
      words.setFloat64(at + last, from.getFloat64(start + last, true), true);
    } else {
      for (let index = 0; index < size; index++) words.setUint8(at + index, from.getUint8(start + index));
    }
  }

  /** All bytes of another writer. */
  append(from: ByteWriter): void {
    this.copy(from.#bytes, 0, from.#length);
  }

  /** The bytes from `start` to below `end` of another buffer. */
  copy(from: Uint8Array, start: number, end: number): void {
    const size = end - start;
    this.reserve(size);
    if (size > LOOP_MAX) {
      this.#bytes.set(from.subarray(start, end), this.#length);
    } else {
      const bytes = this.#bytes;
      let at = this.#length;
      for (let index = start; index < end; index++) bytes[at++] = from[index] ?? 0;
    }
    this.#length += size;
  }
}

/** The same bytes of UTF-8, to be copied by `copyWords`. */
export function wordsOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
}

/** Writes a varint of at most 8 bytes at `at`; returns where it ends. */
export function putVarint(bytes: Buffer, at: number, value: number): number {
  let position = at;
  let rest: number;
  if (value > INT_MAX) {
    // As two integers: each remainder of a double takes as long as all the rest.
    const high = Math.floor(value / HIGH);
    const low = value - high * HIGH;
    bytes[position] = 128 | (low & 127);
    bytes[position + 1] = 128 | ((low >>> 7) & 127);
    bytes[position + 2] = 128 | ((low >>> 14) & 127);
    bytes[position + 3] = 128 | (low >>> 21);
    position += 4;
    rest = high;
  } else rest = value;
  while (rest > 127) {
    bytes[position++] = 128 | (rest & 127);
    rest >>>= 7;
  }
  bytes[position++] = rest;
  return position;
}

/** Writes an integer with its sign at `at`; returns where it ends. */
export function putSigned(bytes: Buffer, at: number, value: number): number {
  const size = Math.abs(value);
  const sign = value < 0 ? 1 : 0;
  if (size < 64) {
    bytes[at] = (size << 1) | sign;
    return at + 1;
  }
  // What fits into an integer is not divided as a double, which takes several times as long.
  const isInt = size <= INT_MAX;
  const low = isInt ? size & 63 : size % 64;
  bytes[at] = 128 | (low << 1) | sign;
  return putVarint(bytes, at + 1, isInt ? size >>> 6 : Math.floor(size / 64));
}

/** Bytes that `putText` writes at most. */
export function textBytesMax(value: string): number {
  return value.length * 3 + 5;
}

/** Writes UTF-8 with its length before it at `at`; returns where it ends. */
export function putText(bytes: Buffer, at: number, value: string): number {
  const prefixSize = prefixBytes(value.length * 3);
  const start = at + prefixSize;
  const size = putShort(bytes, start, value) ? value.length : bytes.write(value, start);
  putPadded(bytes, at, size, prefixSize);
  return start + size;
}

/** Short ASCII without a call into the engine. False where it is not: the bytes there are to be written over. */
function putShort(bytes: Buffer, start: number, value: string): boolean {
  if (value.length > LOOP_MAX) return false;
  for (let index = 0; index < value.length; index++) {
    const code = value.charCodeAt(index);
    if (code > 127) return false;
    bytes[start + index] = code;
  }
  return true;
}

/** Bytes of a length that is at most `sizeMax`. */
export function prefixBytes(sizeMax: number): number {
  return sizeMax < 0x80 ? 1 : sizeMax < 0x4000 ? 2 : sizeMax < 0x200000 ? 3 : 5;
}

/** A varint of exactly `prefixSize` bytes; readers take it like any other. */
export function putPadded(bytes: Buffer, at: number, value: number, prefixSize: number): void {
  let rest = value;
  for (let index = 0; index < prefixSize - 1; index++) {
    bytes[at + index] = 128 | (rest & 127);
    rest >>>= 7;
  }
  bytes[at + prefixSize - 1] = rest;
}
