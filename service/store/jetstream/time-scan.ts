import type { StoredEntry } from "../../../protocol/entry.ts";
import { LEVEL_RANK } from "../../../protocol/level.ts";
import {
  compareTime,
  type IdSpan,
  RATE_COLUMNS,
  type RatesQuery,
  type SourceRates,
  type SpanQuery,
  type TimeQuery,
} from "../log-store.ts";
import { positionOf, type SourceMessage } from "./cluster-value.ts";
import type { ProjectLog } from "./project-log.ts";
import { seqOfTime } from "./seq-of-time.ts";
import { type MessageTimes, SourceTimes } from "./source-times.ts";
import type { HiddenEntries } from "./stream-deletions.ts";
import { SuccessionWatch } from "./succession.ts";

/** Messages that are asked for at once. */
const WINDOW_MAX = 32;

/**
 * Reads by time. The cluster has no index of entries' times: of one source, each process remembers which times its messages have; of
 * all together, a scan reads every message from where the range can begin to the end of the log. Messages whose times lie elsewhere are
 * not taken apart.
 */
export class TimeScan {
  readonly #log: ProjectLog;
  readonly #times: SourceTimes;

  constructor(log: ProjectLog) {
    this.#log = log;
    this.#times = new SourceTimes(log);
  }

  /** The cluster may be another one than before. */
  forget(): void {
    this.#times.forget();
  }

  /** @throws StoreUnavailable */
  async list(query: TimeQuery): Promise<StoredEntry[]> {
    return query.src === undefined ? await this.#listAll(query) : await this.#listOf(query.src, query);
  }

  /** Of one source: message after message from the end of the span that is asked for, until no other can have any that belongs. */
  async #listOf(src: string, query: TimeQuery): Promise<StoredEntry[]> {
    const { limit, newest, beyond } = query;
    const sign = newest ? -1 : 1;
    const sinceMs = newest ? query.sinceMs : Math.max(query.sinceMs, beyond?.timestamp ?? 0);
    const untilMs = newest && beyond ? Math.min(query.untilMs, beyond.timestamp + 1) : query.untilMs;
    const [hidden, rows] = await Promise.all([this.#log.hidden(), this.#times.within(src, sinceMs, untilMs)]);
    const nearestMs = ({ earliestMs, latestMs }: MessageTimes): number => (newest ? -latestMs : earliestMs);
    rows.sort((left, right) => nearestMs(left) - nearestMs(right));
    let found: StoredEntry[] = [];
    for (let at = 0; at < rows.length; at += WINDOW_MAX) {
      const window = rows.slice(at, at + WINDOW_MAX);
      const farthest = found[limit - 1];
      if (
        farthest !== undefined &&
        window[0] !== undefined &&
        nearestMs(window[0]) > sign * farthest.timestamp
      )
        break;
      const { engine, stream } = this.#log;
      const messages = await Promise.all(window.map(({ seq }) => engine.at(stream, seq)));
      for (const message of messages) {
        const read = message && this.#log.read(message);
        if (read?.src !== src) continue;
        for (const entry of this.#entriesOf(read, query, hidden))
          if (beyond === undefined || sign * compareTime(entry, beyond) > 0) found.push(entry);
      }
      found.sort((left, right) => sign * compareTime(left, right));
      found = found.slice(0, limit);
    }
    return newest ? found.reverse() : found;
  }

  async #listAll(query: TimeQuery): Promise<StoredEntry[]> {
    const { limit, newest, beyond } = query;
    const sign = newest ? -1 : 1;
    const found: StoredEntry[] = [];
    const cut = (): void => {
      found.sort((left, right) => sign * compareTime(left, right));
      found.length = Math.min(found.length, limit);
    };
    for await (const entry of this.#entries(query)) {
      if (beyond !== undefined && sign * compareTime(entry, beyond) <= 0) continue;
      found.push(entry);
      if (found.length >= limit * 2 + 1000) cut();
    }
    cut();
    return newest ? found.reverse() : found;
  }

  /** @throws StoreUnavailable */
  async rates(query: RatesQuery): Promise<SourceRates[]> {
    const { sinceMs, untilMs, bucketCount } = query;
    const bySource = new Map<string, number[][]>();
    for await (const { src, timestamp, level } of this.#entries(query)) {
      let counts = bySource.get(src);
      if (counts === undefined) {
        counts = Array.from({ length: bucketCount }, () => new Array<number>(RATE_COLUMNS).fill(0));
        bySource.set(src, counts);
      }
      const row = counts[Math.floor(((timestamp - sinceMs) / (untilMs - sinceMs)) * bucketCount)];
      const rank = level === undefined ? 0 : LEVEL_RANK[level];
      if (row !== undefined) row[rank] = (row[rank] ?? 0) + 1;
    }
    return Array.from(bySource, ([src, counts]) => ({ src, counts })).sort((left, right) =>
      left.src < right.src ? -1 : 1,
    );
  }

  /**
   * Of one source just between the first and the last message that has any. Of all from where the range can begin to the end of the
   * log, for an entry may come late. @throws StoreUnavailable
   */
  async span(query: SpanQuery): Promise<IdSpan | undefined> {
    return query.src === undefined ? await this.#spanOfAll(query) : await this.#spanOf(query.src, query);
  }

  async #spanOf(src: string, { sinceMs, untilMs }: SpanQuery): Promise<IdSpan | undefined> {
    const { ids } = this.#log;
    const rows = await this.#times.within(src, sinceMs, untilMs);
    const [first, last] = [rows[0], rows.at(-1)];
    if (first === undefined || last === undefined) return undefined;
    return {
      after: ids.make(positionOf(first.seq, 0) - 1),
      ...(Number.isFinite(untilMs) && { before: ids.make(positionOf(last.seq + 1, 0)) }),
    };
  }

