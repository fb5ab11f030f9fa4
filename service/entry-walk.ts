import type { Clock, Timers } from "../host/clock.ts";
import type { StoredEntry } from "../protocol/entry.ts";
import { type ExtraField, LIMIT_MAX } from "../protocol/methods.ts";
import { type EntryFilter, passes } from "./live/entry-filter.ts";
import type { ByteWriter } from "./store/byte-writer.ts";
import {
  type IdSpan,
  isLastPage,
  type LogStore,
  PAGE_CHARACTERS_MAX,
  type PageQuery,
  type TimePlace,
} from "./store/log-store.ts";
import { writeEntries } from "./store/written-page.ts";

/** What a filtered reading looks for, and where. */
export interface WalkQuery {
  readonly project: string;
  readonly filter: EntryFilter;
  /** Only these sources, where more than one is named; one is in `filter`. */
  readonly sources?: ReadonlySet<string> | undefined;
  /** UTC ms, inclusive; compared with `timestamp`. */
  readonly sinceMs: number;
  /** UTC ms, exclusive. */
  readonly untilMs: number;
  readonly after: string | undefined;
  readonly before: string | undefined;
  readonly limit: number;
}

export interface WalkDependencies {
  readonly store: LogStore;
  readonly clock: Clock;
  readonly timers: Timers;
}

/** What a walk found, ascending. */
export interface Walk {
  readonly entries: readonly StoredEntry[];
  /** Lowest and highest id looked at, whether it passed or not. */
  readonly lowest: string | undefined;
  readonly highest: string | undefined;
  /** Timestamp of the last one looked at. */
  readonly reachedMs?: number | undefined;
  /** Nothing lies beyond in this direction. */
  readonly isEnd: boolean;
}

/** Entries that one walk looks at, at most: a filter that nothing passes answers soon, with where to go on. */
const SCANNED_MAX = 10_000;
/** Time that one walk may take for the same reason. */
const WALK_MS_MAX = 500;
/** Others get a turn after this. */
const TURN_MS = 10;

/** Whether an entry is among those looked for. */
export function isWanted(entry: StoredEntry, { sinceMs, untilMs, sources, filter }: WalkQuery): boolean {
  if (entry.timestamp < sinceMs || entry.timestamp >= untilMs) return false;
  if (sources !== undefined && !sources.has(entry.src)) return false;
  return passes(entry, filter);
}

/** What a walk that was written as text says of itself. */
export type WrittenWalk = Pick<Walk, "lowest" | "highest" | "isEnd">;

/**
 * As `walkBack` or `walkOn`, with what was found as a JSON array behind what `to` holds. Where everything passes, no entry is
 * made an object on the way.
 * @throws UnknownToken, StoreUnavailable
 */
export async function writeWalk(
  dependencies: WalkDependencies,
  query: WalkQuery,
  { isNewest, fields }: { readonly isNewest: boolean; readonly fields: readonly ExtraField[] },
  to: ByteWriter,
): Promise<WrittenWalk> {
  if (!isUnfiltered(query)) {
    const walk = await (isNewest ? walkBack(dependencies, query) : walkOn(dependencies, query));
    writeEntries(walk.entries, fields, to);
    return walk;
  }
  const { limit, after, before } = query;
  const page = pageQuery(query, { limit, newest: isNewest, after, before });
  const start = to.length;
  const { entryCount, firstId, lastId } = await dependencies.store.writePage(page, fields, to);
  // Not spread: the engine would give each answer a shape of its own.
  const { lowest, highest } = endsOf(query, isNewest, firstId, lastId);
  return { lowest, highest, isEnd: entryCount < limit && to.length - start < PAGE_CHARACTERS_MAX };
}

/** The newest that pass, below `before` (and above `after`). @throws UnknownToken, StoreUnavailable */
export async function walkBack(dependencies: WalkDependencies, query: WalkQuery): Promise<Walk> {
  if (isUnfiltered(query)) return await onePage(dependencies, query, true);
  const { store } = dependencies;
  let { before: lowest, after } = query;
  let isFloorKnown = query.sinceMs <= 0;
  const found: StoredEntry[] = [];
  let highest: string | undefined;
  let reachedMs: number | undefined;
  const result = (isEnd: boolean): Walk => ({ entries: found.reverse(), lowest, highest, reachedMs, isEnd });
  if (lowest === undefined && Number.isFinite(query.untilMs)) {
    highest = await newestOf(store, query);
    const span = await spanOf(store, query);
    if (span === undefined) return result(true);
    lowest = span.before;
    after = later(after, span.after);
    isFloorKnown = true;
  }
  const budget = new WalkBudget(dependencies);
  const limit = LIMIT_MAX;
  for (;;) {
    const page = await pageOf(store, query, { limit, newest: true, before: lowest, after });
    highest ??= page.at(-1)?.id;
    for (const entry of page.toReversed()) {
      lowest = entry.id;
      reachedMs = entry.timestamp;
      if (isWanted(entry, query)) {
        found.push(entry);
        budget.hold(entry);
      }
      const spent = found.length >= query.limit || budget.isSpent();
      if (typeof spent === "boolean" ? spent : await spent) return result(false);
    }
    if (isLastPage(page, limit)) return result(true);
    if (!isFloorKnown && page.every(({ timestamp }) => timestamp < query.sinceMs)) {
      const span = await spanOf(store, query);
      if (span === undefined) return result(true);
      after = later(after, span.after);
      isFloorKnown = true;
    }
  }
}

