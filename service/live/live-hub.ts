import type { StoredEntry } from "../../protocol/entry.ts";
import type { LogStore } from "../store/log-store.ts";
import { liveMessage } from "./live-message.ts";
import { textFrames } from "./text-frame.ts";

/**
 * What a reader is sent at once, bytes about. A reader holds what it has not read as writes that wait: they must be few. And where
 * a commit is far larger than what a reader may leave unread, a slow one still gets its beginning.
 */
const BATCH_BYTES = 64 * 1024;
/** What an entry's text has around its message, about. */
const ENTRY_BYTES = 300;

/** An entry on its way to live readers, encoded at most once for all of them. */
export class LiveEntry {
  readonly entry: StoredEntry;
  #text: string | undefined;
  #frame: Uint8Array | undefined;

  constructor(entry: StoredEntry) {
    this.entry = entry;
  }

  get text(): string {
    this.#text ??= liveMessage(this.entry);
    return this.#text;
  }

  /** As a WebSocket's frame. */
  get frame(): Uint8Array {
    this.#frame ??= textFrames([this.text]);
    return this.#frame;
  }
}

/** Entries of one commit, or a part of them; at least one. Whatever is made of them is made once, when the first reader needs it. */
export class LiveBatch {
  readonly #stored: readonly StoredEntry[];
  #entries: readonly LiveEntry[] | undefined;
  #frames: Uint8Array | undefined;

  constructor(stored: readonly StoredEntry[]) {
    this.#stored = stored;
  }

  get entryCount(): number {
    return this.#stored.length;
  }

  get lastId(): string {
    return this.#stored.at(-1)?.id ?? "";
  }

  get entries(): readonly LiveEntry[] {
    this.#entries ??= this.#stored.map((entry) => new LiveEntry(entry));
    return this.#entries;
  }

  /** All of them as frames of a WebSocket, put together once for all readers that want everything. */
  get frames(): Uint8Array {
    this.#frames ??= textFrames(this.entries.map(({ text }) => text));
    return this.#frames;
  }
}

export type LiveListener = (batch: LiveBatch) => void;

/** The listeners of a project. */
interface Audience {
  readonly ofAll: Set<LiveListener>;
  /** By source; a source that nobody waits for is not in it. */
  readonly ofSource: Map<string, Set<LiveListener>>;
  readonly end: () => void;
}

/** Fans out what the store commits to the live readers of a project. Costs nothing where nobody reads. */
export class LiveHub {
  readonly #store: LogStore;
  readonly #audiences = new Map<string, Audience>();

  constructor(store: LogStore) {
    this.#store = store;
  }

  /**
   * Calls `listener` with every entry stored from now on, in id order; the returned function ends it.
   * @param src where only its entries are wanted: one that waits for another board costs nothing.
   */
  join(project: string, src: string | undefined, listener: LiveListener): () => void {
    const audience = this.#audiences.get(project) ?? this.#open(project);
    const { ofAll, ofSource } = audience;
    const listeners = src === undefined ? ofAll : (ofSource.get(src) ?? new Set());
    if (src !== undefined) ofSource.set(src, listeners);
    listeners.add(listener);
    return () => {
      if (!listeners.delete(listener) || listeners.size > 0) return;
      if (src !== undefined) ofSource.delete(src);
      if (ofAll.size > 0 || ofSource.size > 0) return;
      audience.end();
      this.#audiences.delete(project);
    };
  }

  #open(project: string): Audience {
    const ofAll = new Set<LiveListener>();
    const ofSource = new Map<string, Set<LiveListener>>();
    const end = this.#store.subscribe(project, (stored) => {
      if (ofAll.size > 0) tell(ofAll, stored);
      if (ofSource.size === 0) return;
      for (const [src, entries] of bySource(stored, ofSource)) {
        const listeners = ofSource.get(src);
        if (listeners !== undefined) tell(listeners, entries);
      }
    });
    const opened = { ofAll, ofSource, end };
    this.#audiences.set(project, opened);
    return opened;
  }
}

/** The entries of sources that are waited for. */
function bySource(
  stored: readonly StoredEntry[],
  wanted: ReadonlyMap<string, unknown>,
): Map<string, StoredEntry[]> {
  const found = new Map<string, StoredEntry[]>();
  for (const entry of stored) {
    if (!wanted.has(entry.src)) continue;
    const known = found.get(entry.src);
    if (known === undefined) found.set(entry.src, [entry]);
    else known.push(entry);
  }
  return found;
}

function tell(listeners: ReadonlySet<LiveListener>, stored: readonly StoredEntry[]): void {
  let start = 0;
  let bytes = 0;
  const pass = (end: number): void => {
    const batch = new LiveBatch(start === 0 && end === stored.length ? stored : stored.slice(start, end));
    for (const listener of listeners) listener(batch);
    start = end;
    bytes = 0;
  };
  for (const [index, { msg }] of stored.entries()) {
    const entryBytes = msg.length + ENTRY_BYTES;
    if (index > start && bytes + entryBytes > BATCH_BYTES) pass(index);
    bytes += entryBytes;
  }
  if (start < stored.length) pass(stored.length);
}
