import { type Cursor, cursorSlots, decodeSlot } from "../gateway/spool/cursor.ts";
import { segmentNumber } from "../gateway/spool/segment.ts";
import { SPOOL_FOLDER } from "../gateway/spool/spool.ts";
import type { PositionRange } from "../gateway/spool/spool-loss.ts";
import {
  decodeHeader,
  decodeSegment,
  encodedBytes,
  RecordKind,
  RecordScanner,
  wholeWrites,
} from "../gateway/spool/spool-record.ts";
import { decodeRanges, without } from "../gateway/spool/spool-recovery.ts";
import { type EntryIdentity, identityOfOwnEntry } from "../protocol/ingest-entry.ts";
import type { FaultyDisk } from "./faulty-disk.ts";

/** A segment that was removed before all of it was durable elsewhere. */
export interface EarlyRemoval {
  readonly path: string;
  readonly forwarded: number;
  /** Positions that neither the durable cursor nor another segment covers. */
  readonly missing: readonly PositionRange[];
}

/** A disk that was full and got room again. */
export interface FullDisk {
  readonly freedMs: number;
  /** Entries that waited for it then. */
  readonly waitingEntries: number;
  /** When the spool next wrote something; undefined: not while anybody looked. */
  resumedMs: number | undefined;
  /** When the gateway stopped being there to resume, or the run ended. */
  untilMs: number | undefined;
}

/** What was seen of one spool from below, on its disk. */
export interface SpoolRecording {
  readonly gateway: string;
  readonly bytesMax: number;
  readonly bytesMost: number;
  /** Lines that were given up for want of room, while one process had the spool. */
  readonly evicted: readonly EntryIdentity[];
  readonly earlyRemovals: readonly EarlyRemoval[];
  readonly fullDisks: readonly FullDisk[];
  /** Seqs at most that were damaged at the end of the newest segment: a write that was never synced looks the same. */
  readonly tornLikeCount: number;
}

/** Looks at what is durable on a gateway's disk at each step, by the file format alone. */
export class SpoolWatch {
  readonly #disk: FaultyDisk;
  readonly #nowMs: () => number;
  readonly #gateway: string;
  readonly #bytesMax: number;
  readonly #earlyRemovals: EarlyRemoval[] = [];
  readonly #fullDisks: FullDisk[] = [];
  readonly #evicted: EntryIdentity[] = [];
  #bytesMost = 0;
  #tornLikeCount = 0;
  /** By segment, what was damaged of it so far. */
  readonly #damages = new Map<string, { readonly seqCount: number; readonly from: number }>();

  constructor(
    world: { readonly disk: FaultyDisk; readonly nowMs: () => number },
    options: { readonly gateway: string; readonly bytesMax: number },
  ) {
    this.#disk = world.disk;
    this.#nowMs = world.nowMs;
    this.#gateway = options.gateway;
    this.#bytesMax = options.bytesMax;
  }

  recording(): SpoolRecording {
    this.processEnded();
    return {
      gateway: this.#gateway,
      bytesMax: this.#bytesMax,
      bytesMost: this.#bytesMost,
      evicted: this.#evicted,
      earlyRemovals: this.#earlyRemovals,
      fullDisks: this.#fullDisks,
      tornLikeCount: this.#tornLikeCount,
    };
  }

  isSegment(path: string): boolean {
    return segmentNumber(path.slice(SPOOL_FOLDER.length + 1)) !== undefined;
  }