  async #spanOfAll({ src, sinceMs }: SpanQuery): Promise<IdSpan | undefined> {
    const { engine, stream, names, ids } = this.#log;
    const subject = src === undefined ? names.sources : names.source(src);
    const [last, aheadMs] = await Promise.all([engine.last(stream, subject), this.#log.aheadMs()]);
    if (last === undefined) return undefined;
    const startMs = sinceMs - aheadMs;
    if (startMs <= 0) return {};
    const seq = await seqOfTime(this.#log, startMs);
    return seq === undefined ? undefined : { after: ids.make(positionOf(seq, 0) - 1) };
  }

  async *#entries(query: RatesQuery | TimeQuery): AsyncGenerator<StoredEntry> {
    const { src, sinceMs } = query;
    const { engine, names } = this.#log;
    const subject = src === undefined ? names.sources : names.source(src);
    const last = await engine.last(this.#log.stream, subject);
    if (last === undefined) return;
    const [hidden, aheadMs] = await Promise.all([this.#log.hidden(), this.#log.aheadMs()]);
    const storedMs = Math.max(0, sinceMs - aheadMs);
    const watch = new SuccessionWatch();
    for await (const messages of engine.scan(this.#log.stream, subject, { storedMs }, last.seq)) {
      for (const message of messages) {
        const read = this.#log.read(message);
        if (read !== undefined && !watch.isVoid(read)) yield* this.#entriesOf(read, query, hidden);
      }
    }
  }

  /** Those of a message that the query asks for. */
  *#entriesOf(
    read: SourceMessage | undefined,
    { sinceMs, untilMs, stream }: RatesQuery | TimeQuery,
    hidden: HiddenEntries,
  ): Generator<StoredEntry> {
    if (read === undefined || hidden.isVoid(read.seq)) return;
    if (read.latestMs < sinceMs || read.earliestMs >= untilMs) return;
    const { ids, compressor } = this.#log;
    for (const [index, entry] of read.entries(ids, compressor).entries()) {
      if (entry.timestamp < sinceMs || entry.timestamp >= untilMs) continue;
      if (stream !== undefined && entry.stream !== stream) continue;
      if (!hidden.hides(entry.src, entry.stream, positionOf(read.seq, index))) yield entry;
    }
  }
}
