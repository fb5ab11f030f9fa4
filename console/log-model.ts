import { type Access, getEntries, Refused, serviceNow } from "./api.ts";
import type { Entry } from "./entry.ts";
import { type Filter, passesHere, serviceQuery } from "./filter.ts";
import { type Row, RowBuilder } from "./rows.ts";

/** Entries kept in the page; beyond it those furthest from view go, and scrolling there fetches them again. */
const ENTRIES_MAX = 100_000;
/** Dropped in one go, so that it happens seldom. */
const DROP_COUNT = 20_000;
const PAGE_LIMIT = 500;
/** Of pages further back: each is put before all that is there. */
const OLDER_LIMIT = 1000;
/** Looked through for a regular expression before the reader is asked to scroll on. */
const PAGES_UNSEEN_MAX = 20;
const RETRY_MS_MIN = 250;
const RETRY_MS_MAX = 5_000;

export type LogState = "loading" | "live" | "history" | "away" | "refused";

export interface LogModelHandler {
  /** Something to draw anew. `prepended` rows were put before those that were there. */
  changed(prepended: number): void;
  /** The key is no longer good. */
  refused(words: string): void;
  /** Entries as they come live. */
  arrived(entries: readonly Entry[]): void;
}

/** The log under one filter: history that grows backwards and a live end, from one position, without gap or repeat. */
export class LogModel {
  readonly #access: Access;
  readonly #filter: Filter;
  readonly #handler: LogModelHandler;
  readonly #aborter = new AbortController();
  #entries: Entry[] = [];
  #builder = new RowBuilder();
  /** The last id of what was there when the page came; undefined while that is not known. */
  #liveAfter: string | undefined;
  #hasLiveMarker = false;
  #before: string | undefined;
  #isLoadingOlder = false;
  #isLoadingNewer = false;
  /** Where what follows the last line goes on; undefined where that is the live end. */
  #newerAfter: { readonly after: string | undefined } | undefined;
  /** How far the live end was told. */
  #toldUpTo: string | undefined;
  state: LogState = "loading";
  /** Whether the live end is in view: then the oldest go first, else the newest. */
  isFollowed = true;
  /** Nothing older passes the filter. */
  isAtStart = false;

  constructor(access: Access, filter: Filter, handler: LogModelHandler) {
    this.#access = access;
    this.#filter = filter;
    this.#handler = handler;
  }

  get rows(): readonly Row[] {
    return this.#builder.rows;
  }

  /** The last line is not the live end: it is further on. */
  get isDetached(): boolean {
    return this.#newerAfter !== undefined;
  }

  /** Older lines are being looked at now. */
  get isLookingBack(): boolean {
    return this.#isLoadingOlder;
  }

  /** @param line begin around the line with this id instead of at the newest */
  start(line?: string): void {
    void this.#run(line);
  }

  stop(): void {
    this.#aborter.abort();
  }

