import type { Socket } from "node:net";
import { Duplex } from "node:stream";

export interface GuardOptions {
  /** Largest MQTT packet, its head included. */
  readonly packetBytesMax: number;
  /** Told once, before the connection is destroyed. */
  readonly onTooLarge: () => void;
}

/** Fixed header: one byte of type and flags, then one to four bytes of length (MQTT 3.1.1, 2.2.3). */
const LENGTH_BYTES_MAX = 4;

/**
 * A socket that looks at the length of each MQTT packet on its way in and closes when one is larger than allowed, before anything
 * collects it: the broker's parser would take up to 256 MiB of each connection.
 */
export class GuardedSocket extends Duplex {
  readonly #socket: Socket;
  readonly #options: GuardOptions;
  /** Bytes of the present packet's body still to come. */
  #bodyBytes = 0;
  /** Bytes of the present packet's length seen; -1 where its first byte is to come. */
  #lengthIndex = -1;
  #length = 0;

  constructor(socket: Socket, options: GuardOptions) {
    super({ allowHalfOpen: false });
    this.#socket = socket;
    this.#options = options;
    socket.on("data", (chunk: Buffer) => this.#receive(chunk));
    socket.on("end", () => this.push(null));
    socket.on("error", (error) => this.destroy(error));
    socket.on("close", () => this.destroy());
  }

  override _read(): void {
    this.#socket.resume();
  }

  override _write(chunk: Buffer, encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    this.#socket.write(chunk, encoding, done);
  }

  override _writev(
    chunks: { chunk: Buffer; encoding: BufferEncoding }[],
    done: (error?: Error | null) => void,
  ): void {
    this.#socket.write(Buffer.concat(chunks.map(({ chunk }) => chunk)), done);
  }

  override _final(done: () => void): void {
    this.#socket.end(done);
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.#socket.destroy();
    done(error);
  }

  #receive(chunk: Buffer): void {
    if (this.#isTooLarge(chunk)) {
      this.#options.onTooLarge();
      this.destroy();
      return;
    }
    if (!this.push(chunk)) this.#socket.pause();
  }

  /** Walks over the packets in a chunk; a malformed length is the parser's to refuse. */
  #isTooLarge(chunk: Buffer): boolean {
    let index = 0;
    while (index < chunk.length) {
      if (this.#bodyBytes > 0) {
        const skipped = Math.min(this.#bodyBytes, chunk.length - index);
        this.#bodyBytes -= skipped;
        index += skipped;
        continue;
      }
      const byte = chunk[index] ?? 0;
      index += 1;
      if (this.#lengthIndex < 0) {
        this.#lengthIndex = 0;
        this.#length = 0;
        continue;
      }
      this.#length += (byte & 0x7f) << (7 * this.#lengthIndex);
      this.#lengthIndex += 1;
      if (byte & 0x80 && this.#lengthIndex < LENGTH_BYTES_MAX) continue;
      if (1 + this.#lengthIndex + this.#length > this.#options.packetBytesMax) return true;
      this.#bodyBytes = this.#length;
      this.#lengthIndex = -1;
    }
    return false;
  }
}
