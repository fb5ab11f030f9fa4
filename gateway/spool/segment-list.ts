import type { Counters } from "../../host/counters.ts";
import type { Disk } from "../../host/disk.ts";
import { type Segment, type SegmentSlot, segmentPath } from "./segment.ts";
import { decodeSegment, RecordKind, type SpoolRecord } from "./spool-record.ts";

/** A segment that cannot be read is tried this often before it is given up as damaged. */
const READ_FAILURES_MAX = 3;

/** What stands in the files of a spool. */
export class SegmentList {
  readonly #disk: Disk;
  readonly #counters: Counters;
  readonly #folder: string;
  readonly #segments: readonly Segment[];

  /** @param segments from the oldest to the newest; its owner may add and remove. */
  constructor(
    world: { readonly disk: Disk; readonly counters: Counters },
    folder: string,
    segments: readonly Segment[],
  ) {
    this.#disk = world.disk;
    this.#counters = world.counters;
    this.#folder = folder;
    this.#segments = segments;
  }

  /** Of the segment at an index, the last position that no later segment writes anew. */
  lastOf(index: number): number {
    const segment = this.#segments[index];
    const next = this.#segments[index + 1]?.header.firstPosition ?? Number.POSITIVE_INFINITY;
    return Math.min(segment?.lastPosition ?? 0, next - 1);
  }

  /**
   * The entries of a segment that count, behind a position; nothing where it could not be read again and again.
   * @throws what the disk throws when it cannot be read for now.
   */
  async entriesOf(index: number, after = 0, slot: SegmentSlot = {}): Promise<readonly SpoolRecord[]> {
    const segment = this.#segments[index];
    if (segment === undefined) return [];
    const first = Math.max(after + 1, segment.header.firstPosition);
    const records = await this.#load(segment, slot);
    const last = this.lastOf(index);
    return records.filter(
      ({ kind, position }) => kind === RecordKind.Entry && position >= first && position <= last,
    );
  }

  async #load(segment: Segment, slot: SegmentSlot): Promise<readonly SpoolRecord[]> {
    const known = slot.loaded;
    if (known?.number === segment.number && known.bytes === segment.bytes) return known.records;
    const { number, bytes } = segment;
    try {
      const file = await this.#disk.read(segmentPath(this.#folder, number));
      segment.readFailureCount = 0;
      const content = file && decodeSegment(file, segment.header);
      const records = content?.records ?? [];
      slot.loaded = { number, bytes, records };
      return records;
    } catch (error) {
      segment.readFailureCount += 1;
      this.#counters.add("spool_read_failures_total");
      if (segment.readFailureCount < READ_FAILURES_MAX) throw error;
      return [];
    }
  }
}
