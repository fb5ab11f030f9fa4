/** Fixed header: one byte of type and flags, then one to four bytes of length (MQTT 3.1.1, 2.2.3). */
const HEAD_BYTES_MIN = 2;
const LENGTH_BYTES_MAX = 4;
/** A rest as small as this is copied, so that it does not keep the 64 KiB it came in. */
const COPIED_BYTES_MAX = 8 * 1024;

/** What is wrong with a stream of packets: nothing after it can be read. */
export const PacketFault = { TooLarge: "too large", BadLength: "bad length" } as const;
export type PacketFault = (typeof PacketFault)[keyof typeof PacketFault];

/**
 * Cuts a stream of bytes into MQTT packets. A packet that comes whole is handed on where it lies; of one that comes in pieces only the
 * pieces are kept, joined once. One that is too large is refused at its head, before anything collects it.
 */
export class PacketCutter {
  readonly #packetBytesMax: number;
  /** Emptied and not replaced, for the reason that a `Fifo` is a ring. */
  readonly #pieces: (Buffer | undefined)[] = [];
  #waitingBytes = 0;
  /** Bytes wanted before it is worth looking again. */
  #wantedBytes = HEAD_BYTES_MIN;

  constructor(packetBytesMax: number) {
    this.#packetBytesMax = packetBytesMax;
  }

  /**
   * Calls `onPacket` for each packet with the bytes it lies in, where it starts, where its body starts and where it ends; stops and keeps
   * the rest when that says false (`push` with nothing goes on).
   * @returns what is wrong with the stream, if something is.
   */
  push(
    chunk: Buffer,
    onPacket: (bytes: Buffer, start: number, body: number, end: number) => boolean,
  ): PacketFault | undefined {
    let bytes = chunk;
    if (this.#pieces.length > 0) {
      this.keep(chunk);
      if (this.#waitingBytes < this.#wantedBytes) return undefined;
      bytes = this.#takeKept();
    }
    let start = 0;
    this.#wantedBytes = HEAD_BYTES_MIN;
    while (bytes.length - start >= HEAD_BYTES_MIN) {
      let sizeBytes = 0;
      let body = start + 1;
      let isHeadWhole = false;
      while (!isHeadWhole && body < bytes.length && body - start <= LENGTH_BYTES_MAX) {
        const byte = bytes[body] as number;
        sizeBytes |= (byte & 0x7f) << (7 * (body - start - 1));
        isHeadWhole = byte < 0x80;
        body += 1;
      }
      if (!isHeadWhole) {
        if (body - start > LENGTH_BYTES_MAX) return PacketFault.BadLength;
        this.#wantedBytes = body - start + 1;
        break;
      }
      const end = body + sizeBytes;
      if (end - start > this.#packetBytesMax) return PacketFault.TooLarge;
      if (end > bytes.length) {
        this.#wantedBytes = end - start;
        break;
      }
      const wantsMore = onPacket(bytes, start, body, end);
      start = end;
      if (!wantsMore) break;
    }
    if (start < bytes.length) this.keep(copyOfSmall(bytes.subarray(start)));
    return undefined;
  }

  /** Puts bytes behind what is kept, to be looked at with the next `push`. */
  keep(chunk: Buffer): void {
    if (chunk.length === 0) return;
    this.#pieces.push(chunk);
    this.#waitingBytes += chunk.length;
  }

  /** Kept, and not handed on yet. */
  get restBytes(): number {
    return this.#waitingBytes;
  }

  #takeKept(): Buffer {
    const pieces = this.#pieces as Buffer[];
    const bytes = pieces.length === 1 ? (pieces[0] as Buffer) : Buffer.concat(pieces);
    this.#pieces.fill(undefined);
    this.#pieces.length = 0;
    this.#waitingBytes = 0;
    return bytes;
  }
}

function copyOfSmall(rest: Buffer): Buffer {
  return rest.length <= COPIED_BYTES_MAX ? Buffer.from(rest) : rest;
}