/** The oldest that pass, above `after`. @throws UnknownToken, StoreUnavailable */
export async function walkOn(dependencies: WalkDependencies, query: WalkQuery): Promise<Walk> {
  if (isUnfiltered(query)) return await onePage(dependencies, query, false);
  const { store } = dependencies;
  let { before, after: highest } = query;
  let isCeilingKnown = !Number.isFinite(query.untilMs);
  const entries: StoredEntry[] = [];
  let lowest: string | undefined;
  let reachedMs: number | undefined;
  const result = (isEnd: boolean): Walk => ({ entries, lowest, highest, reachedMs, isEnd });
  if (highest === undefined && query.sinceMs > 0) {
    const newest = await newestOf(store, query);
    const span = await spanOf(store, query);
    highest = span === undefined ? newest : span.after;
    if (span === undefined) return result(true);
    before = earlier(before, span.before);
    isCeilingKnown = true;
  }
  const budget = new WalkBudget(dependencies);
  const limit = LIMIT_MAX;
  for (;;) {
    const page = await pageOf(store, query, { limit, after: highest, before });
    const isLast = isLastPage(page, limit);
    lowest ??= page[0]?.id;
    for (const entry of page) {
      highest = entry.id;
      reachedMs = entry.timestamp;
      if (isWanted(entry, query)) {
        entries.push(entry);
        budget.hold(entry);
      }
      const isWhole = isLast && entry === page.at(-1);
      const spent = entries.length >= query.limit || budget.isSpent();
      if ((typeof spent === "boolean" ? spent : await spent) && !isWhole) return result(false);
    }
    if (isLast) return result(true);
    if (!isCeilingKnown && page.every(({ timestamp }) => timestamp >= query.untilMs)) {
      const span = await spanOf(store, query);
      if (span === undefined) return result(true);
      before = earlier(before, span.before);
      isCeilingKnown = true;
    }
  }
}

/**
 * Where everything passes, the store's page is the walk, and its bound: who asks for the newest 100 gets 100, however busy the
 * machine is.
 */
async function onePage({ store }: WalkDependencies, query: WalkQuery, newest: boolean): Promise<Walk> {
  const { limit, after, before } = query;
  const entries = await pageOf(store, query, { limit, newest, after, before });
  const [first, last] = [entries[0], entries.at(-1)];
  return {
    entries,
    ...endsOf(query, newest, first?.id, last?.id),
    reachedMs: (newest ? first : last)?.timestamp,
    isEnd: isLastPage(entries, limit),
  };
}

/** Where to go on from after a page; where it is empty, from where it was asked for. */
function endsOf(
  { after, before }: WalkQuery,
  isNewest: boolean,
  firstId: string | undefined,
  lastId: string | undefined,
): Pick<Walk, "lowest" | "highest"> {
  return {
    lowest: firstId ?? (isNewest ? before : undefined),
    highest: lastId ?? (isNewest ? undefined : after),
  };
}

/** Between which ids the range of time lies; undefined where it holds nothing. */
function spanOf(
  store: LogStore,
  { project, filter: { src }, sinceMs, untilMs }: WalkQuery,
): Promise<IdSpan | undefined> {
  return store.spanOf({ project, sinceMs, untilMs, ...(src !== undefined && { src }) });
}

/** Asked for before the span, so that what comes in between lies after it. */
async function newestOf(store: LogStore, query: WalkQuery): Promise<string | undefined> {
  return (await pageOf(store, { ...query, after: undefined }, { limit: 1, newest: true }))[0]?.id;
}

/** Ids compare as they were given (docs/protocol.md 1.6). */
function later(id: string | undefined, other: string | undefined): string | undefined {
  return id === undefined || (other !== undefined && other > id) ? other : id;
}

function earlier(id: string | undefined, other: string | undefined): string | undefined {
  return id === undefined || (other !== undefined && other < id) ? other : id;
}

/** What a walk in order of time found, ascending, and the place up to which it looked (`isNewest`: of the last entry found). */
export interface TimeWalk {
  readonly entries: StoredEntry[];
  readonly place: TimePlace | undefined;
}

