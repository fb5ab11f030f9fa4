import type { Committer } from "./committer.ts";
import { snapshotOf, turnsOf } from "./lister.ts";
import { chunksOf } from "./place-walk.ts";
import type { SourceState } from "./source-state.ts";
import type { StoreCore } from "./store-core.ts";

const ALL_TIME = { sinceMs: 0, untilMs: Number.POSITIVE_INFINITY };

/**
 * Deletes what there is of a source now, or of one of its streams: from the record of it on no reader sees it, and the next
 * compaction leaves it out of what it writes. Runs when it is its turn among `core.changes`, so that nothing moves meanwhile.
 */
export async function deleteEntries(
  core: StoreCore,
  committer: Committer,
  source: SourceState,
  stream: string | undefined,
): Promise<number> {
  const through = await committer.quiet(() => core.lastPosition);
  const count = await core.gate.read(() => countUpTo(core, source, stream, through));
  if (count === 0) return 0;
  source.pinCount++;
  try {
    await committer.quiet(() => {
      source.totals.entryCount = Math.max(0, source.totals.entryCount - count);
      return core.head.commit([
        core.deletions.changeOf(source.number, stream, through),
        ...core.sources.changesOf([source], core.lastPosition),
      ]);
    });
  } finally {
    source.pinCount--;
  }
  core.deletions.written(source.number, stream, through);
  core.deps.counters.add("store_deleted_entries_total", count);
  return count;
}

async function countUpTo(
  core: StoreCore,
  source: SourceState,
  stream: string | undefined,
  through: number,
): Promise<number> {
  const snapshot = snapshotOf(core, through + 1);
  const gone = core.deletions.of(source.number);
  const turns = turnsOf(core);
  let count = 0;
  for await (const { found } of chunksOf(core, snapshot, [source], ALL_TIME)) {
    const place = found.content;
    if (place === undefined || (stream !== undefined && !place.streams.includes(stream))) continue;
    const isUntouched = gone === undefined || gone.highest < place.firstPosition;
    if (isUntouched && (stream === undefined || place.streams.length === 1)) {
      count += place.entryCount;
      continue;
    }
    const chunk = core.reader.open(found);
    for (let index = 0; index < (chunk?.positions.length ?? 0); index++) {
      const entryStream = chunk?.streamAt(index) ?? "";
      if (stream !== undefined && stream !== entryStream) continue;
      if (!gone?.hides(entryStream, chunk?.positions[index] ?? 0)) count++;
    }
    if (turns.due) await turns.keep();
  }
  for (const table of snapshot.tables) {
    for (const row of table.rowsOfSource(source)) {
      if (row.position > through) break;
      if (table.briefOfRow(row, stream, gone) !== undefined) count++;
      if (turns.due) await turns.keep();
    }
  }
  return count;
}
