import { ChunkBuilder, sealChunk, type UnsealedChunk } from "./chunk-record.ts";
import type { Committer } from "./committer.ts";
import { RowView } from "./entry-record.ts";
import type { Memtable, SourceTail } from "./memtable.ts";
import { INDEX_ROW_ENTRIES_MAX, ProjectIndexBuilder, sealIndexRow } from "./project-index.ts";
import { openSegment, type Segment } from "./segment.ts";
import { filledState, SegmentWriter } from "./segment-writer.ts";
import type { Project, SourceState } from "./source-state.ts";
import { stateChange } from "./state-change.ts";
import type { StoreCore } from "./store-core.ts";
import { projectIndexKey } from "./store-keys.ts";
import { emptySegment } from "./store-state.ts";
import { TurnKeeper } from "./turn-keeper.ts";

/** Sources whose totals and marks are written in one transaction of the head. */
const HEAD_SOURCES_MAX = 1000;

/** The store was closed while it sealed; opened again, it starts over. */
export class SealAborted extends Error {
  readonly code = "SEAL_ABORTED";
  constructor() {
    super("the seal was given up because the store closes");
    this.name = "SealAborted";
  }
}

/**
 * Turns a frozen table into chunks. Order of what becomes durable: the state says "sealing"; chunks and project index, past
 * the sealed position, so that no reader sees them; marks and totals; the state with the new sealed position, at which
 * readers change over; then the log goes. A crash before the change-over leaves values past the sealed position, which
 * opening removes.
 */
export class Sealer {
  readonly #core: StoreCore;
  readonly #committer: Committer;
  #aborted = false;
  #isAwaited = false;

  constructor(core: StoreCore, committer: Committer) {
    this.#core = core;
    this.#committer = committer;
  }

  abort(): void {
    this.#aborted = true;
  }

  /** Appends wait for it from now on. */
  hurry(): void {
    this.#isAwaited = true;
  }

  /** @throws StoreUnavailable, SealAborted */
  async seal(table: Memtable): Promise<void> {
    const core = this.#core;
    const segment = await this.#segmentToFill();
    await core.head.commit([stateChange(core, { sealing: true })]);
    const writer = new SegmentWriter(segment, segment.state.packBytes);
    await this.#writeChunks(table, writer);
    await this.#writeProjectIndex(table, writer);
    await writer.finish();
    await this.#writeSources(table);
    const filled = filledState(segment.state, writer, {
      last: table.lastPosition,
      sealedMs: core.deps.clock.wallMs(),
    });
    // The log goes with the rows of its positions.
    const sealed = { sealing: false, sealedPosition: table.lastPosition, filled: { segment, state: filled } };
    await core.head.commit([...core.spools.changes(), stateChange(core, sealed)]);
    segment.state = filled;
    core.sealedPosition = table.lastPosition;
    core.frozen = undefined;
    for (const source of table.tails.keys()) {
      source.pinCount--;
      if (source.tail?.table === table) source.tail = undefined;
    }
    core.deps.counters.add("store_sealed_entries_total", table.entryCount);
    // Where somebody still reads in it, it is left to the collector.
    if (core.gate.isEmpty) this.#committer.useAgain(table);
    for (const log of table.logs) {
      await log.kv.close();
      await core.deps.space.remove(log.name);
    }
  }

