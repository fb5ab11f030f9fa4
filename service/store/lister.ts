import type { EntryForm } from "./entry-form.ts";
import type { ListQuery } from "./log-store.ts";
import { firstAfter, type Memtable, type TableRow } from "./memtable.ts";
import type { OpenChunk } from "./open-chunk.ts";
import type { Segment } from "./segment.ts";
import type { FoundChunk } from "./segment-reader.ts";
import type { Project, SourceState } from "./source-state.ts";
import type { StoreCore } from "./store-core.ts";
import { TurnKeeper } from "./turn-keeper.ts";

/** Rows of a table to look at in one go. */
const ROWS_MAX = 1024;
/** Positions of a project's index that are fetched together, so that each chunk is expanded once for all of them. */
const WINDOW_MIN = 64;
/** For its size a page ends behind a window: so many entries it may hold however large they are. A page of the usual limit is one. */
const WINDOW_MAX = 128;

/** What a page sees: the store as it was when the page was asked for. A table stays readable after it is sealed. */
export interface Snapshot {
  readonly sealed: number;
  readonly last: number;
  readonly tables: readonly Memtable[];
  readonly segments: readonly Segment[];
}

/** Exclusive ends of a page, and what it filters. */
export interface Page<T> {
  readonly form: EntryForm<T>;
  readonly after: number;
  /** Exclusive upper end. */
  readonly before: number;
  readonly limit: number;
  readonly stream: string | undefined;
}

/** What of a project is wanted, and as what. */
interface Wanted<T> {
  readonly project: Project;
  readonly stream: string | undefined;
  readonly sealed: number;
  readonly form: EntryForm<T>;
}

/** Pages over chunks and tables. */
export class Lister {
  readonly #core: StoreCore;

  constructor(core: StoreCore) {
    this.#core = core;
  }

  async list<T>(source: SourceState, page: Page<T>, newest: ListQuery["newest"]): Promise<T[]> {
    return newest ? this.#newestOfSource(source, page) : this.#nextOfSource(source, page);
  }

  async listProject<T>(project: Project, page: Page<T>, newest: ListQuery["newest"]): Promise<T[]> {
    return newest ? this.#newestOfProject(project, page) : this.#nextOfProject(project, page);
  }