  /** Puts a page of older entries before what is there. */
  async loadOlder(): Promise<void> {
    // What is refused has no place that older lines would come before.
    const isBegun = this.state !== "loading" && this.state !== "refused";
    if (this.#isLoadingOlder || this.isAtStart || !isBegun) return;
    this.#isLoadingOlder = true;
    if (this.rows.length === 0) this.#handler.changed(0);
    try {
      const older = await this.#olderPages(this.#before);
      const first = this.#entries[0];
      const placeBefore = this.#rowOf(first);
      if (older.length > 0) {
        this.#entries = older.concat(this.#entries);
        const isFull = this.#entries.length > ENTRIES_MAX;
        if (isFull) this.#dropNewest();
        if (isFull || !this.#builder.prepend(older)) this.#rebuild();
      }
      this.#isLoadingOlder = false;
      this.#handler.changed(first === undefined ? this.rows.length : this.#rowOf(first) - placeBefore);
    } catch (error) {
      this.#isLoadingOlder = false;
      this.#failed(error);
    }
  }

  async #run(line: string | undefined): Promise<void> {
    const { signal } = this.#aborter;
    let after: string | undefined;
    for (let waitMs = RETRY_MS_MIN; !signal.aborted; waitMs = Math.min(waitMs * 2, RETRY_MS_MAX)) {
      try {
        after = await this.#begin(line);
        break;
      } catch (error) {
        if (this.#failed(error)) return;
        await pause(waitMs, signal);
      }
    }
    if (signal.aborted) return;
    if (line !== undefined || this.#isPast) {
      this.state = "history";
      if (line !== undefined) this.#newerAfter = { after };
      this.#handler.changed(0);
      await this.loadNewer();
      return;
    }
    this.state = "live";
    this.#handler.changed(0);
    await this.#follow(after);
  }

  /** A page of what follows the last line, where that is not the live end; at that it is live again. */
  async loadNewer(): Promise<void> {
    const from = this.#newerAfter;
    if (from === undefined || this.#isLoadingNewer) return;
    this.#isLoadingNewer = true;
    const query = this.#query({ limit: String(PAGE_LIMIT), order: "ascending" });
    if (from.after !== undefined) query.set("after", from.after);
    try {
      const page = await getEntries(this.#access, query, this.#aborter.signal);
      // The newest were let go meanwhile: what came does not follow on what is left.
      if (this.#newerAfter !== from) return;
      const after = page.after ?? from.after;
      // What came live while this page was read is on the next one.
      const isEnd = page.end && (this.#toldUpTo === undefined || (after ?? "") >= this.#toldUpTo);
      this.#newerAfter = isEnd ? undefined : { after };
      this.#keep(page.entries.filter((entry) => passesHere(entry, this.#filter)));
      if (this.#entries.length > ENTRIES_MAX) this.#dropOldest();
      if (isEnd && this.state === "history" && !this.#isPast) {
        this.#liveAfter = after ?? "";
        this.state = "live";
        void this.#follow(after);
      }
      this.#handler.changed(0);
    } catch (error) {
      this.#failed(error);
    } finally {
      this.#isLoadingNewer = false;
    }
  }

  /** The newest page, or the one before a line. @returns the id to follow from */
  async #begin(line: string | undefined): Promise<string | undefined> {
    const query = this.#query({ limit: String(PAGE_LIMIT) });
    if (line !== undefined) query.set("before", line);
    const page = await getEntries(this.#access, query, this.#aborter.signal);
    this.#before = page.before;
    this.isAtStart = page.end;
    const entries = page.entries.filter((entry) => passesHere(entry, this.#filter));
    this.#entries = entries.length > 0 || page.end ? entries : await this.#olderPages(page.before);
    const after = line === undefined ? page.after : page.entries.at(-1)?.id;
    this.#liveAfter = line === undefined ? (after ?? "") : undefined;
    this.#rebuild();
    return after;
  }

  async #olderPages(start: string | undefined): Promise<Entry[]> {
    let before = start;
    for (let count = 0; count < PAGES_UNSEEN_MAX; count++) {
      const query = this.#query({ limit: String(OLDER_LIMIT) });
      if (before !== undefined) query.set("before", before);
      const page = await getEntries(this.#access, query, this.#aborter.signal);
      before = page.before ?? before;
      this.#before = before;
      this.isAtStart = page.end;
      const entries = page.entries.filter((entry) => passesHere(entry, this.#filter));
      if (entries.length > 0 || page.end) return entries;
    }
    return [];
  }

  async #follow(start: string | undefined): Promise<void> {
    const { signal } = this.#aborter;
    let after = start;
    let waitMs = RETRY_MS_MIN;
    while (!signal.aborted) {
      // After a failure the first answer comes at once, whether there is news or not: it shows that the service is back.
      const follow = String(this.state === "live");
      const query = this.#query({ limit: String(PAGE_LIMIT), order: "ascending", follow });
      if (after !== undefined) query.set("after", after);
      try {
        const page = await getEntries(this.#access, query, signal);
        waitMs = RETRY_MS_MIN;
        this.state = "live";
        after = page.after ?? after;
        this.#toldUpTo = after;
        this.#append(page.entries);
        this.#handler.changed(0);
      } catch (error) {
        if (this.#failed(error)) return;
        await pause(waitMs, signal);
        waitMs = Math.min(waitMs * 2, RETRY_MS_MAX);
      }
    }
  }

  #append(entries: readonly Entry[]): void {
    const added = entries.filter((entry) => passesHere(entry, this.#filter));
    if (!this.isDetached) this.#keep(added);
    if (added.length > 0) this.#handler.arrived(added);
    if (this.#entries.length <= ENTRIES_MAX) return;
    if (this.isFollowed) this.#dropOldest();
    else {
      this.#dropNewest();
      this.#rebuild();
    }
  }

  /** The range of time ends before now: nothing more comes. */
  get #isPast(): boolean {
    return (this.#filter.until ?? Number.POSITIVE_INFINITY) < serviceNow();
  }

  /** Puts entries behind those that are there. */
  #keep(added: readonly Entry[]): void {
    const last = this.#entries.at(-1)?.id ?? "";
    for (const entry of added) {
      // Where the live end was just reached again, it tells some once more.
      if (entry.id <= last) continue;
      this.#entries.push(entry);
      this.#addRow(entry);
    }
  }

  #dropOldest(): void {
    const first = this.#entries[DROP_COUNT];
    const placeBefore = this.#rowOf(first);
    this.#entries = this.#entries.slice(DROP_COUNT);
    this.#before = first?.id;
    this.isAtStart = false;
    this.#rebuild();
    this.#handler.changed(this.#rowOf(first) - placeBefore);
  }

  #dropNewest(): void {
    this.#entries.length -= DROP_COUNT;
    this.#newerAfter = { after: this.#entries.at(-1)?.id };
  }

  /** The row that draws an entry. */
  #rowOf(entry: Entry | undefined): number {
    return this.rows.findIndex((row) => row.type === "entry" && row.entry === entry);
  }

  #addRow(entry: Entry): void {
    if (!this.#hasLiveMarker && this.#liveAfter !== undefined && entry.id > this.#liveAfter) {
      this.#hasLiveMarker = true;
      this.#builder.addLiveMarker();
    }
    this.#builder.add(entry);
  }

  #rebuild(): void {
    this.#builder = new RowBuilder();
    this.#hasLiveMarker = false;
    for (const entry of this.#entries) this.#addRow(entry);
  }

  #query(more: Readonly<Record<string, string>>): URLSearchParams {
    const query = serviceQuery(this.#filter);
    for (const [name, value] of Object.entries(more)) query.set(name, value);
    return query;
  }

  /** @returns whether to give up */
  #failed(error: unknown): boolean {
    if (this.#aborter.signal.aborted) return true;
    if (error instanceof Refused && error.status < 500) {
      this.state = "refused";
      this.#handler.changed(0);
      this.#handler.refused(error.message);
      return true;
    }
    this.state = "away";
    this.#handler.changed(0);
    return false;
  }
}

function pause(delayMs: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      signal.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, delayMs);
    signal.addEventListener("abort", done);
  });
}
