import type { SegmentPart, SegmentSlot } from "./segment-scan.ts";
import type { SpoolDating } from "./spool-dating.ts";
import type { PositionRange } from "./spool-loss.ts";
import type { ReadBounds } from "./spool-reader.ts";
import type { SpoolRecord } from "./spool-record.ts";

/** What reading asks of the rest of the spool. */
interface ReadSpool {
  /** The newest entries, where they are in memory. */
  readonly tail: { from(position: number, countMax: number): readonly SpoolRecord[] | undefined };
  readonly list: {
    read(after: number, bounds: ReadBounds, slot: SegmentSlot): Promise<SegmentPart | undefined>;
  };
  readonly dating: SpoolDating | undefined;
  /** Entries that should be there and cannot be read. */
  noteUnreadable(missing: readonly PositionRange[]): Promise<void>;
}

/** The spool's entries for who reads them: from memory or from the segments, and not before they are dated. */
export class SpoolEntries {
  readonly #spool: ReadSpool;

  constructor(spool: ReadSpool) {
    this.#spool = spool;
  }

  /**
   * Entries behind a position, in order; positions may be missing where something was lost. Empty: there are none.
   * @throws what the disk throws when a segment cannot be read.
   */
  async read(after: number, bounds: ReadBounds, slot: SegmentSlot): Promise<readonly SpoolRecord[]> {
    const { dating } = this.#spool;
    if (after + 1 >= hiddenFromOf(dating)) await dating?.untilShown();
    const found = await this.#find(after, bounds, slot);
    const hiddenFrom = hiddenFromOf(dating);
    const given: SpoolRecord[] = [];
    let bytes = 0;
    for (const record of found) {
      bytes += record.payload.length;
      if (record.position >= hiddenFrom || (given.length > 0 && bytes > bounds.bytesMax)) break;
      given.push(dating?.dated(record) ?? record);
    }
    return given;
  }

  async #find(after: number, bounds: ReadBounds, slot: SegmentSlot): Promise<readonly SpoolRecord[]> {
    const found = this.#spool.tail.from(after + 1, bounds.entriesMax);
    if (found === undefined) return this.#readSegments(after, bounds, slot);
    delete slot.scan;
    return found;
  }

  /** Boards go on being acked meanwhile. */
  async #readSegments(after: number, bounds: ReadBounds, slot: SegmentSlot): Promise<readonly SpoolRecord[]> {
    for (let from = after; ; ) {
      const part = await this.#spool.list.read(from, bounds, slot);
      if (part === undefined) return [];
      const missing = missingIn(part, from);
      if (missing.length > 0) await this.#spool.noteUnreadable(missing);
      if (part.records.length > 0) return part.records;
      from = part.through;
    }
  }
}

/** Entries from this position on wait for the clock. */
export function hiddenFromOf(dating: SpoolDating | undefined): number {
  return dating?.hiddenFrom ?? Number.POSITIVE_INFINITY;
}

/** Positions between a position and the end of what was read of a segment that have no entry. */
function missingIn({ segment, records, through }: SegmentPart, after: number): readonly PositionRange[] {
  const missing: PositionRange[] = [];
  let next = Math.max(after + 1, segment.header.firstPosition);
  for (const { position } of records) {
    if (position > next) missing.push({ first: next, last: position - 1 });
    next = position + 1;
  }
  if (next <= through) missing.push({ first: next, last: through });
  return missing;
}
