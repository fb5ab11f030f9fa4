import type { StoredEntry } from "../../protocol/entry.ts";
import { AS_OBJECTS } from "./entry-form.ts";
import { type Snapshot, snapshotOf, turnsOf } from "./lister.ts";
import {
  compareTime,
  PAGE_CHARACTERS_MAX,
  RATE_COLUMNS,
  type RatesQuery,
  type SourceRates,
  type SpanQuery,
  type TimeQuery,
} from "./log-store.ts";
import type { Memtable, TableRow } from "./memtable.ts";
import { chunksOf, type SourceChunk, sourcesOf } from "./place-walk.ts";
import type { Project, SourceState } from "./source-state.ts";
import type { StoreCore } from "./store-core.ts";

/** Entries held of a page by time before those that are too far off are let go. */
const HELD_PAGES = 4;

type Range = Pick<TimeQuery, "sinceMs" | "untilMs" | "stream">;

/** Reads by timestamp rather than by arrival. Places say which chunks can hold entries of a time, and how many of each level. */
export class TimeReader {
  readonly #core: StoreCore;

  constructor(core: StoreCore) {
    this.#core = core;
  }

  async list(project: Project, query: TimeQuery): Promise<StoredEntry[]> {
    const core = this.#core;
    const page = new TimePage(query);
    const range = page.range;
    const sources = await sourcesOf(core, project, query.src);
    return core.gate.read(async () => {
      const snapshot = snapshotOf(core);
      const turns = turnsOf(core);
      for (const { table, row: found } of rowsOf(snapshot, project, sources, query.src)) {
        const { row, position, source } = found;
        const gone = core.deletions.of(source.number);
        const entry = table.formOfRow(row, position, source, {
          stream: query.stream,
          gone,
          form: AS_OBJECTS,
        });
        if (entry !== undefined) page.add(entry);
        if (turns.due) await turns.keep();
      }
      const chunks: SourceChunk[] = [];
      for await (const chunk of chunksOf(core, snapshot, sources, range)) chunks.push(chunk);
      chunks.sort(query.newest ? byLatestEnd : byEarliestStart);
      for (const chunk of chunks) {
        if (page.isBeyond(chunk)) break;
        this.#addChunk(chunk, snapshot, query.stream, page);
        if (turns.due) await turns.keep();
      }
      return page.finish();
    });
  }

  async rates(project: Project, query: RatesQuery): Promise<SourceRates[]> {
    const core = this.#core;
    const counts = new RateCounts(query);
    const sources = await sourcesOf(core, project, query.src);
    return core.gate.read(async () => {
      const snapshot = snapshotOf(core);
      const turns = turnsOf(core);
      for await (const chunk of chunksOf(core, snapshot, sources, query)) {
        this.#countChunk(chunk, snapshot, query, counts);
        if (turns.due) await turns.keep();
      }
      for (const { table, row } of rowsOf(snapshot, project, sources, query.src)) {
        const brief = table.briefOfRow(row, query.stream, core.deletions.of(row.source.number));
        if (brief !== undefined) counts.add(row.source.src, brief.timestamp, brief.levelRank, 1);
        if (turns.due) await turns.keep();
      }
      return counts.finish();
    });
  }

  /** The first and the last position that may hold entries of a time; undefined where none does. */
  async span(
    project: Project,
    query: SpanQuery,
  ): Promise<{ readonly first: number; readonly last: number } | undefined> {
    const core = this.#core;
    const sources = await sourcesOf(core, project, query.src);
    return core.gate.read(async () => {
      const snapshot = snapshotOf(core);
      const turns = turnsOf(core);
      let first = Number.POSITIVE_INFINITY;
      let last = 0;
      for await (const { found } of chunksOf(core, snapshot, sources, query)) {
        first = Math.min(first, found.content?.firstPosition ?? first);
        last = Math.max(last, found.lastPosition);
      }
      for (const { table, row } of rowsOf(snapshot, project, sources, query.src)) {
        const brief = table.briefOfRow(row, undefined, core.deletions.of(row.source.number));
        const isWithin =
          brief !== undefined && brief.timestamp >= query.sinceMs && brief.timestamp < query.untilMs;
        if (isWithin) {
          first = Math.min(first, row.position);
          last = Math.max(last, row.position);
        }
        if (turns.due) await turns.keep();
      }
      return last === 0 ? undefined : { first, last };
    });
  }

