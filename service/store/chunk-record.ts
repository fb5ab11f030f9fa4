import type { BatchValue } from "./batch-record.ts";
import { ByteWriter } from "./byte-writer.ts";
import { sealValue, ValueKind } from "./checked-value.ts";
import { COLUMN_COUNT, Column, ContextList, HAS_CLOCK_ERROR, HAS_SEQ, HAS_UPTIME } from "./chunk-head.ts";
import { type ChunkSummary, SummaryBuilder } from "./chunk-summary.ts";
import type { Compressor } from "./compressor.ts";
import type { RowView } from "./entry-record.ts";
import { messageOf } from "./memtable.ts";
import { NumberList } from "./number-list.ts";

/** Collects the entries of one chunk; used again for the next after `finish`. */
export class ChunkBuilder {
  readonly #positions = new NumberList();
  readonly #kinds = new ByteWriter(1024);
  readonly #contextNumbers = new NumberList();
  readonly #seqs = new NumberList();
  readonly #timestamps = new NumberList();
  readonly #received = new NumberList();
  readonly #uptimes = new NumberList();
  readonly #clockErrors = new NumberList();
  readonly #losts = new ByteWriter(256);
  readonly #sizes = new NumberList();
  readonly #messages = new ByteWriter(1 << 15);
  readonly #joiner = new ChunkJoiner();
  readonly #numbers = [
    this.#positions,
    this.#contextNumbers,
    this.#seqs,
    this.#timestamps,
    this.#received,
    this.#uptimes,
    this.#clockErrors,
    this.#sizes,
  ];
  /** In the order of `Column`. */
  readonly #columns = Array.from({ length: COLUMN_COUNT }, (_, column) =>
    column === Column.Kinds
      ? this.#kinds
      : column === Column.Losts
        ? this.#losts
        : column === Column.Messages
          ? this.#messages
          : new ByteWriter(1024),
  );
  #contexts = new ContextList();
  readonly #summary = new SummaryBuilder();
  #first = 0;
  #last = 0;

  get entryCount(): number {
    return this.#positions.count;
  }

  /** Bytes of its messages. */
  get messageBytes(): number {
    return this.#messages.length;
  }

  /** `row` was read from `batch`. */
  add(position: number, row: RowView, batch: BatchValue): void {
    const { seq, uptime, clockError, lost } = row;
    if (this.#positions.count === 0) this.#first = position;
    this.#last = position;
    this.#positions.push(position);
    this.#kinds.u8(
      row.levelCode |
        (row.clockCode << 3) |
        (seq === undefined ? 0 : HAS_SEQ) |
        (uptime === undefined ? 0 : HAS_UPTIME) |
        (clockError === undefined ? 0 : HAS_CLOCK_ERROR),
    );
    this.#contextNumbers.push(this.#contexts.numberOf(row));
    this.#summary.add(row.levelCode, row.timestamp, this.#contexts.bootNumber, seq);
    if (seq !== undefined) this.#seqs.push(seq);
    this.#timestamps.push(row.timestamp);
    this.#received.push(row.received);
    if (uptime !== undefined) this.#uptimes.push(uptime);
    if (clockError !== undefined) this.#clockErrors.push(clockError);
    if (lost !== undefined) {
      this.#losts.varint(this.#positions.count - 1);
      this.#losts.varint(this.#contexts.boots.numberOf(lost.boot));
      this.#losts.varint(lost.first);
      this.#losts.varint(lost.last);
    }
    const messages = this.#messages;
    if (batch.unitBytes === 1) {
      const start = batch.messagesStart + row.messageStart;
      messages.copyWords(batch.words, start, start + row.messageUnits);
      this.#sizes.push(row.messageUnits);
    } else {
      const before = messages.length;
      messages.characters(messageOf(batch, row));
      this.#sizes.push(messages.length - before);
    }
  }

  /** The head and the body of the chunk; the builder is empty again. */
  finish(project: string, src: string): UnsealedChunk {
    const { streams, boots } = this.#contexts;
    const summary = this.#summary.finish(
      {
        firstPosition: this.#first,
        lastPosition: this.#last,
        entryCount: this.#positions.count,
        streams: streams.texts,
      },
      boots.texts,
    );
    this.#writeNumbers();
    const chunk = this.#joiner.join(
      { project, src, kind: ValueKind.Chunk },
      summary,
      this.#contexts,
      this.#columns,
    );
    for (const column of this.#columns) column.clear();
    for (const numbers of this.#numbers) numbers.clear();
    this.#contexts = new ContextList();
    return chunk;
  }

  #writeNumbers(): void {
    const write = (column: number, by: (to: ByteWriter) => void): void => {
      const to = this.#columns[column];
      if (to !== undefined) by(to);
    };
    write(Column.Positions, (to) => this.#positions.writeGaps(to));
    write(Column.Contexts, (to) => this.#contextNumbers.writePlain(to));
    write(Column.Seqs, (to) => this.#seqs.writeDifferences(to));
    write(Column.Timestamps, (to) => this.#timestamps.writeDifferences(to));
    write(Column.Received, (to) => this.#received.writeDistances(this.#timestamps, to));
    write(Column.Uptimes, (to) => this.#uptimes.writeDifferences(to));
    write(Column.ClockErrors, (to) => this.#clockErrors.writePlain(to));
    write(Column.Sizes, (to) => this.#sizes.writePlain(to));
  }
}

/** A chunk before its body is compressed; its parts are views, good until its builder makes the next. */
export interface UnsealedChunk {
  readonly kind: typeof ValueKind.Chunk | typeof ValueKind.CompactChunk;
  readonly head: Buffer;
  readonly body: Buffer;
  readonly summary: ChunkSummary;
}

/** Puts heads and bodies of chunks together, one after the other in the same memory: a chunk has no buffers of its own for the collector to free. */
export class ChunkJoiner {
  readonly #head = new ByteWriter(256);
  readonly #body = new ByteWriter(1 << 15);

  /** @param columns in the order of `Column`. */
  join(
    {
      project,
      src,
      kind,
    }: { readonly project: string; readonly src: string; readonly kind: UnsealedChunk["kind"] },
    summary: ChunkSummary,
    contexts: ContextList,
    columns: readonly ByteWriter[],
  ): UnsealedChunk {
    const head = this.#head;
    const body = this.#body;
    head.clear();
    body.clear();
    head.text(project);
    head.text(src);
    head.varint(summary.firstPosition);
    head.varint(summary.lastPosition - summary.firstPosition);
    head.varint(summary.entryCount);
    contexts.encode(head);
    for (const column of columns) {
      head.varint(column.length);
      body.append(column);
    }
    head.varint(body.length);
    return { kind, head: head.view(), body: body.view(), summary };
  }
}

export function sealChunk(chunk: UnsealedChunk, compressor: Compressor): Buffer {
  return sealValue(chunk.kind, chunk.head, compressor.compress(chunk.body));
}
