import type { StoredEntry } from "../../protocol/entry.ts";
import type { StoredBatch } from "../store/log-store.ts";
import { liveMessage } from "./live-message.ts";
import { textFrames } from "./text-frame.ts";

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

/**
 * Entries of one commit that pass a filter, or a part of them; at least one. Whatever is made of them, their ids too, is made once,
 * when the first reader needs it: where all are behind, nothing is.
 */
export class LiveBatch {
  readonly #batch: StoredBatch;
  /** Of each in the commit. */
  readonly #indexes: readonly number[];
  #lastId: string | undefined;
  #entries: readonly LiveEntry[] | undefined;
  #frames: Uint8Array | undefined;

  constructor(batch: StoredBatch, indexes: readonly number[]) {
    this.#batch = batch;
    this.#indexes = indexes;
  }

  get entryCount(): number {
    return this.#indexes.length;
  }

  get lastId(): string {
    this.#lastId ??= this.#batch.idAt(this.#indexes.at(-1) ?? 0);
    return this.#lastId;
  }

  get entries(): readonly LiveEntry[] {
    this.#entries ??= this.#indexes.flatMap((index) => {
      const entry = this.#batch.entries[index];
      return entry === undefined ? [] : new LiveEntry({ ...entry, id: this.#batch.idAt(index) });
    });
    return this.#entries;
  }

  /** All of them as frames of a WebSocket, put together once for all readers. */
  get frames(): Uint8Array {
    this.#frames ??= textFrames(this.entries.map(({ text }) => text));
    return this.#frames;
  }
}
