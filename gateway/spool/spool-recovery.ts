import type { Counters } from "../../host/counters.ts";
import type { Disk } from "../../host/disk.ts";
import type { ProcessLog } from "../../host/log.ts";
import { decodeCbor, encodeCbor } from "../../protocol/cbor.ts";
import { decodeIngestEntry } from "../../protocol/ingest-entry.ts";
import type { Cursor } from "./cursor.ts";
import { HoleFinder } from "./hole-finder.ts";
import type { MarkTable } from "./mark-table.ts";
import { type Segment, segmentNumber, segmentPath } from "./segment.ts";
import type { PositionRange } from "./spool-loss.ts";
import {
  decodeHeader,
  decodeSegment,
  RecordKind,
  type SegmentContent,
  type SpoolRecord,
  wholeWrites,
} from "./spool-record.ts";

export interface Recovered {
  readonly segments: Segment[];
  readonly nextSegmentNumber: number;
  /** The last entry there is. */
  readonly lastPosition: number;
  /** Positions that have no entry, and of which that is written down. */
  readonly knownGaps: PositionRange[];
  /** Positions that had an entry and have none now; not written down yet. */
  readonly damages: readonly PositionRange[];
  readonly holes: HoleFinder;
  /** Of the newest segment. */
  readonly epoch: string | undefined;
  readonly epochStart: number | undefined;
}

interface Scanned {
  readonly number: number;
  readonly bytes: number;
  readonly content: SegmentContent;
}

/**
 * Reads all segments once, one in memory at a time, and says what is in them. Changes nothing, so it may be done again at any
 * time. Segment files that hold nothing good are left for `Spool.open` to remove.
 */
export async function recover(
  world: { readonly disk: Disk; readonly counters: Counters; readonly log: ProcessLog },
  folder: string,
  cursor: Cursor | undefined,
  marks: MarkTable,
): Promise<Recovered & { readonly emptyNumbers: readonly number[] }> {
  const { disk, counters, log } = world;
  const numbers = (await disk.list(folder)).map(segmentNumber).filter((number) => number !== undefined);
  const firsts = await firstPositions(world, folder, numbers, cursor);
  const segments: Segment[] = [];
  const emptyNumbers: number[] = [];
  const noted: PositionRange[] = [];
  const missing: PositionRange[] = [];
  const holes = new HoleFinder();
  let lastPosition = 0;
  let header: SegmentContent["header"] | undefined;
  for (const [index, number] of numbers.entries()) {
    const scanned = firsts[index] === undefined ? undefined : await scan(world, folder, number, cursor);
    if (scanned === undefined) {
      emptyNumbers.push(number);
      continue;
    }
    header = scanned.content.header;
    // What a later segment begins with was written anew there after a failure.
    const limit = Math.min(
      ...firsts.slice(index + 1).map((first) => first ?? Number.POSITIVE_INFINITY),
      Number.POSITIVE_INFINITY,
    );
    let last = header.firstPosition - 1;
    if (segments.length > 0 && header.firstPosition > lastPosition + 1) {
      missing.push({ first: lastPosition + 1, last: header.firstPosition - 1 });
    }
    lastPosition = Math.max(lastPosition, last);
    const isNewest = firsts.slice(index + 1).every((first) => first === undefined);
    for (const record of isNewest ? wholeWrites(scanned.content) : scanned.content.records) {
      if (record.kind === RecordKind.Marks) marks.decode(record.payload);
      if (record.kind === RecordKind.Damage) noted.push(...decodeRanges(record.payload));
      if (record.kind !== RecordKind.Entry || record.position >= limit || record.position <= last) continue;
      if (record.position > last + 1) missing.push({ first: last + 1, last: record.position - 1 });
      last = record.position;
      takeEntry(record, marks, holes);
    }
    lastPosition = Math.max(lastPosition, last);
    const { badBytes, isDamagedInside } = scanned.content;
    if (badBytes > 0)
      counters.add(isDamagedInside ? "spool_damaged_bytes_total" : "spool_torn_bytes_total", badBytes);
    if (isDamagedInside) log.error({ segment: number, badBytes }, "a segment of the spool is damaged");
    const { bytes } = scanned;
    segments.push({
      number,
      header,
      lastPosition: last,
      bytes,
      forwardedAtMs: undefined,
      readFailureCount: 0,
    });
  }
  return {
    segments,
    emptyNumbers,
    nextSegmentNumber: (numbers.at(-1) ?? 0) + 1,
    lastPosition,
    knownGaps: noted,
    damages: missing.flatMap((range) => without(range, noted)),
    holes,
    epoch: header?.epoch,
    epochStart: header?.epochStart,
  };
}

/** Where each segment begins; undefined for one without anything good in it. */
async function firstPositions(
  world: { readonly disk: Disk; readonly counters: Counters; readonly log: ProcessLog },
  folder: string,
  numbers: readonly number[],
  cursor: Cursor | undefined,
): Promise<(number | undefined)[]> {
  const firsts: (number | undefined)[] = [];
  for (const number of numbers) {
    const file = await world.disk.read(segmentPath(folder, number)).catch(() => undefined);
    const header = file && (decodeHeader(file) ?? decodeSegment(file, cursor)?.header);
    firsts.push(header?.firstPosition);
  }
  return firsts;
}

async function scan(
  { disk, counters, log }: { readonly disk: Disk; readonly counters: Counters; readonly log: ProcessLog },
  folder: string,
  number: number,
  cursor: Cursor | undefined,
): Promise<Scanned | undefined> {
  try {
    const file = await disk.read(segmentPath(folder, number));
    if (file === undefined) return undefined;
    const content = decodeSegment(file, cursor);
    return content && { number, bytes: file.length, content };
  } catch (error) {
    counters.add("spool_unreadable_segments_total");
    log.error({ segment: number, error }, "a segment of the spool cannot be read");
    return undefined;
  }
}

function takeEntry(record: SpoolRecord, marks: MarkTable, holes: HoleFinder): void {
  const entry = decodeIngestEntry(record.payload);
  if (!entry.ok) return;
  const boot = entry.value.lost?.boot ?? entry.value.boot;
  holes.add(entry.value, record.position, boot === undefined ? undefined : marks.get(entry.value.src, boot));
  marks.add(entry.value);
}

export function encodeRanges(ranges: readonly PositionRange[]): Uint8Array {
  return encodeCbor(ranges.flatMap(({ first, last }) => [first, last]));
}

function decodeRanges(payload: Uint8Array): PositionRange[] {
  const decoded = decodeCbor(payload);
  const numbers = decoded.ok && Array.isArray(decoded.value) ? (decoded.value as readonly number[]) : [];
  const ranges: PositionRange[] = [];
  for (let index = 0; index + 1 < numbers.length; index += 2) {
    ranges.push({ first: numbers[index] ?? 0, last: numbers[index + 1] ?? 0 });
  }
  return ranges;
}

/** The parts of a range that no other covers. */
export function without(range: PositionRange, others: readonly PositionRange[]): PositionRange[] {
  let parts = [range];
  for (const { first, last } of others) {
    parts = parts.flatMap((part) => {
      if (last < part.first || first > part.last) return [part];
      const rest: PositionRange[] = [];
      if (first > part.first) rest.push({ first: part.first, last: first - 1 });
      if (last < part.last) rest.push({ first: last + 1, last: part.last });
      return rest;
    });
  }
  return parts;
}
