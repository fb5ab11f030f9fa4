import type { BatchValue } from "./batch-record.ts";
import { ByteWriter } from "./byte-writer.ts";
import { sealValue, ValueKind } from "./checked-value.ts";
import { ContextList, HAS_CLOCK_ERROR, HAS_SEQ, HAS_UPTIME } from "./chunk-head.ts";
import { type ChunkSummary, SummaryBuilder } from "./chunk-summary.ts";
import type { Compressor } from "./compressor.ts";
import type { RowView } from "./entry-record.ts";
import { messageOf } from "./memtable.ts";

/** Collects the entries of one chunk; used again for the next after `finish`. */
export class ChunkBuilder {
  readonly #positions = new ByteWriter(1024);
  readonly #kinds = new ByteWriter(1024);
  readonly #contextNumbers = new ByteWriter(1024);
  readonly #seqs = new ByteWriter(1024);
  readonly #timestamps = new ByteWriter(4096);
  readonly #received = new ByteWriter(1024);
  readonly #uptimes = new ByteWriter(256);
  readonly #clockErrors = new ByteWriter(256);
  readonly #losts = new ByteWriter(256);
  readonly #sizes = new ByteWriter(1024);
  readonly #messages = new ByteWriter(1 << 15);
  /** In the order of `Column`. */
  readonly #columns = [
    this.#positions,
    this.#kinds,
    this.#contextNumbers,
    this.#seqs,
    this.#timestamps,
    this.#received,
    this.#uptimes,
    this.#clockErrors,
    this.#losts,
    this.#sizes,
    this.#messages,
  ];
  readonly #joiner = new ChunkJoiner();
  #contexts = new ContextList();
  readonly #summary = new SummaryBuilder();
  #count = 0;
  #first = 0;
  #last = 0;
  #timestamp = 0;
  #seq = 0;
  #uptime = 0;

  get entryCount(): number {
    return this.#count;
  }

  /** Bytes of its messages. */
  get messageBytes(): number {
    return this.#messages.length;
  }

  /** `row` was read from `batch`. */
  add(position: number, row: RowView, batch: BatchValue): void {
    const { seq, timestamp, uptime, clockError, lost } = row;
    if (this.#count === 0) this.#first = position;
    else this.#positions.varint(position - this.#last - 1);
    this.#last = position;
    this.#count++;
    this.#kinds.u8(
      row.levelCode |
        (row.clockCode << 3) |
        (seq === undefined ? 0 : HAS_SEQ) |
        (uptime === undefined ? 0 : HAS_UPTIME) |
        (clockError === undefined ? 0 : HAS_CLOCK_ERROR),
    );
    this.#contextNumbers.varint(this.#contexts.numberOf(row));
    this.#summary.add(row.levelCode, timestamp, this.#contexts.bootNumber, seq);
    if (seq !== undefined) {
      this.#seqs.signed(seq - this.#seq);
      this.#seq = seq;
    }
    this.#timestamps.signed(timestamp - this.#timestamp);
    this.#timestamp = timestamp;
    this.#received.signed(row.received - timestamp);
    if (uptime !== undefined) {
      this.#uptimes.signed(uptime - this.#uptime);
      this.#uptime = uptime;
    }
    if (clockError !== undefined) this.#clockErrors.varint(clockError);
    if (lost !== undefined) {
      this.#losts.varint(this.#count - 1);
      this.#losts.varint(this.#contexts.boots.numberOf(lost.boot));
      this.#losts.varint(lost.first);
      this.#losts.varint(lost.last);
    }
    const messages = this.#messages;
    if (batch.unitBytes === 1) {
      const start = batch.messagesStart + row.messageStart;
      messages.copyWords(batch.words, start, start + row.messageUnits);
      this.#sizes.varint(row.messageUnits);
    } else {
      const before = messages.length;
      messages.characters(messageOf(batch, row));
      this.#sizes.varint(messages.length - before);
    }
  }

  /** The head and the body of the chunk; the builder is empty again. */
  finish(project: string, src: string): UnsealedChunk {
    const { streams, boots } = this.#contexts;
    const summary = this.#summary.finish(
      {
        firstPosition: this.#first,
        lastPosition: this.#last,
        entryCount: this.#count,
        streams: streams.texts,
      },
      boots.texts,
    );
    const chunk = this.#joiner.join(
      { project, src, kind: ValueKind.Chunk },
      summary,
      this.#contexts,
      this.#columns,
    );
    for (const column of this.#columns) column.clear();
    this.#contexts = new ContextList();
    this.#count = this.#timestamp = this.#seq = this.#uptime = 0;
    return chunk;
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