  async #segmentToFill(): Promise<Segment> {
    const core = this.#core;
    const { segmentBytesMax, segmentMsMax } = core.options;
    const wallMs = core.deps.clock.wallMs();
    const newest = core.segments.at(-1);
    const isOpen =
      newest !== undefined &&
      !newest.state.isCompact &&
      newest.state.bytes < segmentBytesMax &&
      wallMs - newest.state.created < segmentMsMax;
    if (isOpen) return newest;
    const number = core.nextSegmentNumber++;
    const segment: Segment = {
      ...(await openSegment(core.deps.space, number)),
      state: emptySegment(number, core.sealedPosition, wallMs),
    };
    core.segments.push(segment);
    return segment;
  }

  async #writeChunks(table: Memtable, writer: SegmentWriter): Promise<void> {
    const { compressor, yieldTurn, clock } = this.#core.deps;
    const turns = new TurnKeeper(clock, yieldTurn);
    let sealedCount = 0;
    const hasTime = (): boolean => this.#isAhead(sealedCount / table.entryCount, table);
    for (const { source, chunk } of this.#chunksOf(table)) {
      this.#assertWanted();
      writer.putChunk(source.number, chunk.summary, sealChunk(chunk, compressor));
      sealedCount += chunk.summary.entryCount;
      await writer.flushIfFull();
      if (turns.due) await turns.keep(hasTime);
    }
  }

  /**
   * The table that fills meanwhile must not be full long before this one is sealed, and until then there is time: a seal as fast as it
   * can be took half of the main thread for a while and then nothing, and answers came late for that while.
   */
  #isAhead(share: number, table: Memtable): boolean {
    return !this.#isAwaited && share >= this.#core.active.bytes / table.bytes;
  }

  *#chunksOf(table: Memtable): Generator<{ source: SourceState; chunk: UnsealedChunk }> {
    const { chunkEntriesMax, chunkBytesMax } = this.#core.options;
    const builder = new ChunkBuilder();
    const view = new RowView();
    for (const tail of table.tails.values()) {
      const { source } = tail;
      const share = evenShare(tail, chunkEntriesMax);
      for (const rows of table.blocksOfSource(tail)) {
        for (const row of rows) {
          const batch = table.readRow(row, view);
          if (builder.entryCount > 0) {
            const bytes = builder.messageBytes + view.messageUnits * batch.unitBytes;
            if (builder.entryCount >= share || bytes > chunkBytesMax) {
              yield { source, chunk: builder.finish(source.project.name, source.src) };
            }
          }
          builder.add(table.positionOf(row), view, batch);
        }
      }
      yield { source, chunk: builder.finish(source.project.name, source.src) };
    }
  }

  async #writeProjectIndex(table: Memtable, writer: SegmentWriter): Promise<void> {
    const { compressor, yieldTurn, clock } = this.#core.deps;
    const turns = new TurnKeeper(clock, yieldTurn);
    const builders = new Map<Project, ProjectIndexBuilder>();
    const write = async (project: Project, builder: ProjectIndexBuilder): Promise<void> => {
      const row = builder.finish();
      writer.putIndexRow(projectIndexKey(project.number, row.lastPosition), sealIndexRow(row, compressor));
      await writer.flushIfFull();
    };
    let project: Project | undefined;
    let builder = new ProjectIndexBuilder();
    for (let row = 0; row < table.entryCount; row++) {
      const source = table.sourceOf(row);
      if (source.project !== project) {
        project = source.project;
        builder = builders.get(project) ?? new ProjectIndexBuilder();
        builders.set(project, builder);
      }
      builder.add(table.positionOf(row), source.number);
      if (builder.entryCount < INDEX_ROW_ENTRIES_MAX) continue;
      await write(project, builder);
      this.#assertWanted();
      await turns.keep();
    }
    for (const [project, builder] of builders) {
      if (builder.entryCount > 0) await write(project, builder);
    }
  }

  /** Marks and totals as of a moment at which everything they count is durable; later entries may be among them. */
  async #writeSources(table: Memtable): Promise<void> {
    const core = this.#core;
    const sources = [...table.tails.keys()];
    for (let start = 0; start < sources.length; start += HEAD_SOURCES_MAX) {
      this.#assertWanted();
      const some = sources.slice(start, start + HEAD_SOURCES_MAX);
      await core.head.commit(
        await this.#committer.quiet(() => core.sources.changesOf(some, core.lastPosition)),
      );
      core.sources.written(some);
    }
  }

  #assertWanted(): void {
    if (this.#aborted) throw new SealAborted();
  }
}

/** Entries a chunk, so that a source's chunks come out equally full. */
function evenShare(tail: SourceTail, entriesMax: number): number {
  const count = tail.entryCount;
  return Math.ceil(count / Math.ceil(count / entriesMax));
}
