import type { StoredEntry } from "../../protocol/entry.ts";
import type { LogStore } from "../store/log-store.ts";
import { liveMessage } from "./live-message.ts";

/** An entry on its way to live readers, encoded at most once for all of them. */
export class LiveEntry {
  readonly entry: StoredEntry;
  #bytes: Uint8Array | undefined;

  constructor(entry: StoredEntry) {
    this.entry = entry;
  }

  get bytes(): Uint8Array {
    this.#bytes ??= Buffer.from(liveMessage(this.entry), "utf8");
    return this.#bytes;
  }
}

export type LiveListener = (entries: readonly LiveEntry[]) => void;

/** Fans out what the store commits to the live readers of a project. Costs nothing where nobody reads. */
export class LiveHub {
  readonly #store: LogStore;
  readonly #projects = new Map<string, { readonly listeners: Set<LiveListener>; readonly end: () => void }>();

  constructor(store: LogStore) {
    this.#store = store;
  }

  /** Calls `listener` with every entry stored from now on, in id order; the returned function ends it. */
  join(project: string, listener: LiveListener): () => void {
    const { listeners } = this.#projects.get(project) ?? this.#open(project);
    listeners.add(listener);
    return () => {
      if (!listeners.delete(listener) || listeners.size > 0) return;
      this.#projects.get(project)?.end();
      this.#projects.delete(project);
    };
  }

  #open(project: string): { readonly listeners: Set<LiveListener> } {
    const listeners = new Set<LiveListener>();
    const end = this.#store.subscribe(project, (stored) => {
      const entries = stored.map((entry) => new LiveEntry(entry));
      for (const listener of listeners) listener(entries);
    });
    const opened = { listeners, end };
    this.#projects.set(project, opened);
    return opened;
  }
}
