import type { OpenChunk } from "./open-chunk.ts";
import type { KvChange } from "./ordered-kv.ts";
import { type IndexRow, ProjectIndexBuilder, sealIndexRow } from "./project-index.ts";
import type { Segment } from "./segment.ts";
import type { FoundChunk } from "./segment-reader.ts";
import type { StoreCore } from "./store-core.ts";
import { lastPositionOfKey, projectIndexKey, projectIndexKeys } from "./store-keys.ts";

/** Places read in one go. */
const PLACES_MAX = 1000;

/** A row of the project index that was damaged, and is known again. */
export interface RepairedRow {
  readonly type: "index";
  readonly segment: Segment;
  readonly changes: readonly KvChange[];
}

type RepairCore = Pick<StoreCore, "reader" | "sources" | "damages" | "deps">;

/**
 * Makes a damaged row of the project index anew from the chunks of its segment, which say who has which position. All in one go, for
 * readers wait for it; it comes once, since the row is then written again.
 */
export class IndexRepair {
  readonly #core: RepairCore;

  constructor(core: RepairCore) {
    this.#core = core;
  }

  row(projectNumber: number, segment: Segment, lastPosition: number): IndexRow | undefined {
    const project = this.#core.sources.projectName(projectNumber);
    if (project === undefined) return undefined;
    const before = projectIndexKeys(projectNumber, 0, lastPosition - 1);
    const [previous] = [...segment.kv.range({ ...before, reverse: true, limit: 1 })];
    const first = previous === undefined ? segment.state.first : lastPositionOfKey(previous.key) + 1;
    const sourceNumbers = new Map<number, number>();
    for (const { found, chunk } of this.#chunks(segment, first, lastPosition)) {
      if (chunk.head.project !== project) continue;
      for (const position of chunk.positions)
        if (position >= first && position <= lastPosition) sourceNumbers.set(position, found.sourceNumber);
    }
    const positions = Float64Array.from(sourceNumbers.keys()).sort();
    const row = {
      positions,
      sourceNumbers: Uint32Array.from(positions, (position) => sourceNumbers.get(position) ?? 0),
    };
    const changes = this.#changes(projectNumber, lastPosition, row);
    this.#core.damages.add({ type: "index", segment, changes });
    this.#core.deps.counters.add("store_repaired_index_rows_total");
    return row;
  }

  *#chunks(
    segment: Segment,
    first: number,
    last: number,
  ): Generator<{ readonly found: FoundChunk; readonly chunk: OpenChunk }> {
    const { reader } = this.#core;
    for (let after: Uint8Array | undefined; ; ) {
      const some = reader.chunksOfSegment(segment, after, PLACES_MAX);
      for (const found of some.chunks) {
        if (found.lastPosition < first || (found.content?.firstPosition ?? last + 1) > last) continue;
        const chunk = reader.read(found);
        if (chunk !== undefined) yield { found, chunk };
      }
      after = some.lastKey;
      if (some.chunks.length < PLACES_MAX) return;
    }
  }

  /** Where the newest of its entries are damaged too, the row ends before. */
  #changes(projectNumber: number, lastPosition: number, { positions, sourceNumbers }: IndexRow): KvChange[] {
    const changes: KvChange[] = [{ type: "remove", key: projectIndexKey(projectNumber, lastPosition) }];
    if (positions.length === 0) return changes;
    const builder = new ProjectIndexBuilder();
    for (const [index, position] of positions.entries()) builder.add(position, sourceNumbers[index] ?? 0);
    const row = builder.finish();
    const key = projectIndexKey(projectNumber, row.lastPosition);
    changes.push({ type: "put", key, value: sealIndexRow(row, this.#core.deps.compressor) });
    return changes;
  }
}
