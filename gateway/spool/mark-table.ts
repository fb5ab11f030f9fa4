import { decodeCbor, encodeCbor } from "../../protocol/cbor.ts";
import type { EntryIdentity } from "../../protocol/ingest-entry.ts";
import { RecentTable } from "../recent-table.ts";

/** Boots whose marks are kept, about 100 bytes each; beyond it one not met for long is forgotten, and asked for again. */
const BOOTS_MAX = 10_000;

/** The highest seq of each boot that went into the spool. */
export class MarkTable {
  /** By source and boot. */
  readonly #marks: RecentTable<number>;

  constructor(bootsMax = BOOTS_MAX) {
    this.#marks = new RecentTable(bootsMax);
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
    return encodeCbor([...this.#marks.entries()].flat());
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
    this.#marks.set(key, Math.max(this.#marks.get(key) ?? 0, seq));
  }
}

/** A boot has no line feed in it, a source may have anything but control characters. */
function keyOf(src: string, boot: string): string {
  return `${boot}\n${src}`;
}
