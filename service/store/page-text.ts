import type { BatchValue } from "./batch-record.ts";
import { type ByteWriter, wordsOf } from "./byte-writer.ts";
import type { EntryForm } from "./entry-form.ts";
import type { IdMaker } from "./entry-id.ts";
import type { RowView } from "./entry-record.ts";
import type { EntryStencil, StencilRow } from "./entry-stencil.ts";
import { PAGE_CHARACTERS_MAX, type WrittenPage } from "./log-store.ts";
import { writeMessage } from "./memtable.ts";
import { ChunkRow, type OpenChunk } from "./open-chunk.ts";
import type { SourceState } from "./source-state.ts";
import type { StencilBook } from "./stencil-book.ts";

const OPEN = 0x5b;
const CLOSE = 0x5d;
const NOTHING = wordsOf(Buffer.alloc(0));

/**
 * Writes entries as JSON (docs/protocol.md 4.2, 10.7) from where they lie into the answer, without an object, an id and a text for
 * each.
 *
 * What stands for an entry is its number in the order of writing, since a page may be read backwards or source by source.
 */
export class PageText implements EntryForm<number> {
  readonly #to: ByteWriter;
  readonly #stencils: StencilBook;
  readonly #start: number;
  /** By number: where the entry begins, and its position in the store. */
  readonly #starts: number[] = [];
  readonly #positions: number[] = [];
  #ids: IdMaker | undefined;
  readonly #chunkRow = new ChunkRow();
  #stream: string | undefined;
  /** An entry of the stream up to its message. */
  #head = NOTHING;
  #headBytes = 0;

  /** @param to holds what stands before the entries; nothing else is written to it until `finish`. */
  constructor(to: ByteWriter, stencils: StencilBook) {
    to.u8(OPEN);
    this.#to = to;
    this.#stencils = stencils;
    this.#start = to.length;
  }

  get isFull(): boolean {
    return this.#to.length - this.#start >= PAGE_CHARACTERS_MAX;
  }

  ofChunk(chunk: OpenChunk, index: number, ids: IdMaker): number {
    const row = this.#chunkRow;
    chunk.readRow(index, row);
    const stencil = this.#stencils.of(row, chunk.head.src);
    const number = this.#begin(row.stream);
    chunk.columns.writeMessage(index, this.#to);
    this.#end(stencil, row, chunk.head.src, chunk.positions[index] ?? 0, ids);
    return number;
  }

  ofRow(row: RowView, batch: BatchValue, source: SourceState, position: number): number {
    const stencil = this.#stencils.of(row, source.src);
    const number = this.#begin(row.stream);
    writeMessage(batch, row, this.#to);
    this.#end(stencil, row, source.src, position, source.project.ids);
    return number;
  }

  /** Ends the array. @param numbers of the entries that the page holds, in its order */
  finish(numbers: readonly number[]): WrittenPage {
    const to = this.#to;
    if (!this.#isInOrder(numbers)) this.#order(numbers);
    // Over the comma behind the last one.
    if (numbers.length > 0) to.advance(to.length - 1);
    to.u8(CLOSE);
    return {
      entryCount: numbers.length,
      firstId: this.#idOf(numbers[0]),
      lastId: this.#idOf(numbers.at(-1)),
    };
  }

  #begin(stream: string): number {
    if (stream !== this.#stream) {
      this.#stream = stream;
      const head = Buffer.from(`{"stream":${JSON.stringify(stream)},"msg":`);
      this.#head = wordsOf(head);
      this.#headBytes = head.length;
    }
    const to = this.#to;
    const start = to.length;
    to.copyWords(this.#head, 0, this.#headBytes);
    return this.#starts.push(start) - 1;
  }

  #end(stencil: EntryStencil, row: StencilRow, src: string, position: number, ids: IdMaker): void {
    stencil.write(row, src, position, ids, this.#to);
    this.#positions.push(position);
    this.#ids = ids;
  }

  #isInOrder(numbers: readonly number[]): boolean {
    return numbers.length === this.#starts.length && numbers.every((number, index) => number === index);
  }

  #order(numbers: readonly number[]): void {
    const to = this.#to;
    const written = wordsOf(Buffer.from(to.view().subarray(this.#start)));
    to.advance(this.#start);
    for (const number of numbers) {
      const start = (this.#starts[number] ?? 0) - this.#start;
      const next = this.#starts[number + 1];
      to.copyWords(written, start, next === undefined ? written.byteLength : next - this.#start);
    }
  }

  #idOf(number: number | undefined): string | undefined {
    return number === undefined ? undefined : this.#ids?.make(this.#positions[number] ?? 0);
  }
}
