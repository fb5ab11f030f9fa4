import type { StoredEntry } from "../../protocol/entry.ts";
import type { BatchValue } from "./batch-record.ts";
import type { IdMaker } from "./entry-id.ts";
import { clockOfCode, entryOf, levelOfCode, type RowView } from "./entry-record.ts";
import { messageOf } from "./memtable.ts";
import type { OpenChunk } from "./open-chunk.ts";
import type { SourceState } from "./source-state.ts";

/** What a page is made of: entries as objects, or what stands for one in a text that is being written. */
export interface EntryForm<T> {
  ofChunk(chunk: OpenChunk, index: number, ids: IdMaker): T;
  /** `row` was read from `batch`, and is good until the next one is. */
  ofRow(row: RowView, batch: BatchValue, source: SourceState, position: number): T;
}

export const AS_OBJECTS: EntryForm<StoredEntry> = {
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
