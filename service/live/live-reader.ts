import type { Clock, Timers } from "../../host/clock.ts";
import type { Counters } from "../../host/counters.ts";
import type { StoredEntry } from "../../protocol/entry.ts";
import { type Walk, type WalkDependencies, walkBack } from "../entry-walk.ts";
import { CloseCode } from "../http/message-socket.ts";
import type { LogStore } from "../store/log-store.ts";
import { type EntryFilter, passes } from "./entry-filter.ts";
import { type LiveBatch, LiveEntry } from "./live-batch.ts";
import type { LiveHub } from "./live-hub.ts";
import { liveMarker, type Skipped, skippedMessage } from "./live-message.ts";
import type { LiveSink } from "./live-sink.ts";

/** What one reader may leave unread before it is skipped. The bytes are shared by all readers, so many slow ones cost little. */
export const READER_BYTES_MAX = 1024 * 1024;
/** Live entries kept while history is replayed; at more, history is simply read on: they are in it. */
export const REPLAY_PENDING_MAX = 2000;
/** A walk looks at 10,000 entries at most: so far back the newest that pass are looked for, before the reader goes live without them. */
const LAST_WALKS_MAX = 20;
/** Page of the replay. */
const REPLAY_PAGE = 500;

/**
 * Where a reader starts: at once live, or with history after an id, or with the newest so many
 * that pass its filter.
 */
export interface LiveStart {
  readonly after?: string;
  readonly last?: number;
}

export interface LiveReaderDependencies {
  readonly sink: LiveSink;
  readonly store: LogStore;
  readonly hub: LiveHub;
  readonly counters: Counters;
  readonly clock: Clock;
  readonly timers: Timers;
}

export interface LiveReaderOptions {
  readonly project: string;
  readonly filter: EntryFilter;
  readonly start: LiveStart;
  readonly readerBytesMax?: number;
}

/** One live reader (docs/protocol.md 11): history if asked for, then every entry stored from then on, without gap or repeat. */
export class LiveReader {
  readonly #sink: LiveSink;
  readonly #store: LogStore;
  readonly #walking: WalkDependencies;
  readonly #hub: LiveHub;
  readonly #counters: Counters;
  readonly #project: string;
  readonly #filter: EntryFilter;
  readonly #start: LiveStart;
  readonly #bytesMax: number;
  /** Live entries that came while history is replayed; bounded by `REPLAY_PENDING_MAX`. Undefined once live. */
  #pending: LiveEntry[] | undefined;
  #hasPendingOverflowed = false;
  /** The last id that was sent or told of. */
  #lastId: string | undefined;
  #skipped: { -readonly [Field in keyof Skipped]: Skipped[Field] } | undefined;
  #isClosed = false;
  #onFlushed: (() => void) | undefined;

  constructor(dependencies: LiveReaderDependencies, options: LiveReaderOptions) {
    this.#sink = dependencies.sink;
    this.#store = dependencies.store;
    this.#walking = dependencies;
    this.#hub = dependencies.hub;
    this.#counters = dependencies.counters;
    this.#project = options.project;
    this.#filter = options.filter;
    this.#start = options.start;
    this.#bytesMax = options.readerBytesMax ?? READER_BYTES_MAX;
  }

