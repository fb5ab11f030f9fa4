import { ByteReader } from "./byte-reader.ts";
import { ByteWriter } from "./byte-writer.ts";
import { CHECKED_HEAD_BYTES, openValue, sealValue, ValueKind } from "./checked-value.ts";
import type { KvChange, OrderedKv } from "./ordered-kv.ts";
import { deletionKey, deletionKeys, namedOfKey } from "./store-keys.ts";

/** What a deletion names: everything of the source, or one stream. No stream's name begins like the first. */
const WHAT_ALL = "";
const STREAM_PREFIX = "=";

/** Up to where a source's entries were deleted. */
export class SourceDeletions {
  /** Everything up to this position. */
  through = 0;
  readonly #streams = new Map<string, number>();

  /** The highest position that any of it reaches. */
  get highest(): number {
    return Math.max(this.through, ...this.#streams.values());
  }

  hides(stream: string, position: number): boolean {
    return position <= this.through || position <= (this.#streams.get(stream) ?? 0);
  }

  raise(what: string, through: number): void {
    if (what === WHAT_ALL) this.through = Math.max(this.through, through);
    else {
      const stream = what.slice(STREAM_PREFIX.length);
      this.#streams.set(stream, Math.max(through, this.#streams.get(stream) ?? 0));
    }
  }

  *rows(): Generator<{ readonly what: string; readonly through: number }> {
    if (this.through > 0) yield { what: WHAT_ALL, through: this.through };
    for (const [stream, through] of this.#streams) yield { what: STREAM_PREFIX + stream, through };
  }
}

/**
 * What was deleted and may still be on the disk: readers pass over it, compaction leaves it out. All in memory, since to delete is
 * rare; a row goes once everything up to its position is gone from the disk.
 */
export class Deletions {
  readonly #bySource = new Map<number, SourceDeletions>();

  /** Undefined where nothing of the source was deleted. */
  of(sourceNumber: number): SourceDeletions | undefined {
    return this.#bySource.get(sourceNumber);
  }

  sourceNumbers(): Iterable<number> {
    return this.#bySource.keys();
  }

  /** True where a segment may hold something that was deleted. */
  reach(firstPosition: number): boolean {
    for (const deletions of this.#bySource.values()) if (deletions.highest >= firstPosition) return true;
    return false;
  }

  read(head: Pick<OrderedKv, "range">): number {
    let damagedCount = 0;
    for (const { key, value } of head.range(deletionKeys())) {
      const { number, name } = namedOfKey(key);
      const bytes = openValue(ValueKind.Deletion, value);
      if (bytes === undefined) damagedCount++;
      else this.#raise(number, name, new ByteReader(bytes, CHECKED_HEAD_BYTES).varint());
    }
    return damagedCount;
  }

  changeOf(sourceNumber: number, stream: string | undefined, through: number): KvChange {
    const writer = new ByteWriter(16);
    writer.varint(through);
    const key = deletionKey(sourceNumber, whatOf(stream));
    return { type: "put", key, value: sealValue(ValueKind.Deletion, writer.view()) };
  }

  /** The change is durable, or under way with nobody reading before it is. */
  written(sourceNumber: number, stream: string | undefined, through: number): void {
    this.#raise(sourceNumber, whatOf(stream), through);
  }

  /** Forgets what lies below a position altogether; returns what the head must forget. */
  forgetBelow(firstPosition: number): KvChange[] {
    const changes: KvChange[] = [];
    for (const [number, deletions] of this.#bySource) {
      if (deletions.highest >= firstPosition) continue;
      this.#bySource.delete(number);
      for (const { what } of deletions.rows())
        changes.push({ type: "remove", key: deletionKey(number, what) });
    }
    return changes;
  }

  #raise(sourceNumber: number, what: string, through: number): void {
    let deletions = this.#bySource.get(sourceNumber);
    if (deletions === undefined) {
      deletions = new SourceDeletions();
      this.#bySource.set(sourceNumber, deletions);
    }
    deletions.raise(what, through);
  }
}

function whatOf(stream: string | undefined): string {
  return stream === undefined ? WHAT_ALL : STREAM_PREFIX + stream;
}
