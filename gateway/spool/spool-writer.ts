import type { Clock } from "../../host/clock.ts";
import type { Counters } from "../../host/counters.ts";
import type { Disk } from "../../host/disk.ts";
import type { ProcessLog } from "../../host/log.ts";
import type { NewEntry } from "../../protocol/entry.ts";
import { encodeIngestEntry } from "../../protocol/ingest-entry.ts";
import type { Cursor } from "./cursor.ts";
import type { MarkTable } from "./mark-table.ts";
import { type Segment, SegmentWriter } from "./segment.ts";
import { isDiskFull, SpoolUnavailable } from "./spool-errors.ts";
import type { PositionRange } from "./spool-loss.ts";
import {
  encodeHeader,
  encodeRecords,
  HEADER_BYTES,
  RECORD_HEAD_BYTES,
  RecordKind,
  type SegmentHeader,
  type SpoolRecord,
} from "./spool-record.ts";
import { encodeRanges } from "./spool-recovery.ts";

interface WriterWorld {
  readonly disk: Disk;
  readonly clock: Clock;
  readonly counters: Counters;
  readonly log: ProcessLog;
}

/** What writing asks of the rest of the spool. */
interface WrittenSpool {
  readonly folder: string;
  /** The epoch of what is written now. */
  readonly cursor: Pick<Cursor, "epoch" | "epochStart">;
  readonly list: {
    add(segment: Segment): void;
    remove(segment: Segment): Promise<void>;
  };
  readonly damage: { readonly known: readonly PositionRange[] };
  readonly reserve: { spend(): Promise<void>; restore(): Promise<void> };
  readonly room: {
    /** @throws SpoolUnavailable where there is none. */
    make(neededBytes: number): Promise<void>;
    /** For a full disk. */
    shrink(): Promise<void>;
  };
  readonly tail: { push(records: readonly SpoolRecord[]): void };
  /** Comes before each write. */
  beforeWrite(): Promise<void>;
  /** Entries are durable. */
  afterWrite(): void;
}

export interface WriteOptions {
  /** May use the reserve: loss records. */
  readonly isReserved?: boolean;
  /** Positions whose damage is written down with these entries. */
  readonly notes?: readonly PositionRange[];
}

export interface NewSegment {
  readonly number: number;
  readonly header: SegmentHeader;
  /** Of the whole file. */
  readonly content: Uint8Array;
}

/** Gives entries their positions and makes them durable in the newest segment. */
export class SpoolWriter {
  readonly #world: WriterWorld;
  readonly #spool: WrittenSpool;
  readonly #marks: MarkTable;
  readonly #segmentBytes: number;
  #writer: SegmentWriter | undefined;
  #nextSegmentNumber: number;
  #durable: number;
  #lastSyncMs = Number.NEGATIVE_INFINITY;
  #isClosed = false;

  constructor(
    world: WriterWorld,
    spool: WrittenSpool,
    state: { readonly marks: MarkTable; readonly nextSegmentNumber: number; readonly durable: number },
    { segmentBytes }: { readonly segmentBytes: number },
  ) {
    this.#world = world;
    this.#spool = spool;
    this.#marks = state.marks;
    this.#nextSegmentNumber = state.nextSegmentNumber;
    this.#durable = state.durable;
    this.#segmentBytes = segmentBytes;
  }

  /** The last durable entry's position. */
  get durable(): number {
    return this.#durable;
  }

  /** The segment that is written to. */
  get segment(): Segment | undefined {
    return this.#writer?.segment;
  }

  /** The highest seq of the boot that went in, or undefined where it is not known. */
  markOf(src: string, boot: string): number | undefined {
    return this.#marks.get(src, boot);
  }

  get lastSyncMs(): number {
    return this.#lastSyncMs;
  }

