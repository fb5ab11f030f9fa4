import type { ByteReader } from "./byte-reader.ts";
import type { ByteWriter } from "./byte-writer.ts";
import { commitFailure } from "./commit-failure.ts";
import type { ByteFile, DurableFile } from "./durable-file.ts";

/*
 * Sealed values lie end to end in a plain file beside their segment's tree, which holds only where each is. As values of the tree
 * they were read by its map: each page of 4 KiB that had not been looked at for a while was mapped by the kernel one by one, and in
 * a log of 10^8 entries that cost more than all else of a page of 100. One read of a file costs the same however large it is.
 */

/** Where in the pack of a segment a sealed value is, in bytes. */
export interface PackPlace {
  readonly start: number;
  readonly size: number;
}

export function writePackPlace(writer: ByteWriter, { start, size }: PackPlace): void {
  writer.varint(start);
  writer.varint(size);
}

export function readPackPlace(reader: ByteReader): PackPlace {
  return { start: reader.varint(), size: reader.varint() };
}

/** Lays sealed values end to end behind what a pack holds. */
export class PackWriter {
  readonly #file: DurableFile;
  #parts: Uint8Array[] = [];
  /** Up to where it is written. */
  #writtenBytes: number;
  /** Of the pack with what is still to be written. */
  bytes: number;

  /** @param bytes of the pack; what is behind them is written over */
  constructor(file: DurableFile, bytes: number) {
    this.#file = file;
    this.#writtenBytes = bytes;
    this.bytes = bytes;
  }

  get pendingBytes(): number {
    return this.bytes - this.#writtenBytes;
  }

  /** @param sealed must not be changed until it is written */
  add(sealed: Uint8Array): PackPlace {
    const place = { start: this.bytes, size: sealed.length };
    this.#parts.push(sealed);
    this.bytes += sealed.length;
    return place;
  }

  /**
   * Resolves when all that was added is durable. One at a time.
   * @throws StoreUnavailable
   */
  async write(): Promise<void> {
    const parts = this.#parts;
    if (parts.length === 0) return;
    const at = this.#writtenBytes;
    this.#parts = [];
    this.#writtenBytes = this.bytes;
    try {
      await this.#file.write(parts, at);
    } catch (error) {
      throw commitFailure(error);
    }
  }
}

/** Reads sealed values, one after the other in the same memory. */
export class PackReader {
  #memory = Buffer.alloc(1 << 14);

  /** The value, good until the next is read. Undefined where the pack ends before, or the disk cannot read it. */
  read(pack: ByteFile, { start, size }: PackPlace): Buffer | undefined {
    if (size > this.#memory.length) this.#memory = Buffer.alloc(size * 2);
    try {
      const bytes = pack.read(start, size, this.#memory);
      return bytes.length === size ? bytes : undefined;
    } catch (error) {
      // A worn-out disk; another reason is none of the disk.
      if ((error as NodeJS.ErrnoException).code === "EIO") return undefined;
      throw error;
    }
  }
}