  #addChunk(
    { source, found }: SourceChunk,
    snapshot: Snapshot,
    stream: string | undefined,
    page: TimePage,
  ): void {
    if (stream !== undefined && !found.content?.streams.includes(stream)) return;
    const chunk = this.#core.reader.open(found);
    const gone = this.#core.deletions.of(source.number);
    const { sinceMs, untilMs } = page.range;
    for (let index = 0; index < (chunk?.positions.length ?? 0); index++) {
      const timestamp = chunk?.timestampAt(index) ?? 0;
      const position = chunk?.positions[index] ?? 0;
      if (timestamp < sinceMs || timestamp >= untilMs || position > snapshot.last) continue;
      if (chunk?.isSeen(index, stream, gone)) page.add(chunk.entryAt(index, source.project.ids));
    }
  }

  #countChunk({ source, found }: SourceChunk, snapshot: Snapshot, range: Range, counts: RateCounts): void {
    const place = found.content;
    const { stream } = range;
    if (place === undefined || (stream !== undefined && !place.streams.includes(stream))) return;
    const gone = this.#core.deletions.of(source.number);
    const isWhole =
      (stream === undefined || place.streams.length === 1) &&
      (gone === undefined || gone.highest < place.firstPosition) &&
      counts.isOneBucket(place.timestampMin, place.timestampMax);
    if (isWhole) {
      for (const [rank, count] of place.levelCounts.entries())
        counts.add(source.src, place.timestampMin, rank, count);
      return;
    }
    const chunk = this.#core.reader.open(found);
    for (let index = 0; index < (chunk?.positions.length ?? 0); index++) {
      const position = chunk?.positions[index] ?? 0;
      if (chunk === undefined || position > snapshot.last) continue;
      const entryStream = chunk.streamAt(index);
      if (stream !== undefined && stream !== entryStream) continue;
      if (gone?.hides(entryStream, position)) continue;
      counts.add(source.src, chunk.timestampAt(index), chunk.levelRankAt(index), 1);
    }
  }
}

/** Rows of the tables: of the one source, or of all sources of the project. */
function* rowsOf(
  { tables, last }: Snapshot,
  project: Project,
  sources: readonly SourceState[],
  src: string | undefined,
): Generator<{ readonly table: Memtable; readonly row: TableRow }> {
  const [only] = sources;
  for (const table of tables) {
    const rows =
      src === undefined ? table.rowsAfter(0, last) : only === undefined ? [] : table.rowsOfSource(only);
    for (const row of rows) {
      if (row.position <= last && row.source.project === project) yield { table, row };
    }
  }
}

function byEarliestStart(left: SourceChunk, right: SourceChunk): number {
  return (left.found.content?.timestampMin ?? 0) - (right.found.content?.timestampMin ?? 0);
}

function byLatestEnd(left: SourceChunk, right: SourceChunk): number {
  return (right.found.content?.timestampMax ?? 0) - (left.found.content?.timestampMax ?? 0);
}

/** The first (or last) entries of a time, of those that are shown to it: as many as a page may have, and as large. */
class TimePage {
  readonly #query: TimeQuery;
  readonly #sign: 1 | -1;
  #held: StoredEntry[] = [];
  /** Of the messages that are held. */
  #characters = 0;
  /** The last entry of the page so far, once it is full. */
  #worst: StoredEntry | undefined;

  constructor(query: TimeQuery) {
    this.#query = query;
    this.#sign = query.newest ? -1 : 1;
  }

