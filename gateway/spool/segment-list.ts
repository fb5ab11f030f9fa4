import type { Counters } from "../../host/counters.ts";
import type { Disk } from "../../host/disk.ts";
import { type Segment, segmentPath } from "./segment.ts";
import { PIECE_BYTES, type SegmentPart, SegmentScan, type SegmentSlot } from "./segment-scan.ts";
import type { ReadBounds } from "./spool-reader.ts";
import type { SpoolRecord } from "./spool-record.ts";

/** A segment that cannot be read is tried this often before it is given up as damaged: for most of a minute, by its readers' pauses. */
const READ_FAILURES_MAX = 8;
const PIECE_BOUNDS: ReadBounds = { entriesMax: Number.POSITIVE_INFINITY, bytesMax: PIECE_BYTES };

/** The files of a spool, and what stands in them. */
export class SegmentList {
  readonly #disk: Disk;
  readonly #counters: Counters;
  readonly #folder: string;
  readonly #segments: Segment[];
  readonly #untilSettled: () => Promise<void>;

  /**
   * @param segments from the oldest to the newest.
   * @param untilSettled resolves when what the spool is doing to them now is done.
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
    this.#segments = [...segments];
    this.#untilSettled = untilSettled;
  }

  /** From the oldest to the newest. */
  get all(): readonly Segment[] {
    return this.#segments;
  }

  /** Of all of them. */
  get bytes(): number {
    return this.#segments.reduce((sum, { bytes }) => sum + bytes, 0);
  }

  pathOf({ number }: Pick<Segment, "number">): string {
    return segmentPath(this.#folder, number);
  }

  /** The newest from now on. */
  add(segment: Segment): void {
    this.#segments.push(segment);
  }

  /** Its file was written anew. */
  replace(old: Segment, segment: Segment): void {
    this.#segments[this.#segments.indexOf(old)] = segment;
  }

  /** Its file too. @throws what the disk throws; it stays then. */
  async remove(segment: Segment): Promise<void> {
    await this.#disk.remove(this.pathOf(segment));
    this.#segments.splice(this.#segments.indexOf(segment), 1);
  }

  /** Of the segment at an index, the last position that no later segment writes anew. */
  lastOf(index: number): number {
    const segment = this.#segments[index];
    const next = this.#segments[index + 1]?.header.firstPosition ?? Number.POSITIVE_INFINITY;
    return Math.min(segment?.lastPosition ?? 0, next - 1);
  }

  /**
   * The entries of a segment that count, behind a position, a piece at a time.
   * @throws what the disk throws when it cannot be read for now.
   */
  async *entriesOf(index: number, after = 0): AsyncGenerator<SpoolRecord> {
    const segment = this.#segments[index];
    if (segment === undefined) return;
    const last = this.lastOf(index);
    const scan = this.#scanOf(segment);
    for (let from = after; from < last; ) {
      const { records, through } = await scan.take(from, PIECE_BOUNDS, last);
      yield* records;
      from = through;
    }
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
      const scan = slot.scan?.segment === segment ? slot.scan : this.#scanOf(segment);
      const part = await scan.take(after, bounds, this.lastOf(index));
      // It may have gone while it was read, or be about to.
      if (!this.#segments.includes(segment) || segment.isGoing) continue;
      slot.scan = scan;
      return { segment, ...part };
    }
  }

  #scanOf(segment: Segment): SegmentScan {
    return new SegmentScan(segment, (at, bytesMax) => this.#piece(segment, at, bytesMax));
  }

  /** Nothing of a file that is not there or cannot be read. @throws what the disk throws while it is to be tried again. */
  async #piece(segment: Segment, at: number, bytesMax: number): Promise<Uint8Array> {
    try {
      const part = await this.#disk.readPart(this.pathOf(segment), at, bytesMax);
      return part?.bytes ?? new Uint8Array(0);
    } catch (error) {
      segment.readFailureCount += 1;
      this.#counters.add("spool_read_failures_total");
      if (segment.readFailureCount < READ_FAILURES_MAX) throw error;
      return new Uint8Array(0);
    }
  }
}
