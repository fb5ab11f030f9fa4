/** A record that does not read as it was written. Its checksum did match, so this is a mistake of ours or of a later version. */
export class MalformedRecord extends Error {
  readonly code = "MALFORMED_RECORD";
  constructor(what: string) {
    super(`a record of the store cannot be read: ${what}`);
    this.name = "MalformedRecord";
  }
}

const VARINT_BYTES_MAX = 8;

/** Reads what `ByteWriter` writes. Throws MalformedRecord past the end. */
export class ByteReader {
  bytes: Buffer;
  end: number;
  position: number;

  constructor(bytes: Buffer, start = 0, end = bytes.length) {
    this.bytes = bytes;
    this.position = start;
    this.end = end;
  }

  /** Reads other bytes from now on, up to their end. */
  moveTo(bytes: Buffer, start: number): void {
    this.bytes = bytes;
    this.position = start;
    this.end = bytes.length;
  }

  get done(): boolean {
    return this.position >= this.end;
  }

  u8(): number {
    const value = this.position < this.end ? this.bytes[this.position++] : undefined;
    if (value === undefined) throw new MalformedRecord("it ends early");
    return value;
  }

  u32(): number {
    const start = this.position;
    this.skip(4);
    return this.bytes.readUInt32BE(start);
  }

  varint(): number {
    const { bytes, position } = this;
    // Where the longest fits in, nothing need be asked of the end.
    if (position + VARINT_BYTES_MAX > this.end) return this.#lastVarint();
    const first = bytes[position] ?? 0;
    if (first < 128) {
      this.position = position + 1;
      return first;
    }
    const second = bytes[position + 1] ?? 0;
    const two = (first & 127) | ((second & 127) << 7);
    if (second < 128) {
      this.position = position + 2;
      return two;
    }
    const third = bytes[position + 2] ?? 0;
    const three = two | ((third & 127) << 14);
    if (third < 128) {
      this.position = position + 3;
      return three;
    }
    const fourth = bytes[position + 3] ?? 0;
    this.position = position + 4;
    const four = three | ((fourth & 127) << 21);
    return fourth < 128 ? four : four + this.#high() * 2 ** 28;
  }

  /** One near the end, which may be cut short. */
  #lastVarint(): number {
    const first = this.u8();
    if (first < 128) return first;
    // Up to 28 bits as an integer, and what is above them as another: a product of doubles for each byte took twice as long.
    let low = first & 127;
    for (let shift = 7; shift < 28; shift += 7) {
      const byte = this.u8();
      low |= (byte & 127) << shift;
      if (byte < 128) return low;
    }
    return low + this.#high() * 2 ** 28;
  }

  /** The bits of a varint above the lowest 28: at most 25 of them. */
  #high(): number {
    let high = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = this.u8();
      high |= (byte & 127) << shift;
      if (byte < 128) return high;
    }
  }

  signed(): number {
    const first = this.u8();
    let size = (first >> 1) & 63;
    if (first >= 128) size += this.varint() * 64;
    return first & 1 ? -size : size;
  }

  text(): string {
    const size = this.varint();
    const start = this.position;
    this.skip(size);
    return this.bytes.toString("utf8", start, this.position);
  }

  skip(size: number): void {
    this.position += size;
    if (this.position > this.end) throw new MalformedRecord("it ends early");
  }
}
