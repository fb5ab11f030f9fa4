import type { Segment } from "./segment.ts";
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

/** Read of a segment at once: what is in memory of it, and of the same order as a batch. Larger where a record is. */
export const PIECE_BYTES = 256 * 1024;

/** Everything behind a position begins at a byte of the file, or after it. */
interface Step {
  readonly after: number;
  readonly bytes: number;
}

/** A piece of the file, gone through from its beginning on. */
interface Piece {
  /** Of the file, where it begins. */
  readonly at: number;
  readonly bytes: Uint8Array;
  readonly scanner: RecordScanner;
  /** The file ended with it. */
  readonly isLast: boolean;
  /** What was durable in the segment before it was read. */
  readonly durable: number;
}

/** A reader goes back a few batches, to those that were under way when a connection ended. */
const STEPS_MAX = 16;

/**
 * Goes through a segment's file as far as it is asked for, with a piece of it in memory: a whole one would be a large part of what
 * a small machine has, and decoding it at once would keep boards waiting for their acks.
 */
export class SegmentScan {
  readonly segment: Segment;
  readonly #read: (at: number, bytesMax: number) => Promise<Uint8Array>;
  /** Where it began and where it stopped at last, the newest last. */
  #steps: Step[];
  #piece: Piece | undefined;
  /** Read and not given yet. */
  #held: SpoolRecord | undefined;

  /** @param read gives fewer bytes than asked for where the file ends. */
  constructor(segment: Segment, read: (at: number, bytesMax: number) => Promise<Uint8Array>) {
    this.segment = segment;
    this.#read = read;
    this.#steps = [{ after: segment.header.firstPosition - 1, bytes: HEADER_BYTES }];
  }

  /** @param last what is durable in the segment by now, and counts. @throws what the disk throws. */
  async take(
    after: number,
    { entriesMax, bytesMax }: ReadBounds,
    last: number,
  ): Promise<Omit<SegmentPart, "segment">> {
    this.#goBackTo(after);
    const records: SpoolRecord[] = [];
    const { firstPosition } = this.segment.header;
    let bytes = 0;
    let { bytes: doneBytes = HEADER_BYTES } = this.#steps.at(-1) ?? {};
    const gave = (through: number): Omit<SegmentPart, "segment"> => {
      this.#steps.push({ after: through, bytes: doneBytes });
      // The first stays: it is where all of it begins.
      if (this.#steps.length > STEPS_MAX) this.#steps.splice(1, 1);
      // Not with each piece: one that cannot be read must be given up at last, however often those before it are read again.
      if ((this.#piece?.bytes.length ?? 0) > 0) this.segment.readFailureCount = 0;
      return { records, through };
    };
    for (;;) {
      const record = this.#held ?? this.#piece?.scanner.next() ?? (await this.#next(doneBytes, last));
      this.#held = record;
      if (record === undefined || record.position > last) return gave(last);
      const { kind, position, payload } = record;
      if (kind === RecordKind.Entry && position > after && position >= firstPosition) {
        bytes += payload.length;
        const isFull = records.length >= entriesMax || bytes > bytesMax;
        if (isFull && records.length > 0) return gave(records.at(-1)?.position ?? after);
        records.push(record);
      }
      this.#held = undefined;
      doneBytes = (this.#piece?.at ?? 0) + (this.#piece?.scanner.goodBytes ?? 0);
    }
  }

  /** The next good record, behind the piece or from a byte of the file on; undefined where none is left. @throws what the disk throws. */
  async #next(from: number, last: number): Promise<SpoolRecord | undefined> {
    for (;;) {
      const piece = this.#piece;
      if (piece?.isLast === true && piece.durable >= last) return undefined;
      const at = piece === undefined ? from : piece.at + piece.scanner.goodBytes;
      // A record that is larger, or damage: what is good behind it may stand anywhere.
      const isStuck = piece?.at === at && !piece.isLast;
      const { scanner } = await this.#load(at, isStuck ? 2 * piece.bytes.length : PIECE_BYTES, last);
      const record = scanner.next();
      if (record !== undefined) return record;
    }
  }

  async #load(at: number, bytesMax: number, durable: number): Promise<Piece> {
    this.#piece = undefined; // What this asking went through already is gone through again where the disk fails.
    const bytes = await this.#read(at, bytesMax);
    const piece: Piece = {
      at,
      bytes,
      scanner: this.#scannerOf(bytes, 0),
      isLast: bytes.length < bytesMax,
      durable,
    };
    this.#piece = piece;
    return piece;
  }

  #goBackTo(after: number): void {
    const index = Math.max(
      0,
      this.#steps.findLastIndex((step) => step.after <= after),
    );
    const step = this.#steps[index];
    if (step === undefined || index === this.#steps.length - 1) return;
    this.#steps = this.#steps.slice(0, index + 1);
    this.#held = undefined;
    const piece = this.#piece;
    const isIn = piece !== undefined && step.bytes >= piece.at;
    this.#piece = isIn
      ? { ...piece, scanner: this.#scannerOf(piece.bytes, step.bytes - piece.at) }
      : undefined;
  }

  #scannerOf(bytes: Uint8Array, at: number): RecordScanner {
    return new RecordScanner(bytes, this.segment.header.epoch, at);
  }
}
