import type { StoredEntry } from "../../../protocol/entry.ts";
import { type ListQuery, UnknownToken } from "../log-store.ts";
import { positionOf, type SourceMessage, seqOf } from "./cluster-value.ts";
import type { EngineMessage } from "./message-engine.ts";
import type { ProjectLog } from "./project-log.ts";
import type { HiddenEntries } from "./stream-deletions.ts";
import { SuccessionWatch } from "./succession.ts";

/** Messages of a project that are asked for at once: enough to fill the way to the leader. */
const WINDOW_MAX = 64;
const WINDOW_MIN = 8;
/** Messages of a source read one by one; past it one scan reads the rest of a page. */
const STEPS_MAX = 24;

/** Exclusive ends of a page, as positions. */
interface PageRange {
  readonly after: number;
  readonly before: number;
  readonly limit: number;
  readonly stream: string | undefined;
  readonly hidden: HiddenEntries;
}

/** Pages of a project and of its sources. The leader answers every read, so that a page has all that was acked before. */
export class PageReader {
  readonly #log: ProjectLog;

  constructor(log: ProjectLog) {
    this.#log = log;
  }

  /** @throws UnknownToken, StoreUnavailable */
  async list({ src, ...query }: ListQuery): Promise<StoredEntry[]> {
    const [standing, page] = await Promise.all([this.#log.standing(src), this.#rangeOf(query)]);
    if (standing === undefined || standing.seq === 0) return [];
    const { seq: lastSeq, head } = standing;
    const after = Math.max(page.after, positionOf(head.baseSeq, 0) - 1);
    const range = { ...page, after };
    return query.newest
      ? await this.#newestOfSource(src, lastSeq, range)
      : await this.#nextOfSource(src, lastSeq, range);
  }

  /** @throws UnknownToken, StoreUnavailable */
  async listProject(query: Omit<ListQuery, "src">): Promise<StoredEntry[]> {
    const [state, page] = await Promise.all([this.#log.engine.state(this.#log.stream), this.#rangeOf(query)]);
    if (state === undefined || state.messageCount === 0) return [];
    const { firstSeq, lastSeq } = state;
    return query.newest
      ? await this.#newestOfProject(firstSeq, lastSeq, page)
      : await this.#nextOfProject(firstSeq, lastSeq, page);
  }

  /** Entries of one stream of a source up to a position, but for what is deleted. @throws StoreUnavailable */
  async count(src: string, stream: string, through: number): Promise<number> {
    const { engine, names } = this.#log;
    const range = { after: -1, before: through + 1, limit: 0, stream, hidden: await this.#log.hidden() };
    let count = 0;
    for await (const messages of engine.scan(
      this.#log.stream,
      names.source(src),
      { seq: 1 },
      seqOf(through),
    )) {
      for (const message of messages) count += this.#entriesIn(this.#log.read(message), range).length;
    }
    return count;
  }

  async #rangeOf(query: Omit<ListQuery, "src">): Promise<PageRange> {
    const { after, before, limit, stream } = query;
    const positions = [after, before].map((token) =>
      token === undefined ? undefined : this.#positionOf(token),
    );
    const [hidden] = await Promise.all([this.#log.hidden(), this.#assertGiven(positions)]);
    return {
      after: positions[0] ?? -1,
      before: positions[1] ?? Number.MAX_SAFE_INTEGER,
      limit,
      stream,
      hidden,
    };
  }

  #positionOf(token: string): number {
    const position = this.#log.ids.parse(token);
    if (position === undefined) throw new UnknownToken();
    return position;
  }

  /** One past the last message was never given: its ids may be those of a cluster that was put back. */
  async #assertGiven(positions: readonly (number | undefined)[]): Promise<void> {
    const highest = Math.max(-1, ...positions.map((position) => position ?? -1));
    if (highest < 0) return;
    const state = await this.#log.engine.state(this.#log.stream);
    if (state === undefined || seqOf(highest) > state.lastSeq) throw new UnknownToken();
  }

  async #nextOfSource(src: string, lastSeq: number, range: PageRange): Promise<StoredEntry[]> {
    const { engine, stream, names } = this.#log;
    const subject = names.source(src);
    const into: StoredEntry[] = [];
    const endSeq = Math.min(lastSeq, seqOf(range.before));
    let cursor = Math.max(1, seqOf(range.after));
    const watch = new SuccessionWatch();
    for (let step = 0; step < STEPS_MAX; step++) {
      if (into.length >= range.limit || cursor > endSeq) return into;
      const message = await engine.next(stream, subject, cursor);
      if (message === undefined || message.seq > endSeq) return into;
      this.#take(this.#log.read(message), range, into, watch);
      cursor = message.seq + 1;
    }
    for await (const messages of engine.scan(stream, subject, { seq: cursor }, endSeq)) {
      for (const message of messages) this.#take(message && this.#log.read(message), range, into, watch);
      if (into.length >= range.limit) return into;
    }
    return into;
  }

  /** Back from message to message by the seqs that each names. */
  async #newestOfSource(src: string, lastSeq: number, range: PageRange): Promise<StoredEntry[]> {
    const { engine, stream, names } = this.#log;
    const into: StoredEntry[] = [];
    const startSeq = Math.min(lastSeq, seqOf(range.before));
    const start = await engine.next(stream, names.source(src), startSeq);
    let messages = start === undefined ? [] : [this.#log.read(start)];
    const floorSeq = Math.max(1, seqOf(range.after));
    while (messages.length > 0) {
      for (const message of messages) {
        this.#takeBack(message, range, into);
        if (into.length >= range.limit) return into.slice(0, range.limit).reverse();
      }
      const oldest = messages.findLast((message) => message !== undefined);
      const wanted = (oldest?.head.recentSeqs ?? []).filter((seq) => seq >= floorSeq);
      messages = await Promise.all(wanted.map((seq) => this.#sourceMessageAt(seq)));
    }
    return into.reverse();
  }

  async #sourceMessageAt(seq: number): Promise<SourceMessage | undefined> {
    const message = await this.#log.engine.at(this.#log.stream, seq);
    return message && this.#log.read(message);
  }

  async #nextOfProject(firstSeq: number, lastSeq: number, range: PageRange): Promise<StoredEntry[]> {
    const { engine, stream, names } = this.#log;
    const into: StoredEntry[] = [];
    const endSeq = Math.min(lastSeq, seqOf(range.before));
    let cursor = Math.max(firstSeq, seqOf(range.after));
    let windowSize = windowOf(range.limit);
    const watch = new SuccessionWatch();
    while (cursor <= endSeq && into.length < range.limit) {
      const messages = await this.#window(cursor, Math.min(endSeq, cursor + windowSize - 1));
      for (const message of messages) this.#take(message && this.#log.read(message), range, into, watch);
      if (into.length >= range.limit) return into;
      cursor += messages.length;
      windowSize = WINDOW_MAX;
      // What was deleted leaves holes of any size.
      if (messages.every((message) => message === undefined)) {
        cursor = (await engine.next(stream, names.all, cursor))?.seq ?? endSeq + 1;
      }
    }
    return into;
  }

  async #newestOfProject(firstSeq: number, lastSeq: number, range: PageRange): Promise<StoredEntry[]> {
    const into: StoredEntry[] = [];
    const floorSeq = Math.max(firstSeq, seqOf(range.after));
    let cursor = Math.min(lastSeq, seqOf(range.before));
    let windowSize = windowOf(range.limit);
    while (cursor >= floorSeq) {
      const messages = await this.#window(Math.max(floorSeq, cursor - windowSize + 1), cursor);
      for (const message of messages.toReversed()) {
        this.#takeBack(message && this.#log.read(message), range, into);
        if (into.length >= range.limit) return into.slice(0, range.limit).reverse();
      }
      cursor -= messages.length;
      windowSize = WINDOW_MAX;
      if (messages.every((message) => message === undefined))
        cursor = await this.#belowHole(cursor, floorSeq);
    }
    return into.reverse();
  }

  #window(fromSeq: number, throughSeq: number): Promise<(EngineMessage | undefined)[]> {
    const { engine, stream } = this.#log;
    const count = throughSeq - fromSeq + 1;
    return Promise.all(Array.from({ length: count }, (_, index) => engine.at(stream, fromSeq + index)));
  }

  /** The highest seq that may be there at or below `seq`, where nothing is just above: looks in steps that double. */
  async #belowHole(seq: number, floorSeq: number): Promise<number> {
    const { engine, stream, names } = this.#log;
    let high = seq;
    for (let step = WINDOW_MAX; high >= floorSeq; step *= 2) {
      const low = Math.max(floorSeq, high - step + 1);
      const found = await engine.next(stream, names.all, low);
      if (found !== undefined && found.seq <= high) return high;
      high = low - 1;
    }
    return high;
  }

  /** Ascending. */
  #take(
    message: SourceMessage | undefined,
    range: PageRange,
    into: StoredEntry[],
    watch: SuccessionWatch,
  ): void {
    if (message === undefined || watch.isVoid(message)) return;
    for (const entry of this.#entriesIn(message, range)) {
      if (into.length >= range.limit) return;
      into.push(entry);
    }
  }

  /** Descending. */
  #takeBack(message: SourceMessage | undefined, range: PageRange, into: StoredEntry[]): void {
    into.push(...this.#entriesIn(message, range).reverse());
  }

  #entriesIn(message: SourceMessage | undefined, range: PageRange): StoredEntry[] {
    const { after, before, stream, hidden } = range;
    if (message === undefined || hidden.isVoid(message.seq)) return [];
    return message.entries(this.#log.ids, this.#log.compressor).filter((entry, index) => {
      const position = positionOf(message.seq, index);
      if (position <= after || position >= before) return false;
      return (
        (stream === undefined || entry.stream === stream) && !hidden.hides(entry.src, entry.stream, position)
      );
    });
  }
}

function windowOf(limit: number): number {
  return Math.min(WINDOW_MAX, Math.max(WINDOW_MIN, limit));
}