  /** A file is about to be removed. */
  removing(path: string): void {
    if (!this.isSegment(path)) return;
    const content = decodeSegment(this.#synced(path), this.#cursor());
    if (content === undefined) return;
    const forwarded = this.#cursor()?.forwarded ?? 0;
    const kept: PositionRange[] = [{ first: 1, last: forwarded }];
    const givenUp: PositionRange[] = [];
    for (const other of this.#disk.files.keys()) {
      const rest = this.isSegment(other) && other !== path ? decodeSegment(this.#synced(other)) : undefined;
      if (rest === undefined) continue;
      // What it writes anew counts there and no longer here.
      if (other > path) kept.push({ first: rest.header.firstPosition, last: Number.POSITIVE_INFINITY });
      for (const { kind, payload } of rest.records) {
        if (kind === RecordKind.Damage) givenUp.push(...decodeRanges(payload));
      }
    }
    const entries = wholeWrites(content).filter(({ kind }) => kind === RecordKind.Entry);
    const gone = entries.filter(({ position }) => !isWithin(position, kept));
    const missing = gone.flatMap(({ position }) => without({ first: position, last: position }, givenUp));
    const evicted = gone.filter(({ position }) => isWithin(position, givenUp));
    this.#evicted.push(...evicted.map(({ payload }) => identityOfOwnEntry(payload)));
    if (missing.length > 0) this.#earlyRemovals.push({ path, forwarded, missing });
  }

  /** Something has been written to a file and synced. */
  synced(path: string): void {
    let bytes = 0;
    for (const [each, file] of this.#disk.files) if (this.isSegment(each)) bytes += file.content.length;
    this.#bytesMost = Math.max(this.#bytesMost, bytes);
    if (!this.isSegment(path)) return;
    for (const each of this.#fullDisks) if (each.untilMs === undefined) each.resumedMs ??= this.#nowMs();
  }

  /** Some bytes of a file are about to be altered. */
  damaging(path: string, from: number, until: number): void {
    if (!this.isSegment(path)) return;
    const paths = [...this.#disk.files.keys()].filter((each) => this.isSegment(each)).sort();
    const entries = entriesIn(this.#synced(path), this.#cursor());
    const hit = entries.filter(({ start, end }) => end > from && start < until);
    const before = this.#damages.get(path);
    this.#damages.set(path, {
      seqCount: (before?.seqCount ?? 0) + seqCountOf(hit),
      from: Math.min(before?.from ?? from, from),
    });
    if (path !== paths.at(-1)) return;
    const lastWrite = entries.at(-1)?.writeFirst;
    const isLastWriteBehind = entries.every(
      ({ start, writeFirst }) => writeFirst !== lastWrite || start >= until,
    );
    // A whole write behind the damage shows that what is missing had been synced.
    if (before === undefined && entries.length > 0 && isLastWriteBehind) return;
    const end = this.#damages.get(path);
    this.#tornLikeCount += seqCountOf(entries.filter((each) => each.end > (end?.from ?? from)));
    this.#tornLikeCount += before?.seqCount ?? 0;
    // Nothing is left of it: then the one before it is the newest.
    if (hit.length === entries.length)
      this.#tornLikeCount += this.#damages.get(paths.at(-2) ?? "")?.seqCount ?? 0;
  }

  freed(waitingEntries: number): void {
    const freedMs = this.#nowMs();
    this.#fullDisks.push({ freedMs, waitingEntries, resumedMs: undefined, untilMs: undefined });
  }

  /** Nobody is there to write any more. */
  processEnded(): void {
    for (const each of this.#fullDisks) each.untilMs ??= this.#nowMs();
  }

  #synced(path: string): Uint8Array {
    return this.#disk.files.get(path)?.synced ?? new Uint8Array();
  }

  /** The newest of the two slots, as it would be read after a power cut. */
  #cursor(): Cursor | undefined {
    let newest: ReturnType<typeof decodeSlot>;
    for (const name of cursorSlots()) {
      const slot = decodeSlot(this.#synced(`${SPOOL_FOLDER}/${name}`));
      if (slot !== undefined && (newest === undefined || slot.turn > newest.turn)) newest = slot;
    }
    return newest;
  }
}

interface PlacedEntry {
  readonly payload: Uint8Array;
  readonly writeFirst: number;
  /** Bytes of the file. */
  readonly start: number;
  readonly end: number;
}

/** The good entries of a segment, and where they stand. */
function entriesIn(file: Uint8Array, cursor: Cursor | undefined): readonly PlacedEntry[] {
  const epoch = decodeHeader(file)?.epoch ?? cursor?.epoch;
  if (epoch === undefined) return [];
  const scanner = new RecordScanner(file, epoch);
  const entries: PlacedEntry[] = [];
  for (let record = scanner.next(); record !== undefined; record = scanner.next()) {
    const { kind, payload, position, writeFirst = position } = record;
    const end = scanner.goodBytes;
    if (kind === RecordKind.Entry)
      entries.push({ payload, writeFirst, start: end - encodedBytes(record), end });
  }
  return entries;
}

function isWithin(position: number, ranges: readonly PositionRange[]): boolean {
  return ranges.some(({ first, last }) => position >= first && position <= last);
}

/** A loss record stands for several. */
function seqCountOf(entries: readonly PlacedEntry[]): number {
  return entries.reduce((sum, { payload }) => {
    const { lost } = identityOfOwnEntry(payload);
    return sum + (lost === undefined ? 1 : lost.last - lost.first + 1);
  }, 0);
}
