import { ByteWriter, wordsOf } from "./byte-writer.ts";

/** UTF-16 units that are joined at a time: a longer text would have memory of its own, got from the system and given back for each batch. */
const JOINED_UNITS_MAX = 16 << 10;
/** Memory of a larger batch is not kept for the next. */
const KEPT_BYTES_MAX = 1 << 20;
const ROOM_BYTES = 1 << 16;

/**
 * The messages of a batch, one after the other: a byte for each UTF-16 unit as long as all are ASCII, two once one is not. They are joined
 * before they are written, as a call for each costs twice as much.
 */
export class MessageText {
  #bytes = new ByteWriter(ROOM_BYTES);
  /** Not written yet. */
  #joined = "";
  #writtenUnits = 0;
  #isAscii = true;
  /** What ASCII was taken from last: hundreds of frames lie in the same bytes. */
  #from: Uint8Array | undefined;
  #fromWords: DataView | undefined;

  /** UTF-16 units so far: where the next message begins. */
  get units(): number {
    return this.#writtenUnits + this.#joined.length;
  }

  /** Of what was written, which is all once `finish` was called. */
  get isAscii(): boolean {
    return this.#isAscii;
  }

  add(message: string): void {
    if (this.#joined.length + message.length > JOINED_UNITS_MAX) this.#write();
    this.#joined += message;
  }

  /** Takes bytes that are ASCII, from `start` to below `end`. */
  addAscii(from: Uint8Array, start: number, end: number): void {
    this.#write();
    const bytes = this.#bytes;
    if (this.#isAscii) bytes.copyWords(this.#wordsOf(from), start, end);
    else bytes.utf16(Buffer.from(from.buffer, from.byteOffset + start, end - start).toString("latin1"));
    this.#writtenUnits += end - start;
  }

  #wordsOf(bytes: Uint8Array): DataView {
    if (this.#from === bytes && this.#fromWords !== undefined) return this.#fromWords;
    this.#from = bytes;
    this.#fromWords = wordsOf(bytes);
    return this.#fromWords;
  }

  /** All of it; good until the next call. */
  finish(): Buffer {
    this.#write();
    return this.#bytes.view();
  }

  clear(): void {
    if (this.#bytes.capacityBytes > KEPT_BYTES_MAX) this.#bytes = new ByteWriter(ROOM_BYTES);
    this.#bytes.clear();
    this.#writtenUnits = 0;
    this.#isAscii = true;
    this.#from = this.#fromWords = undefined;
  }

  #write(): void {
    const text = this.#joined;
    if (text === "") return;
    const bytes = this.#bytes;
    this.#joined = "";
    if (this.#isAscii) {
      const before = bytes.length;
      bytes.characters(text);
      this.#isAscii = bytes.length === before + text.length;
      if (!this.#isAscii) {
        bytes.advance(before);
        this.#widen();
      }
    }
    if (!this.#isAscii) bytes.utf16(text);
    this.#writtenUnits += text.length;
  }

  #widen(): void {
    const before = this.#bytes.view().toString("latin1");
    this.#bytes.clear();
    this.#bytes.utf16(before);
  }
}
