import type { LogStore, StoredBatch } from "../store/log-store.ts";
import { type EntryFilter, keyOfFilter, passes } from "./entry-filter.ts";
import { LiveBatch } from "./live-batch.ts";

/**
 * What a reader is sent at once, bytes about. A reader holds what it has not read as writes that wait: they must be few. And where
 * a commit is far larger than what a reader may leave unread, a slow one still gets its beginning.
 */
const BATCH_BYTES = 64 * 1024;
/** What an entry's text has around its message, about. */
const ENTRY_BYTES = 300;

export type LiveListener = (batch: LiveBatch) => void;

/** Listeners that want the same. */
interface Group {
  readonly filter: EntryFilter;
  readonly listeners: Set<LiveListener>;
}

/** Fans out what the store commits to the live readers of a project. Costs nothing where nobody reads. */
export class LiveHub {
  readonly #store: LogStore;
  readonly #audiences = new Map<string, { readonly audience: Audience; readonly end: () => void }>();

  constructor(store: LogStore) {
    this.#store = store;
  }

  /**
   * Calls `listener` with every entry stored from now on that passes, in id order; the returned function ends it. Entries are looked at
   * once for all that want the same, and one that waits for another board costs nothing.
   */
  join(project: string, filter: EntryFilter, listener: LiveListener): () => void {
    const { audience, end } = this.#audiences.get(project) ?? this.#open(project);
    const leave = audience.join(filter, listener);
    return () => {
      leave();
      if (audience.isThere || this.#audiences.get(project)?.audience !== audience) return;
      end();
      this.#audiences.delete(project);
    };
  }

  #open(project: string) {
    const audience = new Audience();
    const opened = { audience, end: this.#store.subscribe(project, (batch) => audience.hear(batch)) };
    this.#audiences.set(project, opened);
    return opened;
  }
}

/** The listeners of a project. */
class Audience {
  readonly #groups = new Map<string, Group>();
  /** Those that wait for one source; a source that nobody waits for is not in it. */
  readonly #ofSource = new Map<string, Set<Group>>();
  readonly #ofAll = new Set<Group>();

  get isThere(): boolean {
    return this.#groups.size > 0;
  }

  join(filter: EntryFilter, listener: LiveListener): () => void {
    const key = keyOfFilter(filter);
    const { src } = filter;
    const group = this.#groups.get(key) ?? { filter, listeners: new Set() };
    this.#groups.set(key, group);
    const groups = src === undefined ? this.#ofAll : (this.#ofSource.get(src) ?? new Set());
    if (src !== undefined) this.#ofSource.set(src, groups);
    groups.add(group);
    group.listeners.add(listener);
    return () => {
      if (!group.listeners.delete(listener) || group.listeners.size > 0) return;
      this.#groups.delete(key);
      groups.delete(group);
      if (src !== undefined && groups.size === 0) this.#ofSource.delete(src);
    };
  }

  hear(batch: StoredBatch): void {
    const wanted = new Map<Group, number[]>();
    for (const group of this.#ofAll) {
      const indexes: number[] = [];
      for (const [index, entry] of batch.entries.entries()) {
        if (passes(entry, group.filter)) indexes.push(index);
      }
      wanted.set(group, indexes);
    }
    if (this.#ofSource.size > 0) this.#lookFor(batch, wanted);
    for (const [{ listeners }, indexes] of wanted) tell(listeners, batch, indexes);
  }

  #lookFor(batch: StoredBatch, wanted: Map<Group, number[]>): void {
    for (const [index, entry] of batch.entries.entries()) {
      const groups = this.#ofSource.get(entry.src);
      if (groups === undefined) continue;
      for (const group of groups) {
        if (!passes(entry, group.filter)) continue;
        const indexes = wanted.get(group);
        if (indexes === undefined) wanted.set(group, [index]);
        else indexes.push(index);
      }
    }
  }
}

function tell(listeners: ReadonlySet<LiveListener>, batch: StoredBatch, indexes: readonly number[]): void {
  let part: number[] = [];
  let bytes = 0;
  const pass = (): void => {
    const live = new LiveBatch(batch, part);
    for (const listener of listeners) listener(live);
    part = [];
    bytes = 0;
  };
  for (const index of indexes) {
    const entryBytes = (batch.entries[index]?.msg.length ?? 0) + ENTRY_BYTES;
    if (part.length > 0 && bytes + entryBytes > BATCH_BYTES) pass();
    part.push(index);
    bytes += entryBytes;
  }
  if (part.length > 0) pass();
}
