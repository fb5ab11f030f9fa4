import type { ClockQuality, MsgJson, NewEntry, SeqRange, StoredEntry } from "../../protocol/entry.ts";
import { CLOCK_QUALITIES, STREAM_DEFAULT } from "../../protocol/entry.ts";
import type { EntryRun, TextRun } from "../../protocol/entry-run.ts";
import { LEVEL_RANK, LEVELS, type Level } from "../../protocol/level.ts";
import { type ByteReader, MalformedRecord } from "./byte-reader.ts";
import {
  type ByteWriter,
  prefixBytes,
  putPadded,
  putText,
  putVarint,
  VARINT_BYTES_MAX,
} from "./byte-writer.ts";

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

/** Codes of a level, which are its ranks: 0 is none. */
export const LEVEL_CODE: Readonly<Record<Level, number>> = LEVEL_RANK;
export const CLOCK_CODE: Readonly<Record<ClockQuality, number>> = {
  device: 0,
  estimated: 1,
  server: 2,
  unset: 3,
};

export function levelOfCode(code: number): Level | undefined {
  return code === 0 ? undefined : LEVELS[code - 1];
}

export function clockOfCode(code: number): ClockQuality {
  return CLOCK_QUALITIES[code] ?? "server";
}

/** Most bytes a row can take beside its texts: two of flags, ten numbers of eight, prefixes of the texts. */
const ROW_FIXED_BYTES_MAX = 112;

/**
 * Writes `[length][row]`; `entry` was checked by `assertStorable`. Its message is elsewhere, from `messageStart` on: row and
 * reader count in UTF-16 units.
 */
export function writeRow(to: ByteWriter, entry: NewEntry, messageStart: number): void {
  const { level, module, boot, seq, uptime, clockError, lost, stream, timestamp, received } = entry;
  const sizeMax =
    ROW_FIXED_BYTES_MAX +
    3 * (stream.length + (module?.length ?? 0) + (boot?.length ?? 0) + (lost?.boot.length ?? 0));
  const bytes = to.open(sizeMax + 5);
  const prefixSize = prefixBytes(sizeMax);
  const start = to.length + prefixSize;
  const hasStream = stream !== STREAM_DEFAULT;
  bytes[start] =
    (level === undefined ? 0 : LEVEL_CODE[level]) |
    (CLOCK_CODE[entry.clock] << 3) |
    (hasStream ? HAS_STREAM : 0) |
    (module === undefined ? 0 : HAS_MODULE) |
    (boot === undefined ? 0 : HAS_BOOT);
  bytes[start + 1] =
    (seq === undefined ? 0 : HAS_SEQ) |
    (uptime === undefined ? 0 : HAS_UPTIME) |
    (clockError === undefined ? 0 : HAS_CLOCK_ERROR) |
    (lost === undefined ? 0 : HAS_LOST) |
    (received < timestamp ? RECEIVED_BEFORE : 0);
  let at = putVarint(bytes, start + 2, timestamp);
  at = putVarint(bytes, at, Math.abs(received - timestamp));
  if (hasStream) at = putText(bytes, at, stream);
  if (module !== undefined) at = putText(bytes, at, module);
  if (boot !== undefined) at = putText(bytes, at, boot);
  if (seq !== undefined) at = putVarint(bytes, at, seq);
  if (uptime !== undefined) at = putVarint(bytes, at, uptime);
  if (clockError !== undefined) at = putVarint(bytes, at, clockError);
  if (lost !== undefined) {
    at = putText(bytes, at, lost.boot);
    at = putVarint(bytes, at, lost.first);
    at = putVarint(bytes, at, lost.last);
  }
  at = putVarint(bytes, at, messageStart);
  at = putVarint(bytes, at, entry.msg.length);
  putPadded(bytes, to.length, at - start, prefixSize);
  to.advance(at);
}

/**
 * The same for a line of a run: of the default stream, with the board's own time.
 * @param boot of the run, as text with its length before it: it is encoded once for all lines.
 */