/** The earliest that pass, beyond a place; or the latest of all. @throws StoreUnavailable */
export async function walkInTime(
  dependencies: WalkDependencies,
  query: WalkQuery,
  { beyond, isNewest }: { readonly beyond?: TimePlace | undefined; readonly isNewest: boolean },
): Promise<TimeWalk> {
  const budget = new WalkBudget(dependencies);
  const { project, filter, sinceMs, untilMs } = query;
  const { src, stream } = filter;
  const entries: StoredEntry[] = [];
  let place = beyond;
  const result = (): TimeWalk =>
    isNewest ? { entries: entries.reverse(), place: entries.at(-1) } : { entries, place };
  for (;;) {
    const isAll = isUnfiltered({ ...query, sinceMs: 0, untilMs: Number.POSITIVE_INFINITY });
    const limit = isAll ? query.limit : LIMIT_MAX;
    const page = await dependencies.store.listByTime({
      project,
      sinceMs,
      untilMs,
      limit,
      newest: isNewest,
      ...(src !== undefined && { src }),
      ...(stream !== undefined && { stream }),
      ...(place !== undefined && { beyond: place }),
    });
    for (const entry of isNewest ? page.toReversed() : page) {
      place = entry;
      if (isWanted(entry, query)) {
        entries.push(entry);
        budget.hold(entry);
      }
      const spent = entries.length >= query.limit || budget.isSpent();
      if (typeof spent === "boolean" ? spent : await spent) return result();
    }
    if (isLastPage(page, limit)) return result();
  }
}

/** Longest wait of `follow` (docs/protocol.md 4.2). */
export const FOLLOW_MS_MAX = 30_000;

/**
 * As `walkOn`, but waits until something passes. Listens before it looks, so that what comes in between is not missed.
 * @param untilMs on the monotonic clock.
 */
export async function follow(
  dependencies: WalkDependencies,
  query: WalkQuery,
  ended: AbortSignal,
  untilMs = dependencies.clock.monotonicMs() + FOLLOW_MS_MAX,
): Promise<Walk> {
  const { store, clock, timers } = dependencies;
  let wake = (): void => {};
  const onEnded = (): void => wake();
  const { src } = query.filter;
  const unsubscribe = store.subscribe(query.project, ({ entries }) => {
    if (src === undefined || entries.some((entry) => entry.src === src)) wake();
  });
  ended.addEventListener("abort", onEnded);
  const timer = timers.after(Math.max(0, untilMs - clock.monotonicMs()), onEnded);
  try {
    let { after } = query;
    for (;;) {
      const news = new Promise<void>((resolve) => {
        wake = resolve;
      });
      const walk = await walkOn(dependencies, { ...query, after });
      if (walk.entries.length > 0 || !walk.isEnd || ended.aborted || clock.monotonicMs() >= untilMs) {
        return walk;
      }
      after = walk.highest;
      await news;
    }
  } finally {
    timer.cancel();
    ended.removeEventListener("abort", onEnded);
    unsubscribe();
  }
}

/** Bounds what one walk looks at, and keeps it from holding up the process. */
class WalkBudget {
  readonly #clock: Clock;
  readonly #timers: Timers;
  readonly #untilMs: number;
  #turnMs: number;
  #left = SCANNED_MAX;
  #charactersLeft = PAGE_CHARACTERS_MAX;

  constructor({ clock, timers }: WalkDependencies) {
    this.#clock = clock;
    this.#timers = timers;
    this.#turnMs = clock.monotonicMs();
    this.#untilMs = this.#turnMs + WALK_MS_MAX;
  }

  /** Counts what the answer will hold; one that is too large for memory ends, as one that takes too long. */
  hold({ msg }: StoredEntry): void {
    this.#charactersLeft -= msg.length;
  }

  /** Called after each entry; at times lets others have a turn first, and only then is there anything to wait for. */
  isSpent(): boolean | Promise<boolean> {
    this.#left -= 1;
    const nowMs = this.#clock.monotonicMs();
    if (this.#left <= 0 || this.#charactersLeft <= 0 || nowMs >= this.#untilMs) return true;
    if (nowMs < this.#turnMs + TURN_MS) return false;
    return new Promise((resolve) => {
      this.#timers.after(0, () => {
        this.#turnMs = this.#clock.monotonicMs();
        resolve(false);
      });
    });
  }
}

/** Whether everything passes that the store gives for the source and the stream. */
export function isUnfiltered({ filter, sources, sinceMs, untilMs }: WalkQuery): boolean {
  const { level, module, term } = filter;
  return (
    level === undefined &&
    module === undefined &&
    sources === undefined &&
    term === undefined &&
    sinceMs === 0 &&
    untilMs === Number.POSITIVE_INFINITY
  );
}

interface PageRange {
  readonly limit: number;
  readonly after?: string | undefined;
  readonly before?: string | undefined;
  readonly newest?: boolean;
}

function pageOf(store: LogStore, query: WalkQuery, range: PageRange): Promise<readonly StoredEntry[]> {
  const { src, ...page } = pageQuery(query, range);
  return src === undefined ? store.listProject(page) : store.list({ ...page, src });
}

function pageQuery(
  { project, filter, after: floor }: WalkQuery,
  { limit, after = floor, before, newest }: PageRange,
): PageQuery {
  const { src, stream } = filter;
  const page: { -readonly [K in keyof PageQuery]: PageQuery[K] } = { project, limit };
  if (src !== undefined) page.src = src;
  if (after !== undefined) page.after = after;
  if (before !== undefined) page.before = before;
  if (newest === true) page.newest = true;
  if (stream !== undefined) page.stream = stream;
  return page;
}