  /**
   * Resolves when the entries are durable.
   * @throws SpoolUnavailable when they are not; nothing of the call counts then.
   */
  async write(
    entries: readonly NewEntry[],
    { isReserved = false, notes = [] }: WriteOptions = {},
  ): Promise<void> {
    if (this.#isClosed) throw new SpoolUnavailable("it is closed");
    const payloads = entries.map(encodeIngestEntry);
    if (payloads.length + notes.length === 0) return;
    const entryBytes = payloads.reduce((sum, { length }) => sum + RECORD_HEAD_BYTES + length, 0);
    const headBytes = this.#isSegmentOpen ? 0 : sizeOf(this.#headRecords());
    if (!isReserved) await this.#spool.room.make(HEADER_BYTES + headBytes + entryBytes);
    const records = payloads.map(
      (payload, index): SpoolRecord => ({
        kind: RecordKind.Entry,
        position: this.#durable + 1 + index,
        payload,
      }),
    );
    const last = this.#durable + records.length;
    const all: SpoolRecord[] = [...records];
    if (notes.length > 0) all.push({ kind: RecordKind.Damage, position: last, payload: encodeRanges(notes) });
    try {
      await this.#spool.beforeWrite();
      const writer = this.#isSegmentOpen ? this.#writer : undefined;
      await (writer === undefined
        ? this.#writeToNew(all)
        : writer.write(encodeRecords(this.#spool.cursor.epoch, all)));
    } catch (error) {
      throw await this.failed(error);
    }
    this.#lastSyncMs = this.#world.clock.monotonicMs();
    this.#world.counters.add("spool_syncs_total");
    this.#world.counters.add("spool_written_bytes_total", entryBytes);
    this.#durable = last;
    const segment = this.#writer?.segment;
    if (segment !== undefined) {
      segment.lastPosition = last;
      // It was forwarded once, as far as it went then.
      if (records.length > 0) segment.forwardedAtMs = undefined;
    }
    for (const entry of entries) this.#marks.add(entry);
    this.#spool.tail.push(records);
    if (!isReserved) await this.#spool.reserve.restore();
    if (records.length > 0) this.#spool.afterWrite();
  }

  /** What counts ends here, and is written behind it: the rest is no longer, or not yet, relied on. */
  moveTo(durable: number): void {
    this.#durable = durable;
  }

  /** A segment that begins with the records behind the last durable one. */
  newSegment(records: readonly SpoolRecord[]): NewSegment {
    const number = this.#nextSegmentNumber++;
    const { epoch, epochStart } = this.#spool.cursor;
    const header: SegmentHeader = {
      epoch,
      epochStart,
      firstPosition: this.#durable + 1,
      createdMs: Math.max(0, this.#world.clock.wallMs()),
    };
    const all = [...this.#headRecords(), ...records];
    const content = Buffer.concat([encodeHeader(header), encodeRecords(epoch, all)]);
    return { number, header, content };
  }

  /** What is written from now on goes into this segment. */
  async openSegment({ number, header }: Omit<NewSegment, "content">): Promise<void> {
    await this.endSegment();
    const writer = await SegmentWriter.open(this.#world.disk, this.#spool.folder, number, header);
    this.#spool.list.add(writer.segment);
    this.#writer = writer;
  }

  /** What is written from now on goes into another segment. */
  async endSegment(): Promise<void> {
    await this.#writer?.close();
    this.#writer = undefined;
  }

  /** The segment is given up: what a failed write or sync left in it does not count, and is written anew into another. */
  async failed(cause: unknown): Promise<SpoolUnavailable> {
    const { counters, log } = this.#world;
    const writer = this.#writer;
    this.#writer = undefined;
    const isFull = isDiskFull(cause);
    counters.add(isFull ? "spool_disk_full_total" : "spool_write_failures_total");
    const reason = isFull ? "its disk is full" : cause instanceof Error ? cause.message : String(cause);
    log.error({ error: reason, segment: writer?.segment.number }, "the spool could not be written");
    await writer?.close();
    try {
      if (isFull) await this.#spool.reserve.spend();
      if (writer !== undefined && writer.segment.lastPosition < writer.segment.header.firstPosition) {
        await this.#spool.list.remove(writer.segment);
      }
      if (isFull) await this.#spool.room.shrink();
    } catch (error) {
      log.warn({ error: String(error) }, "the spool could not make room on the disk");
    }
    return new SpoolUnavailable(reason, { cause });
  }

  /** Takes nothing from now on. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await this.endSegment();
  }

  async #writeToNew(records: readonly SpoolRecord[]): Promise<void> {
    const segment = this.newSegment(records);
    await this.openSegment(segment);
    await this.#writer?.write(segment.content);
  }

  /** The newest segment takes more. */
  get #isSegmentOpen(): boolean {
    return this.#writer !== undefined && this.#writer.segment.bytes < this.#segmentBytes;
  }

  /** What an opening must know of the segments before the next one, so that it need not read them. */
  #headRecords(): readonly SpoolRecord[] {
    const position = this.#durable;
    const { known } = this.#spool.damage;
    const head: SpoolRecord[] = [{ kind: RecordKind.Marks, position, payload: this.#marks.encode() }];
    if (known.length > 0) head.push({ kind: RecordKind.Damage, position, payload: encodeRanges(known) });
    return head;
  }
}

function sizeOf(records: readonly SpoolRecord[]): number {
  return records.reduce((sum, { payload }) => sum + RECORD_HEAD_BYTES + payload.length, 0);
}
