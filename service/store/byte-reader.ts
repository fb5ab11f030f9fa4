/** A record that does not read as it was written. Its checksum did match, so this is a mistake of ours or of a later version. */
export class MalformedRecord extends Error {
  readonly code = "MALFORMED_RECORD";
  constructor(what: string) {
    super(`a record of the store cannot be read: ${what}`);
    this.name = "MalformedRecord";
  }
}

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
    const first = this.u8();
    if (first < 128) return first;
    let value = first & 127;
    let scale = 128;
    for (;;) {
      const byte = this.u8();
      value += (byte & 127) * scale;
      if (byte < 128) return value;
      scale *= 128;
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
