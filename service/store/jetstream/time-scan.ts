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
import { positionOf } from "./cluster-value.ts";
import type { ProjectLog } from "./project-log.ts";
import { seqOfTime } from "./seq-of-time.ts";
import { SuccessionWatch } from "./succession.ts";

/**
 * Reads by time. The cluster has no index of entries' times, so a scan reads every message from where the range can begin to the
 * end of the log; those whose times lie elsewhere are not taken apart.
 */
export class TimeScan {
  readonly #log: ProjectLog;

  constructor(log: ProjectLog) {
    this.#log = log;
  }

  /** @throws StoreUnavailable */
  async list(query: TimeQuery): Promise<StoredEntry[]> {
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

  /** From where the range can begin; to the end of the log, for an entry may come late. @throws StoreUnavailable */
  async span({ src, sinceMs }: SpanQuery): Promise<IdSpan | undefined> {
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
    const { src, stream, sinceMs, untilMs } = query;
    const { engine, names, ids, compressor } = this.#log;
    const subject = src === undefined ? names.sources : names.source(src);
    const last = await engine.last(this.#log.stream, subject);
    if (last === undefined) return;
    const [hidden, aheadMs] = await Promise.all([this.#log.hidden(), this.#log.aheadMs()]);
    const storedMs = Math.max(0, sinceMs - aheadMs);
    const watch = new SuccessionWatch();
    for await (const messages of engine.scan(this.#log.stream, subject, { storedMs }, last.seq)) {
      for (const message of messages) {
        const read = this.#log.read(message);
        if (read === undefined || watch.isVoid(read) || hidden.isVoid(read.seq)) continue;
        if (read.latestMs < sinceMs || read.earliestMs >= untilMs) continue;
        for (const [index, entry] of read.entries(ids, compressor).entries()) {
          if (entry.timestamp < sinceMs || entry.timestamp >= untilMs) continue;
          if (stream !== undefined && entry.stream !== stream) continue;
          if (!hidden.hides(entry.src, entry.stream, positionOf(read.seq, index))) yield entry;
        }
      }
    }
  }
}