export function writeLineRow(
  to: ByteWriter,
  { received, lines }: EntryRun,
  line: number,
  boot: ByteWriter,
  messageStart: number,
): void {
  const module = lines.moduleAt(line);
  const timestamp = lines.timeAt(line);
  const sizeMax = ROW_FIXED_BYTES_MAX + 3 * (module?.length ?? 0) + boot.length;
  const bytes = to.open(sizeMax + 5);
  const prefixSize = prefixBytes(sizeMax);
  const start = to.length + prefixSize;
  bytes[start] =
    lines.levelRankAt(line) | (CLOCK_CODE.device << 3) | (module === undefined ? 0 : HAS_MODULE) | HAS_BOOT;
  bytes[start + 1] = HAS_SEQ | (received < timestamp ? RECEIVED_BEFORE : 0);
  let at = putVarint(bytes, start + 2, timestamp);
  at = putVarint(bytes, at, Math.abs(received - timestamp));
  if (module !== undefined) at = putText(bytes, at, module);
  const bootBytes = boot.open(0);
  for (let index = 0; index < boot.length; index++) bytes[at++] = bootBytes[index] ?? 0;
  at = putVarint(bytes, at, lines.seqFirst + line);
  at = putVarint(bytes, at, messageStart);
  at = putVarint(bytes, at, lines.endAt(line) - lines.startAt(line));
  putPadded(bytes, to.length, at - start, prefixSize);
  to.advance(at);
}

/** What the rows of console lines of a run begin with. */
export function writeTextStart(to: ByteWriter, { stream, received, clock }: TextRun): void {
  const hasStream = stream !== STREAM_DEFAULT;
  to.u8((CLOCK_CODE[clock] << 3) | (hasStream ? HAS_STREAM : 0));
  to.u8(0);
  to.varint(received);
  to.varint(0);
  if (hasStream) to.text(stream);
}

/** The same for one of these lines. */
export function writeTextRow(
  to: ByteWriter,
  start: ByteWriter,
  messageStart: number,
  messageUnits: number,
): void {
  const sizeMax = start.length + 2 * VARINT_BYTES_MAX;
  const bytes = to.open(sizeMax + 5);
  const prefixSize = prefixBytes(sizeMax);
  const rowStart = to.length + prefixSize;
  const startBytes = start.open(0);
  let at = rowStart;
  for (let index = 0; index < start.length; index++) bytes[at++] = startBytes[index] ?? 0;
  at = putVarint(bytes, at, messageStart);
  at = putVarint(bytes, at, messageUnits);
  putPadded(bytes, to.length, at - rowStart, prefixSize);
  to.advance(at);
}

/**
 * A row taken apart. Its message is still where it was, and texts that come again and again are made once: what sealing and
 * replay need without making every string.
 */
export class RowView {
  readonly #streams = new TextMemo();
  readonly #modules = new TextMemo();
  readonly #boots = new TextMemo();
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
  /** In UTF-16 units of the batch's messages. */
  messageStart = 0;
  messageUnits = 0;

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
    this.stream = first & HAS_STREAM ? this.#streams.read(from) : STREAM_DEFAULT;
    this.module = first & HAS_MODULE ? this.#modules.read(from) : undefined;
    this.boot = first & HAS_BOOT ? this.#boots.read(from) : undefined;
    this.seq = second & HAS_SEQ ? from.varint() : undefined;
    this.uptime = second & HAS_UPTIME ? from.varint() : undefined;
    this.clockError = second & HAS_CLOCK_ERROR ? from.varint() : undefined;
    this.lost =
      second & HAS_LOST ? { boot: from.text(), first: from.varint(), last: from.varint() } : undefined;
    this.messageStart = from.varint();
    this.messageUnits = from.varint();
    if (from.position !== end) throw new MalformedRecord("a row is longer than it says");
  }
}

/** Gives the string of before where the bytes are those of before. */
class TextMemo {
  #bytes = new Uint8Array(0);
  #text = "";

  read(from: ByteReader): string {
    const size = from.varint();
    const start = from.position;
    from.skip(size);
    if (size === this.#bytes.length) {
      let index = 0;
      while (index < size && from.bytes[start + index] === this.#bytes[index]) index++;
      if (index === size) return this.#text;
    }
    this.#bytes = Uint8Array.prototype.slice.call(from.bytes, start, from.position);
    this.#text = from.bytes.toString("utf8", start, from.position);
    return this.#text;
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
