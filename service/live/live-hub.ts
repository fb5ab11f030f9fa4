import type { StoredEntry } from "../../protocol/entry.ts";
import type { LogStore } from "../store/log-store.ts";
import { liveMessage } from "./live-message.ts";
import { textFrame } from "./text-frame.ts";

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
    this.#frame ??= textFrame(this.text);
    return this.#frame;
  }
}

const NONE: readonly LiveEntry[] = [];

/** The entries of one commit. */
export class LiveBatch {
  readonly entries: readonly LiveEntry[];
  #frames: Uint8Array | undefined;
  #bySource: Map<string, LiveEntry[]> | undefined;

  constructor(entries: readonly StoredEntry[]) {
    this.entries = entries.map((entry) => new LiveEntry(entry));
  }

  /** Those of one source, found once for all readers: one that waits for another board costs next to nothing. */
  of(src: string): readonly LiveEntry[] {
    if (this.#bySource === undefined) {
      this.#bySource = new Map();
      for (const live of this.entries) {
        const known = this.#bySource.get(live.entry.src);
        if (known === undefined) this.#bySource.set(live.entry.src, [live]);
        else known.push(live);
      }
    }
    return this.#bySource.get(src) ?? NONE;
  }

  /** All of them as frames of a WebSocket, put together once for all readers that want everything. */
  get frames(): Uint8Array {
    this.#frames ??= Buffer.concat(this.entries.map(({ frame }) => frame));
    return this.#frames;
  }
}

export type LiveListener = (batch: LiveBatch) => void;

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
      const batch = new LiveBatch(stored);
      for (const listener of listeners) listener(batch);
    });
    const opened = { listeners, end };
    this.#projects.set(project, opened);
    return opened;
  }
}
