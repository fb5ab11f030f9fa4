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
        scan = await this.#scanOf(segment, last, scan?.segment === segment ? scan : undefined);
        // It may have gone while it was read, or be about to.
        if (!this.#segments.includes(segment) || segment.isGoing) continue;
        slot.scan = scan;
      }
      return { segment, ...scan.take(after, bounds) };
    }
  }

  /** @param before the one that the reader had of the same segment. */
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

/** Everything behind a position begins at a byte of the file, or after it. */
interface Step {
  readonly after: number;
  readonly bytes: number;
}

/** A reader goes back a few batches, to those that were under way when a connection ended. */
const STEPS_MAX = 16;

/**
 * A segment's file in memory, gone through as far as it was asked for: decoding a whole one at once would keep boards waiting for
 * their acks.
 */
export class SegmentScan {
  readonly segment: Segment;
  readonly #file: Uint8Array;
  /** What was durable in it before it was read. */
  readonly #last: number;
  /** Where it began and where it stopped at last, the newest last. */
  #steps: Step[];
  #scanner: RecordScanner;
  /** Read and not given yet. */
  #held: SpoolRecord | undefined;

  /** @param before of the same segment, which has grown since: its steps are good in the longer file too. */
  constructor(segment: Segment, file: Uint8Array, last: number, before: SegmentScan | undefined) {
    this.segment = segment;
    this.#file = file;
    this.#last = last;
    const start = { after: segment.header.firstPosition - 1, bytes: HEADER_BYTES };
    this.#steps = before === undefined ? [start] : [...before.#steps];
    this.#scanner = this.#scannerAt(this.#steps.at(-1) ?? start);
  }

  /** Whether what stands behind a position can be had from it. */
  goesOn(segment: Segment, after: number): boolean {
    return this.segment === segment && after < this.#last;
  }

  take(after: number, { entriesMax, bytesMax }: ReadBounds): Omit<SegmentPart, "segment"> {
    this.#goBackTo(after);
    const records: SpoolRecord[] = [];
    const { firstPosition } = this.segment.header;
    let bytes = 0;
    let { bytes: doneBytes = HEADER_BYTES } = this.#steps.at(-1) ?? {};
    const gave = (through: number): Omit<SegmentPart, "segment"> => {
      this.#steps.push({ after: through, bytes: doneBytes });
      // The first stays: it is where all of it begins.
      if (this.#steps.length > STEPS_MAX) this.#steps.splice(1, 1);
      return { records, through };
    };
    for (;;) {
      const record = this.#held ?? this.#scanner.next();
      this.#held = record;
      if (record === undefined || record.position > this.#last) return gave(this.#last);
      const { kind, position, payload } = record;
      if (kind === RecordKind.Entry && position > after && position >= firstPosition) {
        bytes += payload.length;
        const isFull = records.length >= entriesMax || bytes > bytesMax;
        if (isFull && records.length > 0) return gave(records.at(-1)?.position ?? after);
        records.push(record);
      }
      this.#held = undefined;
      doneBytes = this.#scanner.goodBytes;
    }
  }

  #goBackTo(after: number): void {
    const index = Math.max(
      0,
      this.#steps.findLastIndex((step) => step.after <= after),
    );
    const step = this.#steps[index];
    if (step === undefined || index === this.#steps.length - 1) return;
    this.#steps = this.#steps.slice(0, index + 1);
    this.#scanner = this.#scannerAt(step);
    this.#held = undefined;
  }

  #scannerAt({ bytes }: Step): RecordScanner {
    return new RecordScanner(this.#file, this.segment.header.epoch, bytes);
  }
}
