import { ByteWriter } from "./store/byte-writer.ts";

/** Room for a page of 100 entries of the usual size; it grows. */
const BUFFER_BYTES = 32 << 10;
/** As many answers as are usually on their way at a time; more take memory of their own. */
const BUFFERS_MAX = 8;
/** A page of 1,000 entries of the usual size. What has grown beyond goes back to the system. */
const KEPT_BYTES_MAX = 256 << 10;

/**
 * Memory that answers are written into, used again and again: to have pages of 32 KB from the system and to give them back costs a
 * server twice the CPU of sending them.
 */
export class AnswerBuffers {
  readonly #idle: ByteWriter[] = [];

  /** An empty one, to be given back once nobody reads what was written into it, or never. */
  take(): ByteWriter {
    return this.#idle.pop() ?? new ByteWriter(BUFFER_BYTES);
  }

  give(buffer: ByteWriter): void {
    if (this.#idle.length >= BUFFERS_MAX || buffer.capacityBytes > KEPT_BYTES_MAX) return;
    buffer.clear();
    this.#idle.push(buffer);
  }
}