  start(): void {
    const wantsHistory = this.#start.after !== undefined || this.#start.last !== undefined;
    if (wantsHistory) this.#pending = [];
    const leave = this.#hub.join(this.#project, this.#filter, (batch) => this.#take(batch));
    this.#sink.onClose(() => {
      this.#isClosed = true;
      leave();
      this.#onFlushed?.();
    });
    if (wantsHistory) {
      this.#replay().catch((error: unknown) => {
        this.#counters.add("live_failed_replays_total");
        this.#sink.close(
          CloseCode.Failure,
          error instanceof Error ? error.message.slice(0, 100) : "replay failed",
        );
      });
    }
  }

  #take(batch: LiveBatch): void {
    if (this.#isClosed) return;
    if (this.#pending !== undefined) {
      if (this.#pending.length + batch.entryCount <= REPLAY_PENDING_MAX) this.#pending.push(...batch.entries);
      else this.#hasPendingOverflowed = true;
    } else if (this.#skipped !== undefined) {
      // A reader that is behind anyway must cost the others next to nothing: nothing is made for it.
      this.#skipped.until = batch.lastId;
      this.#skipped.count += batch.entryCount;
    } else if (this.#canSendWhole(batch)) {
      this.#lastId = batch.lastId;
      this.#sink.sendBatch(batch, this.#flushed);
      this.#counters.add("live_sent_entries_total", batch.entryCount);
    } else {
      for (const entry of batch.entries) this.#offer(entry);
    }
  }

  /** Readers that want the same share one piece of memory for a whole batch. */
  #canSendWhole(batch: LiveBatch): boolean {
    return (
      batch.entryCount > 1 &&
      this.#sink.bufferedBytes <= this.#bytesMax &&
      batch.frames.length <= this.#bytesMax / 4
    );
  }

  /** Sends a live entry, or counts it as skipped while the reader is too far behind. */
  #offer(live: LiveEntry): void {
    const { entry } = live;
    if (this.#skipped !== undefined) {
      this.#skipped.until = entry.id;
      this.#skipped.count += 1;
    } else if (this.#sink.bufferedBytes > this.#bytesMax) {
      this.#skipped = { after: this.#lastId, until: entry.id, count: 1 };
    } else this.#send(live);
  }

  #send(live: LiveEntry): void {
    this.#lastId = live.entry.id;
    this.#sink.sendEntry(live, this.#flushed);
    this.#counters.add("live_sent_entries_total");
  }

  readonly #flushed = (): void => {
    if (this.#sink.bufferedBytes > this.#bytesMax / 2) return;
    this.#onFlushed?.();
    const skipped = this.#skipped;
    if (skipped === undefined || this.#isClosed) return;
    this.#skipped = undefined;
    this.#lastId = skipped.until;
    this.#counters.add("live_skipped_entries_total", skipped.count);
    this.#sink.sendNotice("skipped", skippedMessage(skipped), undefined, this.#flushed);
  };

  /**
   * History up to where what came meanwhile joins on. Everything that is told to listeners is listable by then, so an entry that
   * no longer fits into the pending ones is found by reading on.
   */
  async #replay(): Promise<void> {
    let cursor = this.#start.after;
    const { last } = this.#start;
    if (last !== undefined) {
      const { entries, highest } = await this.#newest(last);
      await this.#sendPage(entries, undefined);
      cursor = highest;
    }
    for (;;) {
      this.#pending = [];
      this.#hasPendingOverflowed = false;
      const page = await this.#page({ ...(cursor !== undefined && { after: cursor }), limit: REPLAY_PAGE });
      if (this.#isClosed) return;
      if (page.length === 0 && !this.#hasPendingOverflowed) break;
      cursor = await this.#sendPage(page, cursor);
      if (this.#isClosed) return;
    }
    // From here to the end nothing is awaited: no entry can come in between.
    const pending = this.#pending;
    this.#pending = undefined;
    this.#lastId = cursor;
    this.#sink.sendNotice("live", liveMarker(cursor), cursor, this.#flushed);
    for (const live of pending) {
      if (cursor === undefined || live.entry.id > cursor) this.#offer(live);
    }
  }

  /** The newest that pass, ascending, and the newest id that was looked at. */
  async #newest(count: number): Promise<Pick<Walk, "entries" | "highest">> {
    const query = {
      project: this.#project,
      filter: this.#filter,
      sinceMs: 0,
      untilMs: Number.POSITIVE_INFINITY,
      after: undefined,
    };
    let entries: readonly StoredEntry[] = [];
    let highest: string | undefined;
    let before: string | undefined;
    for (let walks = 0; walks < LAST_WALKS_MAX && !this.#isClosed; walks++) {
      const walk = await walkBack(this.#walking, { ...query, before, limit: count - entries.length });
      entries = [...walk.entries, ...entries];
      highest ??= walk.highest;
      before = walk.lowest;
      if (walk.isEnd || entries.length >= count) break;
    }
    return { entries, highest };
  }

  #page(query: { readonly after?: string; readonly limit: number }) {
    const { src, stream } = this.#filter;
    const full = { project: this.#project, ...query, ...(stream !== undefined && { stream }) };
    return src === undefined ? this.#store.listProject(full) : this.#store.list({ ...full, src });
  }

  /** Sends at the reader's own pace. @returns the cursor after the page. */
  async #sendPage(page: readonly StoredEntry[], cursor: string | undefined): Promise<string | undefined> {
    for (const entry of page) {
      if (this.#isClosed) break;
      if (passes(entry, this.#filter)) this.#send(new LiveEntry(entry));
      if (this.#sink.bufferedBytes > this.#bytesMax) await this.#drained();
    }
    return page.at(-1)?.id ?? cursor;
  }

  async #drained(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#onFlushed = resolve;
    });
    this.#onFlushed = undefined;
  }
}
