import { decodeCbor, encodeCbor } from "../../protocol/cbor.ts";
import type { EntryIdentity } from "../../protocol/ingest-entry.ts";

/** Boots whose marks are kept, about 100 bytes each; beyond it the one not met for longest is forgotten, and asked for again. */
const BOOTS_MAX = 10_000;

/** The highest seq of each boot that went into the spool. */
export class MarkTable {
  /** By source and boot, in order of last use. */
  readonly #marks = new Map<string, number>();
  readonly #bootsMax: number;

  constructor(bootsMax = BOOTS_MAX) {
    this.#bootsMax = bootsMax;
  }

  get(src: string, boot: string): number | undefined {
    return this.#marks.get(keyOf(src, boot));
  }

  /** Raises the mark of the entry's boot. */
  add({ src, boot, seq, lost }: EntryIdentity): void {
    if (lost !== undefined) this.#raise(keyOf(src, lost.boot), lost.last);
    if (boot !== undefined && seq !== undefined) this.#raise(keyOf(src, boot), seq);
  }

  /** All marks, for the head of a new segment: older segments need not be read for them. */
  encode(): Uint8Array {
    return encodeCbor([...this.#marks].flat());
  }

  /** Takes marks that `encode` wrote. */
  decode(payload: Uint8Array): void {
    const decoded = decodeCbor(payload);
    if (!decoded.ok || !Array.isArray(decoded.value)) return;
    const items: readonly unknown[] = decoded.value;
    for (let index = 0; index < items.length; index += 2) {
      const [key, seq] = [items[index], items[index + 1]];
      if (typeof key === "string" && typeof seq === "number") this.#raise(key, seq);
    }
  }

  #raise(key: string, seq: number): void {
    const known = this.#marks.get(key) ?? 0;
    this.#marks.delete(key);
    this.#marks.set(key, Math.max(known, seq));
    if (this.#marks.size <= this.#bootsMax) return;
    const oldest = this.#marks.keys().next();
    if (!oldest.done) this.#marks.delete(oldest.value);
  }
}

/** A boot has no line feed in it, a source may have anything but control characters. */
function keyOf(src: string, boot: string): string {
  return `${boot}\n${src}`;
}
