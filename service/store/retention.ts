import type { Committer } from "./committer.ts";
import { turnsOf } from "./lister.ts";
import type { Memtable } from "./memtable.ts";
import type { KvChange } from "./ordered-kv.ts";
import { removeSegment, type Segment } from "./segment.ts";
import type { SourceState } from "./source-state.ts";
import { stateChange } from "./state-change.ts";
import type { StoreCore } from "./store-core.ts";
import { segmentName } from "./store-state.ts";

/** A wall clock before this was never set: nothing has an age by it. */
const WALL_MS_MIN = Date.UTC(2024, 0, 1);
/** Appends wait for the seal when the table has twice its size; one more for the last group, and the zeros ahead of it in the log. */
const UNSEALED_SEALS_MAX = 3;
/** Places read in one go. */
const PLACES_MAX = 1000;

/**
 * Removes the oldest segments, whole, where there are more bytes than wanted or they are older: their files go, so the disk has
 * its room back. Marks and totals stay in the head. Runs when it is its turn among `core.changes`.
 * @param sealing what is about to be sealed: there must be room for it beside its log.
 */
export async function enforceRetention(
  core: StoreCore,
  committer: Committer,
  sealing?: Memtable,
): Promise<number> {
  const victims = await victimsOf(core, sealing?.bytes ?? 0);
  if (victims.length === 0) return 0;
  const counts = await countsOf(core, victims);
  const pinned: SourceState[] = [];
  for (const sourceNumber of counts.keys()) {
    const source = core.sources.findByNumber(sourceNumber);
    if (source === undefined) continue;
    source.pinCount++;
    pinned.push(source);
  }
  try {
    await committer.quiet(() => {
      for (const source of pinned) {
        const count = counts.get(source.number) ?? 0;
        source.totals.entryCount = Math.max(0, source.totals.entryCount - count);
      }
      core.segments.splice(0, victims.length);
      const firstKept = core.segments[0]?.state.first ?? core.sealedPosition + 1;
      const changes: KvChange[] = [
        ...core.sources.changesOf(pinned, core.lastPosition),
        ...core.deletions.forgetBelow(firstKept),
        stateChange(core, { sealing: false }),
      ];
      return core.head.commit(changes);
    });
  } finally {
    for (const source of pinned) source.pinCount--;
  }
  const { counters, log } = core.deps;
  const entryCount = victims.reduce((sum, { state }) => sum + state.entryCount, 0);
  counters.add("store_expired_entries_total", entryCount);
  counters.add("store_expired_segments_total", victims.length);
  log.info({ entryCount, segments: victims.length }, "the oldest entries went, as retention is set");
  await removeSegments(core, victims);
  return victims.length;
}

/** Closes segments that the state names no more, once nobody reads them, and removes their files. */
export async function removeSegments(core: StoreCore, segments: readonly Segment[]): Promise<void> {
  core.reader.forget();
  await core.gate.drained();
  for (const segment of segments) await removeSegment(core.deps.space, segment, segment.state.number);
}

/** What may still be written until the next seal begins, which comes back here. */
async function comingBytes({ active, options, compaction, deps }: StoreCore): Promise<number> {
  const unsealed = Math.max(0, options.sealBytes * UNSEALED_SEALS_MAX - active.bytes);
  if (compaction === undefined) return unsealed;
  return unsealed + Math.max(0, compaction.bytesMax - (await deps.space.bytes(compaction.name)));
}

async function victimsOf(core: StoreCore, sealingBytes: number): Promise<Segment[]> {
  const { keepMs, keepBytes } = core.options;
  const { clock, space } = core.deps;
  let count = 0;
  if (keepMs !== undefined) {
    const now = clock.wallMs();
    if (now >= WALL_MS_MIN) {
      for (const segment of core.segments) {
        // Sealed while the clock was not set: its age is counted from now on.
        if (segment.state.sealedMs < WALL_MS_MIN) segment.state = { ...segment.state, sealedMs: now };
      }
      while (now - (core.segments[count]?.state.sealedMs ?? now) > keepMs) count++;
    }
  }
  if (keepBytes !== undefined) {
    let total = sealingBytes + (await comingBytes(core));
    for (const name of await space.names()) total += await space.bytes(name);
    for (const [index, { state }] of core.segments.entries()) {
      if (index >= count && total <= keepBytes) break;
      total -= await space.bytes(segmentName(state.number));
      count = Math.max(count, index + 1);
    }
  }
  return core.segments.slice(0, count);
}

/** By source: entries in the segments that were not deleted. */
async function countsOf(core: StoreCore, segments: readonly Segment[]): Promise<Map<number, number>> {
  const counts = new Map<number, number>();
  const turns = turnsOf(core);
  for (const segment of segments) {
    for (let after: Uint8Array | undefined; ; ) {
      const some = core.reader.chunksOfSegment(segment, after, PLACES_MAX);
      for (const found of some.chunks) {
        const place = found.content;
        if (place === undefined) continue;
        const gone = core.deletions.of(found.sourceNumber);
        let count = place.entryCount;
        if (gone !== undefined && gone.highest >= place.firstPosition) {
          const chunk = core.reader.open(found);
          count = 0;
          for (let index = 0; index < (chunk?.positions.length ?? 0); index++) {
            if (!gone.hides(chunk?.streamAt(index) ?? "", chunk?.positions[index] ?? 0)) count++;
          }
        }
        counts.set(found.sourceNumber, (counts.get(found.sourceNumber) ?? 0) + count);
      }
      after = some.lastKey;
      if (some.chunks.length < PLACES_MAX) break;
      await turns.keep();
    }
  }
  return counts;
}