  async #nextOfSource<T>(source: SourceState, page: Page<T>): Promise<T[]> {
    const { sealed, last, tables } = snapshotOf(this.#core, page.before);
    const { limit, stream, form } = page;
    const { reader } = this.#core;
    const { ids } = source.project;
    const turns = turnsOf(this.#core);
    const into: T[] = [];
    const gone = this.#core.deletions.of(source.number);
    let cursor = Math.max(page.after, gone?.through ?? 0);
    while (cursor < Math.min(sealed, last)) {
      const some = reader.nextChunks(source.number, cursor, sealed);
      if (some.length === 0) break;
      for (const found of some) {
        const chunk = this.#open(found, stream);
        const count = chunk?.indexAfter(last) ?? 0;
        let index = chunk?.indexAfter(cursor) ?? 0;
        for (; index < count && into.length < limit && !form.isFull; index++) {
          if (chunk?.isSeen(index, stream, gone)) into.push(form.ofChunk(chunk, index, ids));
        }
        cursor = found.lastPosition;
        if (into.length >= limit || form.isFull || cursor >= last || turns.due) break;
      }
      if (into.length >= limit || form.isFull) return into;
      if (turns.due) await turns.keep();
    }
    for (const table of tables) {
      const through = Math.min(table.lastPosition, last);
      while (cursor < through && into.length < limit && !form.isFull) {
        cursor = table.listAfter(
          source,
          cursor,
          through,
          { stream, limit, rowsMax: ROWS_MAX, gone, form },
          into,
        );
        if (turns.due) await turns.keep();
      }
    }
    return into;
  }

  async #newestOfSource<T>(source: SourceState, page: Page<T>): Promise<T[]> {
    const { sealed, last, tables } = snapshotOf(this.#core, page.before);
    const { limit, stream, form } = page;
    const { reader } = this.#core;
    const gone = this.#core.deletions.of(source.number);
    const after = Math.max(page.after, gone?.through ?? 0);
    const { ids } = source.project;
    const turns = turnsOf(this.#core);
    const into: T[] = [];
    let before = last + 1;
    for (const table of tables.toReversed()) {
      const floor = Math.max(after, table.floor);
      while (before > floor + 1 && into.length < limit && !form.isFull) {
        before = table.listBefore(
          source,
          before,
          floor,
          { stream, limit, rowsMax: ROWS_MAX, gone, form },
          into,
        );
        if (turns.due) await turns.keep();
      }
    }
    let through = sealed;
    while (into.length < limit && !form.isFull && through > after) {
      const found = reader.lastChunk(source.number, after, { through, last });
      if (found === undefined) break;
      const chunk = this.#open(found, stream);
      const floor = chunk?.indexAfter(after) ?? 0;
      const count = chunk?.indexAfter(last) ?? 0;
      for (let index = count - 1; index >= floor && into.length < limit && !form.isFull; index--) {
        if (chunk?.isSeen(index, stream, gone)) into.push(form.ofChunk(chunk, index, ids));
      }
      through = found.lastPosition - 1;
      if (turns.due) await turns.keep();
    }
    return into.reverse();
  }

  /** The chunk; undefined where it is damaged, or has no entry of the stream, if one is named. */
  #open(found: FoundChunk, stream: string | undefined): OpenChunk | undefined {
    const place = found.content;
    const isWanted = place !== undefined && (stream === undefined || place.streams.includes(stream));
    return isWanted ? this.#core.reader.open(found) : undefined;
  }

  async #nextOfProject<T>(project: Project, page: Page<T>): Promise<T[]> {
    const { sealed, last, tables } = snapshotOf(this.#core, page.before);
    const { limit, stream, form } = page;
    const turns = turnsOf(this.#core);
    const into: T[] = [];
    let cursor = page.after;
    while (cursor < Math.min(sealed, last)) {
      const found = this.#core.reader.indexAfter(project.number, cursor, sealed);
      if (found === undefined) break;
      if (found.content !== undefined) {
        const { positions, sourceNumbers } = found.content;
        let index = positions.findIndex((position) => position > cursor);
        const count = firstAfter(positions, last);
        while (index >= 0 && index < count) {
          const end = Math.min(count, index + windowOf(limit - into.length));
          const window = {
            positions: positions.subarray(index, end),
            sourceNumbers: sourceNumbers.subarray(index, end),
          };
          for (const entry of await this.#fetch(window, { project, stream, sealed, form }, turns)) {
            if (into.length < limit) into.push(entry);
          }
          if (into.length >= limit || form.isFull) return into;
          index = end;
        }
      }
      cursor = found.lastPosition;
      if (turns.due) await turns.keep();
    }
    for (const table of tables) {
      for (const row of table.rowsAfter(cursor, Math.min(table.lastPosition, last))) {
        if (into.length >= limit || form.isFull) return into;
        this.#pushRow(table, row, { project, stream, form }, into);
        if (turns.due) await turns.keep();
      }
    }
    return into;
  }

  async #newestOfProject<T>(project: Project, page: Page<T>): Promise<T[]> {
    const { sealed, last, tables } = snapshotOf(this.#core, page.before);
    const { after, limit, stream, form } = page;
    const turns = turnsOf(this.#core);
    const into: T[] = [];
    for (const table of tables.toReversed()) {
      for (const row of table.rowsBefore(last + 1, after)) {
        if (into.length >= limit || form.isFull) return into.reverse();
        this.#pushRow(table, row, { project, stream, form }, into);
        if (turns.due) await turns.keep();
      }
    }
    let through = sealed;
    while (into.length < limit && !form.isFull && through > after) {
      const found = this.#core.reader.lastIndex(project.number, after, { through, last });
      if (found === undefined) break;
      if (found.content !== undefined) {
        const { positions, sourceNumbers } = found.content;
        let end = firstAfter(positions, last);
        while (end > 0 && into.length < limit && !form.isFull && (positions[end - 1] ?? 0) > after) {
          const start = Math.max(0, end - windowOf(limit - into.length));
          const window = {
            positions: positions.subarray(start, end),
            sourceNumbers: sourceNumbers.subarray(start, end),
          };
          const entries = await this.#fetch(window, { project, stream, sealed, form }, turns, after);
          for (const entry of entries.reverse()) if (into.length < limit) into.push(entry);
          end = start;
        }
      }
      through = found.lastPosition - 1;
      if (turns.due) await turns.keep();
    }
    return into.reverse();
  }

  /** The entries at these positions, ascending; each chunk is expanded once. */
  async #fetch<T>(
    window: { readonly positions: Float64Array; readonly sourceNumbers: Uint32Array },
    wanted: Wanted<T>,
    turns: TurnKeeper,
    after = 0,
  ): Promise<T[]> {
    const bySource = new Map<number, number[]>();
    for (let index = 0; index < window.positions.length; index++) {
      if ((window.positions[index] ?? 0) <= after) continue;
      const sourceNumber = window.sourceNumbers[index] ?? 0;
      const indexes = bySource.get(sourceNumber);
      if (indexes === undefined) bySource.set(sourceNumber, [index]);
      else indexes.push(index);
    }
    const entries: (T | undefined)[] = new Array(window.positions.length).fill(undefined);
    for (const [sourceNumber, indexes] of bySource) {
      this.#fetchSource(sourceNumber, indexes, window.positions, entries, wanted);
      if (turns.due) await turns.keep();
    }
    return entries.filter((entry) => entry !== undefined);
  }

  #fetchSource<T>(
    sourceNumber: number,
    indexes: readonly number[],
    positions: Float64Array,
    into: (T | undefined)[],
    { stream, project, sealed, form }: Wanted<T>,
  ): void {
    const { reader } = this.#core;
    const gone = this.#core.deletions.of(sourceNumber);
    let found: FoundChunk | undefined;
    let chunk: OpenChunk | undefined;
    let at = -1;
    for (const index of indexes) {
      const position = positions[index] ?? 0;
      if (found === undefined || found.lastPosition < position) {
        found = reader.chunkAfter(sourceNumber, position - 1, sealed);
        chunk = undefined;
      }
      const place = found?.content;
      if (found === undefined || place === undefined || place.firstPosition > position) continue;
      if (stream !== undefined && !place.streams.includes(stream)) continue;
      chunk ??= reader.open(found);
      if (chunk === undefined) continue;
      at += 1;
      // Mostly the next one of its source.
      if (chunk.positions[at] !== position) at = chunk.indexAfter(position - 1);
      if (chunk.positions[at] !== position) continue;
      if (chunk.isSeen(at, stream, gone)) into[index] = form.ofChunk(chunk, at, project.ids);
    }
  }

  #pushRow<T>(
    table: Memtable,
    { row, position, source }: TableRow,
    { project, stream, form }: Omit<Wanted<T>, "sealed">,
    into: T[],
  ): void {
    if (source.project !== project) return;
    const gone = this.#core.deletions.of(source.number);
    const entry = table.formOfRow(row, position, source, { stream, gone, form });
    if (entry !== undefined) into.push(entry);
  }
}

function windowOf(wanted: number): number {
  return Math.min(Math.max(wanted, WINDOW_MIN), WINDOW_MAX);
}

/** @param before what is at or above it is not seen. */
export function snapshotOf(core: StoreCore, before = Number.MAX_SAFE_INTEGER): Snapshot {
  const { sealedPosition, lastPosition, frozen, active } = core;
  return {
    sealed: sealedPosition,
    last: Math.min(lastPosition, before - 1),
    tables: frozen === undefined ? [active] : [frozen, active],
    segments: [...core.segments],
  };
}

export function turnsOf(core: StoreCore): TurnKeeper {
  return new TurnKeeper(core.deps.clock, async () => {
    await core.deps.yieldTurn();
    core.health.assertUsable();
  });
}