  /** The time that can hold entries of the page. */
  get range(): { readonly sinceMs: number; readonly untilMs: number } {
    const { sinceMs, untilMs, beyond, newest } = this.#query;
    if (beyond === undefined) return { sinceMs, untilMs };
    return newest
      ? { sinceMs, untilMs: Math.min(untilMs, beyond.timestamp + 1) }
      : { sinceMs: Math.max(sinceMs, beyond.timestamp), untilMs };
  }

  add(entry: StoredEntry): void {
    const { sinceMs, untilMs, beyond, limit } = this.#query;
    if (entry.timestamp < sinceMs || entry.timestamp >= untilMs) return;
    if (beyond !== undefined && this.#compare(entry, beyond) <= 0) return;
    if (this.#worst !== undefined && this.#compare(entry, this.#worst) >= 0) return;
    this.#held.push(entry);
    this.#characters += entry.msg.length;
    if (this.#held.length >= limit * HELD_PAGES || this.#characters >= PAGE_CHARACTERS_MAX * HELD_PAGES)
      this.#cut();
  }

  /** True when no entry of the chunk, nor of one that is further off, can be of the page. */
  isBeyond({ found }: SourceChunk): boolean {
    if (this.#held.length >= this.#query.limit || this.#characters >= PAGE_CHARACTERS_MAX) this.#cut();
    const place = found.content;
    if (this.#worst === undefined || place === undefined) return false;
    return this.#query.newest
      ? place.timestampMax < this.#worst.timestamp
      : place.timestampMin > this.#worst.timestamp;
  }

  finish(): StoredEntry[] {
    this.#cut();
    return this.#query.newest ? this.#held.reverse() : this.#held;
  }

  #compare(left: Parameters<typeof compareTime>[0], right: Parameters<typeof compareTime>[0]): number {
    return this.#sign * compareTime(left, right);
  }

  #cut(): void {
    this.#held.sort((left, right) => this.#compare(left, right));
    const { limit } = this.#query;
    let count = 0;
    let characters = 0;
    while (count < Math.min(this.#held.length, limit) && characters < PAGE_CHARACTERS_MAX)
      characters += this.#held[count++]?.msg.length ?? 0;
    this.#held.length = count;
    this.#characters = characters;
    if (count === limit || characters >= PAGE_CHARACTERS_MAX) this.#worst = this.#held.at(-1);
  }
}

class RateCounts {
  readonly #sinceMs: number;
  readonly #untilMs: number;
  readonly #bucketCount: number;
  readonly #bySource = new Map<string, number[][]>();

  constructor({ sinceMs, untilMs, bucketCount }: RatesQuery) {
    this.#sinceMs = sinceMs;
    this.#untilMs = untilMs;
    this.#bucketCount = bucketCount;
  }

  /** True where all of a span lies in one bucket. */
  isOneBucket(fromMs: number, throughMs: number): boolean {
    if (fromMs < this.#sinceMs || throughMs >= this.#untilMs) return false;
    return this.#bucketOf(fromMs) === this.#bucketOf(throughMs);
  }

  add(src: string, timestamp: number, levelRank: number, count: number): void {
    if (count === 0 || timestamp < this.#sinceMs || timestamp >= this.#untilMs) return;
    let counts = this.#bySource.get(src);
    if (counts === undefined) {
      counts = Array.from({ length: this.#bucketCount }, () => new Array<number>(RATE_COLUMNS).fill(0));
      this.#bySource.set(src, counts);
    }
    const row = counts[this.#bucketOf(timestamp)];
    if (row !== undefined) row[levelRank] = (row[levelRank] ?? 0) + count;
  }

  finish(): SourceRates[] {
    return [...this.#bySource]
      .map(([src, counts]) => ({ src, counts }))
      .sort((left, right) => (left.src < right.src ? -1 : 1));
  }

  #bucketOf(timestamp: number): number {
    const fraction = (timestamp - this.#sinceMs) / (this.#untilMs - this.#sinceMs);
    return Math.min(this.#bucketCount - 1, Math.floor(fraction * this.#bucketCount));
  }
}
