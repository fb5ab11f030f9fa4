import { type Snapshot, turnsOf } from "./lister.ts";
import type { FoundChunk } from "./segment-reader.ts";
import type { Project, SourceState } from "./source-state.ts";
import type { StoreCore } from "./store-core.ts";

/** Places read in one go. */
const PLACES_MAX = 256;
/** Sources read from the head in one turn. */
const SOURCES_A_TURN = 1000;

/** Sealed entries of one source that lie together. */
export interface SourceChunk {
  readonly source: SourceState;
  readonly found: FoundChunk;
}

/** The sources of a project, or the one that is named. Those that never stored anything are not among them. */
export async function sourcesOf(
  core: StoreCore,
  project: Project,
  src: string | undefined,
): Promise<SourceState[]> {
  if (src !== undefined) {
    const source = core.sources.find(project.name, src);
    return source === undefined ? [] : [source];
  }
  const turns = turnsOf(core);
  const found = new Map<string, SourceState>();
  for (let after: string | undefined; ; ) {
    const some = core.sources.writtenSources(project, after, SOURCES_A_TURN);
    for (const source of some) found.set(source.src, source);
    after = some.at(-1)?.src;
    if (some.length < SOURCES_A_TURN) break;
    await turns.keep();
  }
  for (const source of core.sources.liveSources(project)) found.set(source.src, source);
  return [...found.values()];
}

/**
 * Every sealed chunk of the sources that may hold entries of the time, and that is not deleted as a whole. To be walked within
 * `core.gate`: it sees the segments of the snapshot.
 */
export async function* chunksOf(
  core: StoreCore,
  { sealed, segments }: Pick<Snapshot, "sealed" | "segments">,
  sources: Iterable<SourceState>,
  range: { readonly sinceMs: number; readonly untilMs: number },
): AsyncGenerator<SourceChunk> {
  const turns = turnsOf(core);
  for (const source of sources) {
    let cursor = core.deletions.of(source.number)?.through ?? 0;
    for (;;) {
      const some = core.reader.chunksAfter(segments, source.number, cursor, {
        ...range,
        through: sealed,
        limit: PLACES_MAX,
      });
      for (const found of some) {
        const place = found.content;
        if (place === undefined) continue;
        if (place.timestampMax >= range.sinceMs && place.timestampMin < range.untilMs)
          yield { source, found };
      }
      cursor = some.at(-1)?.lastPosition ?? cursor;
      if (turns.due) await turns.keep();
      if (some.length < PLACES_MAX) break;
    }
  }
}
