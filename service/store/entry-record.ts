import type { ClockQuality, MsgJson, NewEntry, SeqRange, StoredEntry } from "../../protocol/entry.ts";
import { STREAM_DEFAULT } from "../../protocol/entry.ts";
import { LEVELS, type Level } from "../../protocol/level.ts";
import type { ByteReader } from "./byte-reader.ts";
import type { ByteWriter } from "./byte-writer.ts";

/*
 * One entry as a row, without its source and position. Two bytes of flags say what follows:
 * first byte: level (3 bits, 0 is none), clock (2 bits), stream is not the default, module, boot;
 * second byte: seq, uptime, clockError, lost, and received is before timestamp.
 */
const HAS_STREAM = 0x20;
const HAS_MODULE = 0x40;
const HAS_BOOT = 0x80;
const HAS_SEQ = 0x01;
const HAS_UPTIME = 0x02;
const HAS_CLOCK_ERROR = 0x04;
const HAS_LOST = 0x08;
const RECEIVED_BEFORE = 0x10;

const CLOCKS: readonly ClockQuality[] = ["device", "estimated", "server"];

/** Codes of a level: 0 is none. */
export const LEVEL_CODE: Readonly<Record<Level, number>> = { debug: 1, info: 2, warn: 3, error: 4 };
export const CLOCK_CODE: Readonly<Record<ClockQuality, number>> = { device: 0, estimated: 1, server: 2 };

export function levelOfCode(code: number): Level | undefined {
  return code === 0 ? undefined : LEVELS[code - 1];
}

export function clockOfCode(code: number): ClockQuality {
  return CLOCKS[code] ?? "server";
}

/** Most bytes a row can take beside its texts. */
const ROW_FIXED_BYTES_MAX = 96;

/** Writes `[length][row]`; `entry` was checked by `assertStorable`. */
export function writeRow(to: ByteWriter, entry: NewEntry): void {
  const { level, module, boot, seq, uptime, clockError, lost, stream, timestamp, received } = entry;
  const sizeMax =
    ROW_FIXED_BYTES_MAX +
    3 *
      (entry.msg.length +
        stream.length +
        (module?.length ?? 0) +
        (boot?.length ?? 0) +
        (lost?.boot.length ?? 0));
  const block = to.beginBlock(sizeMax);
  to.reserve(sizeMax);
  const hasStream = stream !== STREAM_DEFAULT;
  to.u8(
    (level === undefined ? 0 : LEVEL_CODE[level]) |
      (CLOCK_CODE[entry.clock] << 3) |
      (hasStream ? HAS_STREAM : 0) |
      (module === undefined ? 0 : HAS_MODULE) |
      (boot === undefined ? 0 : HAS_BOOT),
  );
  to.u8(
    (seq === undefined ? 0 : HAS_SEQ) |
      (uptime === undefined ? 0 : HAS_UPTIME) |
      (clockError === undefined ? 0 : HAS_CLOCK_ERROR) |
      (lost === undefined ? 0 : HAS_LOST) |
      (received < timestamp ? RECEIVED_BEFORE : 0),
  );
  to.varint(timestamp);
  to.varint(Math.abs(received - timestamp));
  if (hasStream) to.text(stream);
  if (module !== undefined) to.text(module);
  if (boot !== undefined) to.text(boot);
  if (seq !== undefined) to.varint(seq);
  if (uptime !== undefined) to.varint(uptime);
  if (clockError !== undefined) to.varint(clockError);
  if (lost !== undefined) {
    to.text(lost.boot);
    to.varint(lost.first);
    to.varint(lost.last);
  }
  to.text(entry.msg);
  to.endBlock(block);
}

/** A row taken apart, its texts still where they were: what sealing and replay need without making every string. */
export class RowView {
  levelCode = 0;
  clockCode = 0;
  timestamp = 0;
  received = 0;
  stream = STREAM_DEFAULT;
  module: string | undefined;
  boot: string | undefined;
  seq: number | undefined;
  uptime: number | undefined;
  clockError: number | undefined;
  lost: SeqRange | undefined;
  msgStart = 0;
  msgEnd = 0;

  /** Reads the row that starts with its length at `from.position`, and leaves `from` behind it. */
  read(from: ByteReader): void {
    const size = from.varint();
    const end = from.position + size;
    const first = from.u8();
    const second = from.u8();
    this.levelCode = first & 7;
    this.clockCode = (first >> 3) & 3;
    this.timestamp = from.varint();
    const distance = from.varint();
    this.received = second & RECEIVED_BEFORE ? this.timestamp - distance : this.timestamp + distance;
    this.stream = first & HAS_STREAM ? from.text() : STREAM_DEFAULT;
    this.module = first & HAS_MODULE ? from.text() : undefined;
    this.boot = first & HAS_BOOT ? from.text() : undefined;
    this.seq = second & HAS_SEQ ? from.varint() : undefined;
    this.uptime = second & HAS_UPTIME ? from.varint() : undefined;
    this.clockError = second & HAS_CLOCK_ERROR ? from.varint() : undefined;
    this.lost =
      second & HAS_LOST ? { boot: from.text(), first: from.varint(), last: from.varint() } : undefined;
    const msgSize = from.varint();
    this.msgStart = from.position;
    this.msgEnd = this.msgStart + msgSize;
    from.position = this.msgStart;
    from.skip(end - this.msgStart);
  }
}

/** Leaves `from` behind the row. */
export function skipRow(from: ByteReader): void {
  from.skip(from.varint());
}

/** The fields of an entry as they come out of a row or a chunk. */
export interface EntryFields {
  readonly src: string;
  readonly stream: string;
  readonly msg: string;
  readonly timestamp: number;
  readonly received: number;
  readonly clock: ClockQuality;
  readonly level: Level | undefined;
  readonly module: string | undefined;
  readonly boot: string | undefined;
  readonly seq: number | undefined;
  readonly uptime: number | undefined;
  readonly clockError: number | undefined;
  readonly lost: SeqRange | undefined;
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

/** Leaves out what is undefined, so that an entry comes back with just the fields it came with. */
export function entryOf(fields: EntryFields, id: string): StoredEntry {
  const entry: Mutable<StoredEntry> = {
    id,
    src: fields.src,
    stream: fields.stream,
    msg: fields.msg as MsgJson,
    timestamp: fields.timestamp,
    received: fields.received,
    clock: fields.clock,
  };
  if (fields.level !== undefined) entry.level = fields.level;
  if (fields.module !== undefined) entry.module = fields.module;
  if (fields.boot !== undefined) entry.boot = fields.boot;
  if (fields.seq !== undefined) entry.seq = fields.seq;
  if (fields.uptime !== undefined) entry.uptime = fields.uptime;
  if (fields.clockError !== undefined) entry.clockError = fields.clockError;
  if (fields.lost !== undefined) entry.lost = fields.lost;
  return entry;
}
