import type { AppendFile, Disk } from "../../host/disk.ts";
import type { SegmentHeader } from "./spool-record.ts";

/** One file of the spool, as it is known without being read. */
export interface Segment {
  readonly number: number;
  readonly header: SegmentHeader;
  /** The last entry in it that counts; below `header.firstPosition` where there is none. */
  lastPosition: number;
  /** Of the file, as far as is known. */
  bytes: number;
  /** Monotonic ms when the service was known to have all of it. */
  forwardedAtMs: number | undefined;
  /** How often it could not be read. */
  readFailureCount: number;
  /** It is being given up: what stands in it becomes loss records, and must not be read any more. */
  isGoing?: boolean;
}

export function segmentPath(folder: string, number: number): string {
  return `${folder}/seg-${String(number).padStart(10, "0")}`;
}

/** The number in a segment file's name, or undefined where it is another file. */
export function segmentNumber(name: string): number | undefined {
  const digits = /^seg-(\d{10})$/.exec(name)?.[1];
  return digits === undefined ? undefined : Number(digits);
}

/** The segment that is written to. Any failure is its end: what a failed sync left on the disk nobody knows. */
export class SegmentWriter {
  readonly segment: Segment;
  readonly #file: AppendFile;

  private constructor(segment: Segment, file: AppendFile) {
    this.segment = segment;
    this.#file = file;
  }

  /** @throws what the disk throws. */
  static async open(
    disk: Disk,
    folder: string,
    number: number,
    header: SegmentHeader,
  ): Promise<SegmentWriter> {
    const file = await disk.openAppend(segmentPath(folder, number));
    const lastPosition = header.firstPosition - 1;
    const segment = {
      number,
      header,
      lastPosition,
      bytes: file.sizeBytes,
      forwardedAtMs: undefined,
      readFailureCount: 0,
    };
    return new SegmentWriter(segment, file);
  }

  /** Resolves when durable. @throws what the disk throws; the writer must not be used again then. */
  async write(bytes: Uint8Array): Promise<void> {
    // Counted before: a failed write may have left any part of it.
    this.segment.bytes += bytes.length;
    await this.#file.append(bytes);
    await this.#file.sync();
  }

  /** Never rejects: all that counts is durable already. */
  async close(): Promise<void> {
    await this.#file.close().catch(() => {});
  }
}
