/** Up to this many bytes a loop is faster than a call that copies them. */
const LOOP_MAX = 128;

/** A growing byte buffer with the number forms of the store's records. Unsigned forms take integers from 0 to 2^53-1. */
export class ByteWriter {
  #bytes: Buffer;
  #length = 0;

  constructor(capacityBytes = 256) {
    this.#bytes = Buffer.allocUnsafeSlow(capacityBytes);
  }

  get length(): number {
    return this.#length;
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
    this.reserve(8);
    this.#length = putVarint(this.#bytes, this.#length, value);
  }

  /** An integer from -(2^53-1) to 2^53-1: the sign is the lowest bit of the first byte, since 2^54 would lose a bit. */
  signed(value: number): void {
    this.reserve(9);
    const bytes = this.#bytes;
    const size = Math.abs(value);
    const sign = value < 0 ? 1 : 0;
    if (size < 64) {
      bytes[this.#length++] = (size << 1) | sign;
      return;
    }
    bytes[this.#length++] = 128 | ((size % 64) << 1) | sign;
    this.#length = putVarint(bytes, this.#length, Math.floor(size / 64));
  }

  /** UTF-8 with its length before it, in one pass: the length takes as many bytes as the longest UTF-8 could need. */
  text(value: string): void {
    const sizeMax = value.length * 3;
    const prefixSize = prefixBytes(sizeMax);
    this.reserve(sizeMax + prefixSize);
    const start = this.#length + prefixSize;
    const size = this.#putShort(value, start) ? value.length : this.#bytes.write(value, start);
    putPadded(this.#bytes, this.#length, size, prefixSize);
    this.#length = start + size;
  }

  /** UTF-8 without its length. */
  characters(value: string): void {
    this.reserve(value.length * 3);
    this.#length += this.#bytes.write(value, this.#length);
  }

  /** The bytes from `start` to below `end` of another buffer. */
  copy(from: Buffer, start: number, end: number): void {
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

  /** Short ASCII without a call into the engine. False where it is not: the bytes there are to be written over. */
  #putShort(value: string, start: number): boolean {
    if (value.length > LOOP_MAX) return false;
    const bytes = this.#bytes;
    for (let index = 0; index < value.length; index++) {
      const code = value.charCodeAt(index);
      if (code > 127) return false;
      bytes[start + index] = code;
    }
    return true;
  }

  raw(value: Uint8Array): void {
    this.reserve(value.length);
    this.#bytes.set(value, this.#length);
    this.#length += value.length;
  }

  /** Leaves room for a length that `endBlock` fills in. Returns what `endBlock` needs. */
  beginBlock(sizeMax: number): number {
    const prefixSize = prefixBytes(sizeMax);
    this.reserve(prefixSize);
    this.#length += prefixSize;
    return this.#length * 8 + prefixSize;
  }

  endBlock(block: number): void {
    const prefixSize = block % 8;
    const start = (block - prefixSize) / 8;
    putPadded(this.#bytes, start - prefixSize, this.#length - start, prefixSize);
  }
}

function putVarint(bytes: Buffer, at: number, value: number): number {
  let position = at;
  let rest = value;
  while (rest > 0x7fffffff) {
    bytes[position++] = 128 | (rest % 128);
    rest = Math.floor(rest / 128);
  }
  while (rest > 127) {
    bytes[position++] = 128 | (rest & 127);
    rest >>>= 7;
  }
  bytes[position++] = rest;
  return position;
}

function prefixBytes(sizeMax: number): number {
  return sizeMax < 0x80 ? 1 : sizeMax < 0x4000 ? 2 : sizeMax < 0x200000 ? 3 : 5;
}

/** A varint of exactly `prefixSize` bytes; readers take it like any other. */
function putPadded(bytes: Buffer, at: number, value: number, prefixSize: number): void {
  let rest = value;
  for (let index = 0; index < prefixSize - 1; index++) {
    bytes[at + index] = 128 | (rest & 127);
    rest >>>= 7;
  }
  bytes[at + prefixSize - 1] = rest;
}
