import type { Counters } from "../../host/counters.ts";
import type { Disk, FilePart } from "../../host/disk.ts";
import type { ProcessLog } from "../../host/log.ts";
import { decodeCbor, encodeCbor } from "../../protocol/cbor.ts";
import { identityOfOwnEntry } from "../../protocol/ingest-entry.ts";
import type { Cursor } from "./cursor.ts";
import { HoleFinder } from "./hole-finder.ts";
import { insist } from "./insist.ts";
import type { MarkTable } from "./mark-table.ts";
import { type Segment, segmentNumber, segmentPath } from "./segment.ts";
import type { PositionRange } from "./spool-loss.ts";
import {
  decodeHeader,
  decodeSegment,
  HEADER_BYTES,
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
 * What is in the spool, from the heads of its segments and the whole of the newest, however much there is: a segment carries at
 * its head what is to be known of all before it, and what is damaged in those is found when it is read. Where a head or the newest
 * segment is damaged, everything is read.
 */
export async function recover(
  world: RecoveryWorld,
  folder: string,
  cursor: Cursor | undefined,
  marks: MarkTable,
): Promise<Recovered & { readonly emptyNumbers: readonly number[] }> {
  const { disk, counters } = world;
  const numbers = await segmentNumbers(disk, folder);
  const heads: (Pick<Segment, "number" | "header" | "bytes"> | undefined)[] = [];
  for (const number of numbers) {
    const head = await headOf(disk, segmentPath(folder, number)).catch(() => undefined);
    const header = head && decodeHeader(head.bytes);
    heads.push(header && head && { number, header, bytes: head.sizeBytes });
  }
  const emptyNumbers: number[] = [];
  // A power cut leaves the file of a segment whose first write was never synced.
  const last = numbers.at(-1);
  if (last !== undefined && heads.at(-1) === undefined) {
    const head = await headOf(disk, segmentPath(folder, last)).catch(() => undefined);
    if (head !== undefined && head.sizeBytes < HEADER_BYTES) {
      emptyNumbers.push(last);
      heads.pop();
    }
  }
  const known = heads.filter((head) => head !== undefined);
  const newest = known.at(-1);
  const scanned = newest && (await scan(world, folder, newest.number, cursor));
  const isWhole =
    known.length === heads.length &&
    scanned?.content.isDamagedInside === false &&
    scanned.content.records[0]?.kind === RecordKind.Marks;
  if (newest === undefined || scanned === undefined || !isWhole)
    return await recoverAll(world, folder, cursor, marks);
  const noted: PositionRange[] = [];
  const missing: PositionRange[] = [];
  const holes = new HoleFinder();
  let position = newest.header.firstPosition - 1;
  for (const record of wholeWrites(scanned.content)) {
    if (record.kind === RecordKind.Marks) marks.decode(record.payload);
    if (record.kind === RecordKind.Damage) noted.push(...decodeRanges(record.payload));
    if (record.kind !== RecordKind.Entry || record.position <= position) continue;
    if (record.position > position + 1) missing.push({ first: position + 1, last: record.position - 1 });
    position = record.position;
    takeEntry(record, marks, holes);
  }
  if (scanned.content.badBytes > 0) counters.add("spool_torn_bytes_total", scanned.content.badBytes);
  const segments = known.map((head, index): Segment => {
    const limit = Math.min(
      ...known.slice(index + 1).map(({ header }) => header.firstPosition),
      Number.POSITIVE_INFINITY,
    );
    const lastPosition = head === newest ? position : Math.max(head.header.firstPosition, limit) - 1;
    return { ...head, lastPosition, forwardedAtMs: undefined, readFailureCount: 0 };
  });
  return {
    segments,
    emptyNumbers,
    nextSegmentNumber: (last ?? 0) + 1,
    lastPosition: position,
    knownGaps: noted,
    damages: missing.flatMap((range) => without(range, noted)),
    holes,
    epoch: newest.header.epoch,
    epochStart: newest.header.epochStart,
  };
}

export interface RecoveryWorld {
  readonly disk: Disk;
  readonly counters: Counters;
  readonly log: ProcessLog;
}

async function segmentNumbers(disk: Disk, folder: string): Promise<number[]> {
  return (await disk.list(folder)).map(segmentNumber).filter((number) => number !== undefined);
}

function headOf(disk: Disk, path: string): Promise<FilePart | undefined> {
  return insist(() => disk.readPart(path, 0, HEADER_BYTES));
}

/**
 * Reads all segments once, one in memory at a time, and says what is in them. Changes nothing, so it may be done again at any
 * time. Segment files that hold nothing good are left for `Spool.open` to remove; one that cannot be read stays: it may be
 * readable another time.
 */
export async function recoverAll(
  world: RecoveryWorld,
  folder: string,
  cursor: Cursor | undefined,
  marks: MarkTable,
): Promise<Recovered & { readonly emptyNumbers: readonly number[] }> {
  const { disk, counters, log } = world;
  const numbers = await segmentNumbers(disk, folder);
  const firsts: (number | undefined)[] = [];
  const unreadable = new Set<number>();
  for (const number of numbers) {
    try {
      firsts.push(await firstPosition(disk, segmentPath(folder, number), cursor));
    } catch (error) {
      firsts.push(undefined);
      unreadable.add(number);
      counters.add("spool_unreadable_segments_total");
      log.error({ segment: number, error }, "a segment of the spool cannot be read");
    }
  }
  const segments: Segment[] = [];
  const emptyNumbers: number[] = [];
  const noted: PositionRange[] = [];
  const missing: PositionRange[] = [];
  const holes = new HoleFinder();
  let lastPosition = 0;
  let header: SegmentContent["header"] | undefined;
  for (const [index, number] of numbers.entries()) {
    if (unreadable.has(number)) continue;
    if (firsts[index] === undefined) {
      emptyNumbers.push(number);
      continue;
    }
    const scanned = await scan(world, folder, number, cursor);
    if (scanned === undefined) continue;
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

/** Where a segment begins; undefined where there is nothing good in it. @throws what the disk throws. */
async function firstPosition(
  disk: Disk,
  path: string,
  cursor: Cursor | undefined,
): Promise<number | undefined> {
  const head = await headOf(disk, path);
  const header = head && decodeHeader(head.bytes);
  if (head === undefined || header !== undefined) return header?.firstPosition;
  const file = await insist(() => disk.read(path));
  return file && decodeSegment(file, cursor)?.header.firstPosition;
}

async function scan(
  { disk, counters, log }: { readonly disk: Disk; readonly counters: Counters; readonly log: ProcessLog },
  folder: string,
  number: number,
  cursor: Cursor | undefined,
): Promise<Scanned | undefined> {
  try {
    const file = await insist(() => disk.read(segmentPath(folder, number)));
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
  const entry = identityOfOwnEntry(record.payload);
  const boot = entry.lost?.boot ?? entry.boot;
  holes.add(entry, record.position, boot === undefined ? undefined : marks.get(entry.src, boot));
  marks.add(entry);
}

export function encodeRanges(ranges: readonly PositionRange[]): Uint8Array {
  return encodeCbor(ranges.flatMap(({ first, last }) => [first, last]));
}

export function decodeRanges(payload: Uint8Array): PositionRange[] {
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
