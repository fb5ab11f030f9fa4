import { ByteWriter } from "./byte-writer.ts";
import { ValueKind } from "./checked-value.ts";
import { ReceivedForm } from "./chunk-columns.ts";
import { COLUMN_COUNT, Column, ContextList, HAS_CLOCK_ERROR, HAS_SEQ, HAS_UPTIME } from "./chunk-head.ts";
import { ChunkJoiner, type UnsealedChunk } from "./chunk-record.ts";
import { SummaryBuilder } from "./chunk-summary.ts";
import { writeNumbers } from "./number-column.ts";
import type { OpenChunk } from "./open-chunk.ts";
import { TemplateBuilder } from "./template-column.ts";

/** Collects entries of one source out of expanded chunks into a compact one; used again for the next after `finish`. */
export class CompactChunkBuilder {
  readonly #positions: number[] = [];
  readonly #kinds = new ByteWriter(4096);
  readonly #contextNumbers: number[] = [];
  readonly #seqs: number[] = [];
  readonly #timestamps: number[] = [];
  readonly #received: number[] = [];
  readonly #uptimes: number[] = [];
  readonly #clockErrors: number[] = [];
  readonly #losts = new ByteWriter(256);
  readonly #templates = new TemplateBuilder();
  readonly #writers = Array.from({ length: COLUMN_COUNT }, () => new ByteWriter(4096));
  readonly #summary = new SummaryBuilder();
  readonly #joiner = new ChunkJoiner();
  #contexts = new ContextList();
  /** Characters of its messages. */
  messageUnits = 0;

  get entryCount(): number {
    return this.#positions.length;
  }

  add(chunk: OpenChunk, index: number): void {
    const { columns } = chunk;
    const kind = columns.kinds[index] ?? 0;
    const timestamp = columns.timestamps[index] ?? 0;
    const seq = kind & HAS_SEQ ? columns.seqs[index] : undefined;
    this.#kinds.u8(kind);
    this.#contextNumbers.push(this.#contexts.numberOf(chunk.namesAt(index)));
    this.#summary.add(kind & 7, timestamp, this.#contexts.bootNumber, seq);
    if (seq !== undefined) this.#seqs.push(seq);
    this.#timestamps.push(timestamp);
    this.#received.push(columns.received[index] ?? 0);
    if (kind & HAS_UPTIME) this.#uptimes.push(columns.uptimes[index] ?? 0);
    if (kind & HAS_CLOCK_ERROR) this.#clockErrors.push(columns.clockErrors[index] ?? 0);
    const lost = columns.losts.get(index);
    if (lost !== undefined) {
      this.#losts.varint(this.#positions.length);
      this.#losts.varint(this.#contexts.boots.numberOf(lost.boot));
      this.#losts.varint(lost.first);
      this.#losts.varint(lost.last);
    }
    const message = columns.messageAt(index);
    this.#templates.add(message);
    this.messageUnits += message.length;
    this.#positions.push(chunk.positions[index] ?? 0);
  }

  /** The builder is empty again. */
  finish(project: string, src: string): UnsealedChunk {
    const writers = this.#writers;
    for (const writer of writers) writer.clear();
    const write = (column: number, numbers: readonly number[]): void => {
      const writer = writers[column];
      if (writer !== undefined) writeNumbers(writer, numbers);
    };
    write(Column.Positions, this.#positions);
    write(Column.Contexts, this.#contextNumbers);
    write(Column.Seqs, this.#seqs);
    write(Column.Timestamps, this.#timestamps);
    this.#writeReceived(writers[Column.Received]);
    write(Column.Uptimes, this.#uptimes);
    write(Column.ClockErrors, this.#clockErrors);
    const [templates, words] = [writers[Column.Sizes], writers[Column.Messages]];
    if (templates !== undefined && words !== undefined) this.#templates.finish(templates, words);
    const columns = writers.map((writer, column) =>
      column === Column.Kinds ? this.#kinds : column === Column.Losts ? this.#losts : writer,
    );
    const summary = this.#summary.finish(
      {
        firstPosition: this.#positions[0] ?? 0,
        lastPosition: this.#positions.at(-1) ?? 0,
        entryCount: this.#positions.length,
        streams: this.#contexts.streams.texts,
      },
      this.#contexts.boots.texts,
    );
    const chunk = this.#joiner.join(
      { project, src, kind: ValueKind.CompactChunk },
      summary,
      this.#contexts,
      columns,
    );
    this.#clear();
    return chunk;
  }

  /** As distances to the timestamps, unless one of them is too far off for that. */
  #writeReceived(writer: ByteWriter | undefined): void {
    const distances = this.#received.map((received, index) => received - (this.#timestamps[index] ?? 0));
    const isNear = distances.every((distance) => Math.abs(distance) < 2 ** 50);
    writer?.u8(isNear ? ReceivedForm.Distances : ReceivedForm.Times);
    if (writer !== undefined) writeNumbers(writer, isNear ? distances : this.#received);
  }

  #clear(): void {
    for (const numbers of [
      this.#positions,
      this.#contextNumbers,
      this.#seqs,
      this.#timestamps,
      this.#received,
      this.#uptimes,
      this.#clockErrors,
    ])
      numbers.length = 0;
    this.#kinds.clear();
    this.#losts.clear();
    this.#contexts = new ContextList();
    this.messageUnits = 0;
  }
}
