import { sealChunk } from "./chunk-record.ts";
import type { Committer } from "./committer.ts";
import { CompactChunkBuilder } from "./compact-chunk.ts";
import { StoreFull } from "./log-store.ts";
import { PackReader } from "./pack.ts";
import { sealedIndexRow } from "./project-index.ts";
import { enforceRetention, removeSegments } from "./retention.ts";
import { openSegment, removeSegment, type Segment } from "./segment.ts";
import { SegmentWriter } from "./segment-writer.ts";
import { stateChange } from "./state-change.ts";
import type { StoreCore } from "./store-core.ts";
import { projectIndexKeysAll } from "./store-keys.ts";
import { type SegmentState, segmentName } from "./store-state.ts";

/** Chunks looked up in one go. */
const PLACES_MAX = 64;
/** Larger than this many times what segments are made to be, it was made before there was a limit, or under a larger one. */
const SIZE_SHARE_MAX = 2;
/** Rows of the project index copied in one go. */
const ROWS_MAX = 64;

/** The store closes, or the segment went meanwhile; it is begun again some other time. */
export class CompactionAborted extends Error {
  readonly code = "COMPACTION_ABORTED";
  constructor() {
    super("the compaction was given up");
    this.name = "CompactionAborted";
  }
}

/** The new segment could not be written, for want of room perhaps. The store is as it was. */
export class CompactionFailed extends Error {
  readonly code = "COMPACTION_FAILED";
  constructor(cause: unknown) {
    super("a segment could not be written anew", { cause });
    this.name = "CompactionFailed";
  }
}

/**
 * Writes a segment anew: larger chunks, by columns and templates, without what was deleted and what is damaged. The new one is a
 * file of its own that no state names; one record of the head puts it in the old one's place, and the old file goes. A crash
 * before that record leaves a file that opening removes, one after it an old file likewise. Retention does not wait for it: where
 * the segment goes meanwhile, the compaction is given up at its next turn.
 */
export class Compactor {
  readonly #core: StoreCore;
  readonly #committer: Committer;
  /** Lets other work of the process have its turn; compaction is in no hurry. */
  readonly #rest: () => Promise<void>;
  readonly #packs = new PackReader();
  #aborted = false;

  constructor(core: StoreCore, committer: Committer, rest: () => Promise<void>) {
    this.#core = core;
    this.#committer = committer;
    this.#rest = rest;
  }

  abort(): void {
    this.#aborted = true;
  }

