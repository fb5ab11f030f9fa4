import type { StoredEntry } from "../../protocol/entry.ts";
import type { BatchValue } from "./batch-record.ts";
import type { IdMaker } from "./entry-id.ts";
import { clockOfCode, entryOf, levelOfCode, type RowView } from "./entry-record.ts";
import { PAGE_CHARACTERS_MAX } from "./log-store.ts";
import { messageOf } from "./memtable.ts";
import type { OpenChunk } from "./open-chunk.ts";
import type { SourceState } from "./source-state.ts";

/** What a page is made of: entries as objects, or what stands for one in a text that is being written. */
export interface EntryForm<T> {
  /** What was made holds as much as one page may: it ends here, however few entries it has. */
  readonly isFull: boolean;
  ofChunk(chunk: OpenChunk, index: number, ids: IdMaker): T;
  /** `row` was read from `batch`, and is good until the next one is. */
  ofRow(row: RowView, batch: BatchValue, source: SourceState, position: number): T;
}

export const AS_OBJECTS: EntryForm<StoredEntry> = {
  isFull: false,
  ofChunk: (chunk, index, ids) => chunk.entryAt(index, ids),
  ofRow: (row, batch, source, position) =>
    entryOf(
      {
        src: source.src,
        stream: row.stream,
        msg: messageOf(batch, row),
        timestamp: row.timestamp,
        received: row.received,
        clock: clockOfCode(row.clockCode),
        level: levelOfCode(row.levelCode),
        module: row.module,
        boot: row.boot,
        seq: row.seq,
        uptime: row.uptime,
        clockError: row.clockError,
        lost: row.lost,
      },
      source.project.ids.make(position),
    ),
};

/** The entries of one page. */
export class PageObjects implements EntryForm<StoredEntry> {
  #characters = 0;

  get isFull(): boolean {
    return this.#characters >= PAGE_CHARACTERS_MAX;
  }

  ofChunk(chunk: OpenChunk, index: number, ids: IdMaker): StoredEntry {
    return this.#count(AS_OBJECTS.ofChunk(chunk, index, ids));
  }

  ofRow(row: RowView, batch: BatchValue, source: SourceState, position: number): StoredEntry {
    return this.#count(AS_OBJECTS.ofRow(row, batch, source, position));
  }

  #count(entry: StoredEntry): StoredEntry {
    this.#characters += entry.msg.length;
    return entry;
  }
}
