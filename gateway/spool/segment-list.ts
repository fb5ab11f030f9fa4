import type { Counters } from "../../host/counters.ts";
import type { Disk } from "../../host/disk.ts";
import { type Segment, segmentPath } from "./segment.ts";
import type { ReadBounds } from "./spool-reader.ts";
import { HEADER_BYTES, RecordKind, RecordScanner, type SpoolRecord } from "./spool-record.ts";

/** Where a reader is in the segment that it reads: others at other places do not push out each other's. */
export interface SegmentSlot {
  scan?: SegmentScan;
}

/** What was read of a segment in one go. */
export interface SegmentPart {
  readonly segment: Segment;
  readonly records: readonly SpoolRecord[];
  /** Everything up to here that is good is among the records. */
  readonly through: number;
}

/** A segment that cannot be read is tried this often before it is given up as damaged. */
const READ_FAILURES_MAX = 3;
const ALL: ReadBounds = { entriesMax: Number.POSITIVE_INFINITY, bytesMax: Number.POSITIVE_INFINITY };

/** What stands in the files of a spool. */
export class SegmentList {
  readonly #disk: Disk;
  readonly #counters: Counters;
  readonly #folder: string;
  readonly #segments: readonly Segment[];
  readonly #untilSettled: () => Promise<void>;

  /**
   * @param segments from the oldest to the newest; its owner may add and remove.
   * @param untilSettled resolves when what the owner is doing to them now is done.
   */
  constructor(
    world: { readonly disk: Disk; readonly counters: Counters },
    folder: string,
    segments: readonly Segment[],
    untilSettled: () => Promise<void>,
  ) {
    this.#disk = world.disk;
    this.#counters = world.counters;
    this.#folder = folder;
    this.#segments = segments;
    this.#untilSettled = untilSettled;
  }

  /** Of the segment at an index, the last position that no later segment writes anew. */
  lastOf(index: number): number {
    const segment = this.#segments[index];
    const next = this.#segments[index + 1]?.header.firstPosition ?? Number.POSITIVE_INFINITY;
    return Math.min(segment?.lastPosition ?? 0, next - 1);
  }

  /** The entries of a segment that count, behind a position. @throws what the disk throws when it cannot be read for now. */
  async entriesOf(index: number, after = 0): Promise<readonly SpoolRecord[]> {
    const segment = this.#segments[index];
    if (segment === undefined) return [];
    const scan = await this.#scanOf(segment, this.lastOf(index), undefined);
    return scan.take(after, ALL).records;
  }

  /**
   * The next entries behind a position, of the first segment that has any; undefined where there is none. The spool may go on
   * being written meanwhile, and segments may go.
   * @throws what the disk throws when a segment cannot be read for now.
   */
  async read(after: number, bounds: ReadBounds, slot: SegmentSlot): Promise<SegmentPart | undefined> {
    for (;;) {
      const index = this.#segments.findIndex((_, at) => this.lastOf(at) > after);
      const segment = this.#segments[index];
      if (segment === undefined) return undefined;
      if (segment.isGoing) {
        await this.#untilSettled();
        continue;
      }
      const last = this.lastOf(index);
      let scan = slot.scan;
      if (scan === undefined || !scan.goesOn(segment, after)) {
        scan = await this.#scanOf(segment, last, scan?.isAtOrBefore(segment, after) ? scan : undefined);
        // It may have gone while it was read, or be about to.
        if (!this.#segments.includes(segment) || segment.isGoing) continue;
        slot.scan = scan;
      }
      return { segment, ...scan.take(after, bounds) };
    }
  }

  /** @param before the one that the reader had of the same segment, at or before what it asks for now. */
  async #scanOf(segment: Segment, last: number, before: SegmentScan | undefined): Promise<SegmentScan> {
    try {
      const file = await this.#disk.read(segmentPath(this.#folder, segment.number));
      segment.readFailureCount = 0;
      return new SegmentScan(segment, file ?? new Uint8Array(0), last, before);
    } catch (error) {
      segment.readFailureCount += 1;
      this.#counters.add("spool_read_failures_total");
      if (segment.readFailureCount < READ_FAILURES_MAX) throw error;
      return new SegmentScan(segment, new Uint8Array(0), last, undefined);
    }
  }
}

/**
 * A segment's file in memory, gone through as far as it was asked for: decoding a whole one at once would keep boards waiting for
 * their acks.
 */
export class SegmentScan {
  readonly segment: Segment;
  /** What was durable in it before it was read. */
  readonly #last: number;
  readonly #scanner: RecordScanner;
  /** What stands behind this position, and from this byte on, is still to be given. */
  #after: number;
  #doneBytes: number;
  /** Read and not given yet. */
  #held: SpoolRecord | undefined;

  /** @param before of the same segment, which has grown since: what it gave is not gone through again. */
  constructor(segment: Segment, file: Uint8Array, last: number, before: SegmentScan | undefined) {
    this.segment = segment;
    this.#last = last;
    this.#after = before === undefined ? segment.header.firstPosition - 1 : before.#after;
    this.#doneBytes = before === undefined ? HEADER_BYTES : before.#doneBytes;
    this.#scanner = new RecordScanner(file, segment.header.epoch, this.#doneBytes);
  }

  /** Whether it has not yet given what stands behind a position. */
  isAtOrBefore(segment: Segment, after: number): boolean {
    return this.segment === segment && this.#after <= after;
  }

  /** Whether what stands behind a position can be had from it. */
  goesOn(segment: Segment, after: number): boolean {
    return this.isAtOrBefore(segment, after) && after < this.#last;
  }

  /** Entries behind a position that it goes on from. */
  take(after: number, { entriesMax, bytesMax }: ReadBounds): Omit<SegmentPart, "segment"> {
    const records: SpoolRecord[] = [];
    const { firstPosition } = this.segment.header;
    let bytes = 0;
    for (;;) {
      const record = this.#held ?? this.#scanner.next();
      this.#held = record;
      if (record === undefined || record.position > this.#last) return this.#gave(records, this.#last);
      const { kind, position, payload } = record;
      if (kind === RecordKind.Entry && position > after && position >= firstPosition) {
        bytes += payload.length;
        const isFull = records.length >= entriesMax || bytes > bytesMax;
        if (isFull && records.length > 0) return this.#gave(records, records.at(-1)?.position ?? after);
        records.push(record);
      }
      this.#held = undefined;
      this.#doneBytes = this.#scanner.goodBytes;
    }
  }

  #gave(records: readonly SpoolRecord[], through: number): Omit<SegmentPart, "segment"> {
    this.#after = through;
    return { records, through };
  }
}