  /** The segment most worth compacting: sealed for good and never compacted, or holding what was deleted. */
  next(): Segment | undefined {
    const { segments, deletions, options } = this.#core;
    // To make room for another of its size would take more from what is kept than it brings.
    const bytesMax =
      options.keepBytes === undefined ? Number.POSITIVE_INFINITY : options.segmentBytesMax * SIZE_SHARE_MAX;
    const isOpen = (segment: Segment): boolean => segment === segments.at(-1) && !segment.state.isCompact;
    return segments.find(
      (segment) =>
        !isOpen(segment) &&
        segment.state.entryCount > 0 &&
        ((!segment.state.isCompact && segment.state.bytes <= bytesMax) ||
          (deletions.reach(segment.state.first) && this.#holdsDeleted(segment))),
    );
  }

  /** @throws StoreUnavailable, CompactionAborted, CompactionFailed */
  async compact(segment: Segment): Promise<void> {
    const core = this.#core;
    if (!core.room.takes(segment.state.bytes)) throw new CompactionFailed(new StoreFull());
    const { space } = core.deps;
    const number = core.nextSegmentNumber++;
    const name = segmentName(number);
    core.compaction = { name, bytesMax: await space.bytes(segmentName(segment.state.number)) };
    try {
      await core.changes.run("", () => enforceRetention(core, this.#committer));
      await this.#writeAnew(segment, number);
    } finally {
      core.compaction = undefined;
    }
  }

  async #writeAnew(segment: Segment, number: number): Promise<void> {
    const core = this.#core;
    this.#assertWanted(segment);
    const files = await openSegment(core.deps.space, number);
    let written: Segment;
    try {
      const writer = new SegmentWriter(files, 0);
      await this.#writeChunks(segment, writer);
      await this.#copyIndex(segment, writer);
      await writer.finish();
      // What was damaged is not in the new segment: it must be on record before the old one goes.
      await core.damages.settled();
      written = { ...files, state: stateOf(segment, number, writer) };
    } catch (error) {
      await removeSegment(core.deps.space, files, number);
      throw error instanceof CompactionAborted || !core.health.usable ? error : new CompactionFailed(error);
    }
    await core.changes.run("", () => this.#changeOver(segment, written));
  }

  async #changeOver(old: Segment, compact: Segment): Promise<void> {
    const core = this.#core;
    const index = core.segments.indexOf(old);
    if (this.#aborted || index < 0) {
      await removeSegments(core, [compact]);
      throw new CompactionAborted();
    }
    if (compact.state.entryCount > 0) core.segments.splice(index, 1, compact);
    else core.segments.splice(index, 1);
    await core.head.commit([stateChange(core, { sealing: false })]);
    core.deps.counters.add("store_compacted_entries_total", old.state.entryCount);
    core.deps.counters.add("store_compacted_segments_total");
    if (compact.state.entryCount > 0) await removeSegments(core, [old]);
    else await removeSegments(core, [old, compact]);
  }

  async #writeChunks(segment: Segment, writer: SegmentWriter): Promise<void> {
    const core = this.#core;
    const { compactEntriesMax, compactCharactersMax } = core.options;
    const builder = new CompactChunkBuilder();
    let sourceNumber = 0;
    let names = { project: "", src: "" };
    const finish = (): void => {
      if (builder.entryCount === 0) return;
      const chunk = builder.finish(names.project, names.src);
      writer.putChunk(sourceNumber, chunk.summary, sealChunk(chunk, core.deps.compactCompressor));
    };
    for (let after: Uint8Array | undefined; ; ) {
      this.#assertWanted(segment);
      const some = core.reader.chunksOfSegment(segment, after, PLACES_MAX);
      for (const found of some.chunks) {
        const chunk = core.reader.read(found);
        if (chunk === undefined) continue;
        if (found.sourceNumber !== sourceNumber) {
          finish();
          sourceNumber = found.sourceNumber;
          names = chunk.head;
        }
        const gone = core.deletions.of(sourceNumber);
        for (let index = 0; index < chunk.positions.length; index++) {
          if (gone?.hides(chunk.streamAt(index), chunk.positions[index] ?? 0)) continue;
          builder.add(chunk, index);
          if (builder.entryCount >= compactEntriesMax || builder.messageUnits >= compactCharactersMax)
            finish();
        }
        await writer.flushIfFull();
        await this.#rest();
        this.#assertWanted(segment);
      }
      after = some.lastKey;
      if (some.chunks.length < PLACES_MAX) break;
    }
    finish();
  }

  /** Rows of the project index as they are: a position that is gone is passed over by readers. */
  async #copyIndex(segment: Segment, writer: SegmentWriter): Promise<void> {
    this.#assertWanted(segment);
    const range = projectIndexKeysAll();
    for (let start = range.start; ; ) {
      const rows = [...segment.kv.range({ start, end: range.end, limit: ROWS_MAX })];
      for (const { key, value } of rows) {
        const row = sealedIndexRow(value, segment.pack, this.#packs);
        // One that is not there is found damaged when it is read, and made anew.
        if (row === undefined) writer.put(key, value);
        else writer.putIndexRow(key, Buffer.from(row));
      }
      const last = rows.at(-1)?.key;
      if (last === undefined || rows.length < ROWS_MAX) return;
      start = Buffer.concat([last, Buffer.of(0)]);
      await writer.flushIfFull();
      await this.#rest();
      this.#assertWanted(segment);
    }
  }

  #holdsDeleted(segment: Segment): boolean {
    const { deletions, reader } = this.#core;
    for (const sourceNumber of deletions.sourceNumbers()) {
      const gone = deletions.of(sourceNumber);
      if (gone === undefined || gone.highest < segment.state.first) continue;
      for (const found of reader.chunksOfSource(segment, sourceNumber, gone.highest)) {
        const place = found.content;
        if (place === undefined) continue;
        if (place.firstPosition <= gone.through) return true;
        if (!place.streams.some((stream) => gone.hides(stream, place.firstPosition))) continue;
        const chunk = reader.open(found);
        for (let index = 0; index < (chunk?.positions.length ?? 0); index++) {
          if (gone.hides(chunk?.streamAt(index) ?? "", chunk?.positions[index] ?? 0)) return true;
        }
      }
    }
    return false;
  }

  #assertWanted(segment: Segment): void {
    if (this.#aborted || !this.#core.segments.includes(segment)) throw new CompactionAborted();
  }
}

function stateOf({ state }: Segment, number: number, writer: SegmentWriter): SegmentState {
  return {
    ...state,
    number,
    bytes: writer.bytes,
    entryCount: writer.entryCount,
    timestampMin: writer.timestampMin,
    timestampMax: writer.timestampMax,
    packBytes: writer.packBytes,
    isCompact: true,
  };
}
