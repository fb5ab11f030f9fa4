import { LINE_BYTES_MAX } from "../protocol/serial-line.ts";

/** A cut line arrives this long: more than any whole one with its CR, so that the reader sees that it was cut. */
export const CUT_LINE_BYTES = LINE_BYTES_MAX + 2;

const LF = 0x0a;
const LF_BYTE = Uint8Array.of(LF);

/**
 * Passes bytes on but ends any line at `CUT_LINE_BYTES`; what follows up to the next LF is discarded (docs/protocol.md 7.6).
 * Stands before a line parser, which would otherwise collect a line without an end for ever.
 */
export class LineBound {
  readonly #onDiscarded: (byteCount: number) => void;
  #lineBytes = 0;
  #discarding = false;

  constructor(onDiscarded: (byteCount: number) => void) {
    this.#onDiscarded = onDiscarded;
  }

  /** The chunk's bytes that may pass, in order; often the chunk itself. */
  push(chunk: Uint8Array): readonly Uint8Array[] {
    // Whole lines, the usual case, go on without being taken apart.
    if (!this.#discarding && this.#isShort(chunk)) return [chunk];
    const passed: Uint8Array[] = [];
    let start = 0;
    while (start < chunk.length) {
      const lfIndex = chunk.indexOf(LF, start);
      const end = lfIndex < 0 ? chunk.length : lfIndex;
      if (this.#discarding) this.#onDiscarded(end - start);
      else this.#pass(chunk.subarray(start, end), passed);
      if (lfIndex >= 0) {
        if (!this.#discarding) passed.push(LF_BYTE);
        this.#discarding = false;
        this.#lineBytes = 0;
      }
      start = end + 1;
    }
    return passed;
  }

  /** Whether no line can end too long in this chunk, whatever is in it; then it is counted. */
  #isShort(chunk: Uint8Array): boolean {
    if (this.#lineBytes + chunk.length >= CUT_LINE_BYTES) return false;
    const lfIndex = chunk.lastIndexOf(LF);
    this.#lineBytes = lfIndex < 0 ? this.#lineBytes + chunk.length : chunk.length - lfIndex - 1;
    return true;
  }

  #pass(part: Uint8Array, passed: Uint8Array[]): void {
    const room = CUT_LINE_BYTES - this.#lineBytes;
    if (part.length < room) {
      if (part.length > 0) passed.push(part);
      this.#lineBytes += part.length;
      return;
    }
    passed.push(part.subarray(0, room), LF_BYTE);
    this.#discarding = true;
    this.#onDiscarded(part.length - room);
  }
}
