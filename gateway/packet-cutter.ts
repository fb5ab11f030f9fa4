import { ByteBlocks } from "./byte-blocks.ts";

/** Fixed header: one byte of type and flags, then one to four bytes of length (MQTT 3.1.1, 2.2.3). */
const HEAD_BYTES_MIN = 2;
const LENGTH_BYTES_MAX = 4;
/** Of all cutters: at full speed each of them keeps something most of the time. */
const blocks = new ByteBlocks();

/** What is wrong with a stream of packets: nothing after it can be read. */
export const PacketFault = { TooLarge: "too large", BadLength: "bad length" } as const;
export type PacketFault = (typeof PacketFault)[keyof typeof PacketFault];

/**
 * Cuts a stream of bytes into MQTT packets. What is kept, a piece of a packet or all that waits, is copied into memory that is used again, so
 * a packet must be read before the call that hands it on returns. One that is too large is refused at its head, before anything collects it.
 */
export class PacketCutter {
  readonly #packetBytesMax: number;
  /** What is kept, from its start on. */
  #block: Buffer | undefined;
  #waitingBytes = 0;
  /** How much was kept the time before, which is what is kept this time: a block need not grow step by step. */
  #waitedBytes = 0;
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
    if (this.#block === undefined) return this.#cut(chunk, undefined, onPacket);
    this.keep(chunk);
    if (this.#waitingBytes < this.#wantedBytes) return undefined;
    // Taken out: who is told of a packet may ask for what follows it.
    const block = this.#block;
    const bytes = block.subarray(0, this.#waitingBytes);
    this.#block = undefined;
    this.#waitedBytes = this.#waitingBytes;
    this.#waitingBytes = 0;
    return this.#cut(bytes, block, onPacket);
  }

  /** @param block in which the bytes lie, where they were kept. */
  #cut(
    bytes: Buffer,
    block: Buffer | undefined,
    onPacket: (bytes: Buffer, start: number, body: number, end: number) => boolean,
  ): PacketFault | undefined {
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
    if (block !== undefined) this.#keepRestOf(block, start, bytes.length);
    else if (start < bytes.length) this.keep(bytes.subarray(start));
    return undefined;
  }

  /** Puts bytes behind what is kept, to be looked at with the next `push`. */
  keep(chunk: Buffer): void {
    if (chunk.length === 0) return;
    const end = this.#waitingBytes + chunk.length;
    this.#block ??= blocks.take(Math.max(end, this.#waitedBytes));
    if (this.#block.length < end) {
      const small = this.#block;
      this.#block = blocks.take(end);
      small.copy(this.#block, 0, 0, this.#waitingBytes);
      blocks.giveBack(small);
    }
    chunk.copy(this.#block, this.#waitingBytes);
    this.#waitingBytes = end;
  }

  /** Kept, and not handed on yet. */
  get restBytes(): number {
    return this.#waitingBytes;
  }

  #keepRestOf(block: Buffer, start: number, end: number): void {
    if (start === end) {
      blocks.giveBack(block);
      return;
    }
    block.copyWithin(0, start, end);
    this.#block = block;
    this.#waitingBytes = end - start;
  }
}
