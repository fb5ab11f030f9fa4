import type { ByteReader } from "./byte-reader.ts";
import type { ByteWriter } from "./byte-writer.ts";
import type { KvChange, OrderedKv } from "./ordered-kv.ts";
import { packKey } from "./store-keys.ts";

/**
 * Bytes of a pack: a page of the engine less its head. A sealed value as a value of the engine would leave half a page empty; laid end to
 * end and cut into packs they leave nothing, and to read one takes the pages that it is on: in a large log these are in no cache, and
 * each costs microseconds.
 */
export const PACK_BYTES = 4096 - 24;
/** Packs that share memory while they wait to be written. */
const PACKS_TOGETHER = 32;

/** Where in the packs of a segment a sealed value is. */
export interface PackPlace {
  /** In which it begins. */
  readonly packNumber: number;
  /** Bytes before it in that pack. */
  readonly start: number;
  /** In bytes; what is not in the pack is at the beginning of the next ones. */
  readonly size: number;
}

export function writePackPlace(writer: ByteWriter, { packNumber, start, size }: PackPlace): void {
  writer.varint(packNumber);
  writer.varint(start);
  writer.varint(size);
}

export function readPackPlace(reader: ByteReader): PackPlace {
  return { packNumber: reader.varint(), start: reader.varint(), size: reader.varint() };
}

/** Lays sealed values end to end and cuts what they make into packs. */
export class PackBuilder {
  /** Of the pack under way and those after it. */
  #memory = Buffer.alloc(0);
  #bytes = 0;
  nextPack: number;

  constructor(nextPack: number) {
    this.nextPack = nextPack;
  }

  /**
   * Takes a sealed value.
   * @param key under which `encode` says where it is
   * @returns what is to be written: that, and packs
   */
  add(key: Uint8Array, sealed: Uint8Array, encode: (place: PackPlace) => Uint8Array): KvChange[] {
    const value = encode({ packNumber: this.nextPack, start: this.#bytes, size: sealed.length });
    const changes: KvChange[] = [{ type: "put", key, value }];
    for (let taken = 0; taken < sealed.length; ) {
      if (this.#memory.length === 0) this.#memory = Buffer.allocUnsafeSlow(PACKS_TOGETHER * PACK_BYTES);
      const count = Math.min(sealed.length - taken, PACK_BYTES - this.#bytes);
      this.#memory.set(sealed.subarray(taken, taken + count), this.#bytes);
      taken += count;
      this.#bytes += count;
      if (this.#bytes === PACK_BYTES) changes.push(...this.finish());
    }
    return changes;
  }

  /** The pack under way. */
  finish(): KvChange[] {
    if (this.#bytes === 0) return [];
    const value = this.#memory.subarray(0, this.#bytes);
    const key = packKey(this.nextPack++);
    this.#memory = this.#memory.subarray(PACK_BYTES);
    this.#bytes = 0;
    return [{ type: "put", key, value }];
  }
}

/** Puts sealed values together from their packs, one after the other in the same memory. */
export class PackReader {
  #memory = Buffer.alloc(1 << 14);

  /** The value, good until the next is read. Undefined where there is less of it than its place says. */
  read(kv: Pick<OrderedKv, "read">, { packNumber, start, size }: PackPlace): Buffer | undefined {
    if (size > this.#memory.length) this.#memory = Buffer.alloc(size * 2);
    const memory = this.#memory;
    let filled = 0;
    let from = start;
    const take = (pack: Uint8Array): number => {
      const part = pack.subarray(from, from + size - filled);
      memory.set(part, filled);
      return part.length;
    };
    for (let number = packNumber; filled < size; number++) {
      const taken = kv.read(packKey(number), take) ?? 0;
      if (taken === 0) return undefined;
      filled += taken;
      from = 0;
    }
    return memory.subarray(0, size);
  }
}
