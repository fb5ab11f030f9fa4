import type { NewEntry, StoredEntry } from "../../../protocol/entry.ts";
import { ByteReader } from "../byte-reader.ts";
import { ByteWriter } from "../byte-writer.ts";
import { CHECKED_HEAD_BYTES, openValue, sealValue, ValueKind } from "../checked-value.ts";
import type { Compressor } from "../compressor.ts";
import type { IdMaker } from "../entry-id.ts";
import { clockOfCode, entryOf, levelOfCode, RowView, writeRow } from "../entry-record.ts";
import type { EngineMessage } from "./message-engine.ts";
import { SourceHead } from "./source-head.ts";

/** Entries of one message at most: an id is the message's seq and the index in it. */
export const BATCH_ENTRIES_MAX = 4096;
/** Rows below this are not worth compressing. */
const COMPRESS_BYTES_MIN = 200;
const IS_COMPRESSED = 1;

export function positionOf(seq: number, index: number): number {
  return seq * BATCH_ENTRIES_MAX + index;
}

export function seqOf(position: number): number {
  return Math.floor(position / BATCH_ENTRIES_MAX);
}

/** The entries of a message that is being made. */
export class BatchBody {
  readonly #rows = new ByteWriter(1024);
  readonly #messages: string[] = [];
  #messageUnits = 0;
  entryCount = 0;
  /** UTC ms, of the entries' timestamps. */
  earliestMs = Number.MAX_SAFE_INTEGER;
  latestMs = 0;

  /** Bytes before compression, about. */
  get bytes(): number {
    return this.#rows.length + this.#messageUnits;
  }

  add(entry: NewEntry): void {
    writeRow(this.#rows, entry, this.#messageUnits);
    this.#messages.push(entry.msg);
    this.#messageUnits += entry.msg.length;
    this.entryCount++;
    this.earliestMs = Math.min(this.earliestMs, entry.timestamp);
    this.latestMs = Math.max(this.latestMs, entry.timestamp);
  }

  /** `[size of the messages][messages][rows]`; rows count in UTF-16 units of the messages. */
  bytesWhole(): Buffer {
    const messages = Buffer.from(this.#messages.join(""), "utf8");
    const size = new ByteWriter(8);
    size.varint(messages.length);
    return Buffer.concat([size.view(), messages, this.#rows.view()]);
  }
}

/** One message of a source: `[size of the head][head][count][earliest][latest][flags][size of the body][body]`, checked. */
export function encodeValue(head: SourceHead, body: BatchBody, compressor: Compressor): Buffer {
  const headWriter = new ByteWriter(256);
  head.encode(headWriter);
  const rows = body.bytesWhole();
  const packed = rows.length < COMPRESS_BYTES_MIN ? rows : compressor.compress(rows);
  const isCompressed = packed.length < rows.length;
  const writer = new ByteWriter(64);
  writer.varint(headWriter.length);
  writer.copy(headWriter.view(), 0, headWriter.length);
  writer.varint(body.entryCount);
  writer.varint(body.earliestMs);
  writer.varint(body.latestMs);
  writer.u8(isCompressed ? IS_COMPRESSED : 0);
  writer.varint(rows.length);
  return sealValue(ValueKind.ClusterBatch, writer.view(), isCompressed ? packed : rows);
}

/** A source's message, read as far as it is asked for. */
export class SourceMessage {
  readonly seq: number;
  readonly src: string;
  readonly entryCount: number;
  /** UTC ms, both inclusive, of the timestamps of its entries. */
  readonly earliestMs: number;
  readonly latestMs: number;
  readonly #value: Buffer;
  readonly #isCompressed: boolean;
  readonly #bodySize: number;
  readonly #bodyStart: number;
  #head: SourceHead | undefined;
  #beforeSeq: number | undefined;

  private constructor(src: string, seq: number, value: Buffer) {
    const reader = new ByteReader(value, CHECKED_HEAD_BYTES);
    reader.skip(reader.varint());
    this.src = src;
    this.seq = seq;
    this.entryCount = reader.varint();
    this.earliestMs = reader.varint();
    this.latestMs = reader.varint();
    this.#isCompressed = (reader.u8() & IS_COMPRESSED) !== 0;
    this.#bodySize = reader.varint();
    this.#bodyStart = reader.position;
    this.#value = value;
  }

  /** Undefined where its checksum fails. @throws MalformedRecord */
  static of(src: string, message: EngineMessage): SourceMessage | undefined {
    const value = openValue(ValueKind.ClusterBatch, message.data);
    return value && new SourceMessage(src, message.seq, value);
  }

  /** Of the message that this one follows on; 0 for the first one of a source. */
  get beforeSeq(): number {
    this.#beforeSeq ??= SourceHead.beforeSeq(this.#headReader());
    return this.#beforeSeq;
  }

  get head(): SourceHead {
    this.#head ??= SourceHead.decode(this.#headReader());
    return this.#head;
  }

  #headReader(): ByteReader {
    const reader = new ByteReader(this.#value, CHECKED_HEAD_BYTES);
    reader.varint();
    return reader;
  }

  entries(ids: IdMaker, compressor: Compressor): StoredEntry[] {
    if (this.entryCount === 0) return [];
    const packed = this.#value.subarray(this.#bodyStart);
    const body = this.#isCompressed ? compressor.expand(packed, this.#bodySize) : packed;
    const reader = new ByteReader(body);
    const messagesBytes = reader.varint();
    const start = reader.position;
    reader.skip(messagesBytes);
    const messages = body.toString("utf8", start, reader.position);
    const row = new RowView();
    const entries: StoredEntry[] = [];
    for (let index = 0; index < this.entryCount; index++) {
      row.read(reader);
      const { stream, timestamp, received, module, boot, seq, uptime, clockError, lost } = row;
      const fields = {
        src: this.src,
        stream,
        msg: messages.slice(row.messageStart, row.messageStart + row.messageUnits),
        timestamp,
        received,
        clock: clockOfCode(row.clockCode),
        level: levelOfCode(row.levelCode),
        module,
        boot,
        seq,
        uptime,
        clockError,
        lost,
      };
      entries.push(entryOf(fields, ids.make(positionOf(this.seq, index))));
    }
    return entries;
  }
}
