import type { StoredEntry } from "../../protocol/entry.ts";
import { LEVEL_RANK } from "../../protocol/level.ts";
import type { ExtraField } from "../../protocol/methods.ts";
import type { SourceSummary } from "../../protocol/source-summary.ts";
import type { ByteWriter } from "../../service/store/byte-writer.ts";
import {
  type AppendResult,
  compareTime,
  type IdSpan,
  type ListQuery,
  type LogStore,
  type PageQuery,
  RATE_COLUMNS,
  type RatesQuery,
  type SourceRates,
  type SpanQuery,
  type SpoolPosition,
  type StoreBatch,
  StoreBusy,
  type StoredBatch,
  StoreFull,
  type StoreStatus,
  StoreUnavailable,
  type TimeQuery,
  UnknownToken,
  type WrittenPage,
} from "../../service/store/log-store.ts";
import { addLoss, noLosses } from "../../service/store/loss-count.ts";
import { storedBatchOf } from "../../service/store/stored-batch.ts";
import { writeEntries } from "../../service/store/written-page.ts";

/** A store in memory, for tests of what is above it. Ids are project and position, so that a foreign token is known. */
export class MemoryStore implements LogStore {
  readonly #entries = new Map<string, StoredEntry[]>();
  readonly #seen = new Set<string>();
  readonly #marks = new Map<string, number>();
  readonly #spools = new Map<string, number>();
  readonly #listeners = new Map<string, Set<(batch: StoredBatch) => void>>();
  #isClosed = false;
  #nextId = 0;
  /** Set to make every call fail, as a full disk would. */
  isBroken = false;
  /** Set to make every append wait in vain, as a slow disk would. */
  isBusy = false;
  /** Set to take no more entries. */
  isFull = false;
  appendCount = 0;

  async append(batches: readonly StoreBatch[], position?: SpoolPosition): Promise<readonly AppendResult[]> {
    this.#check();
    if (position !== undefined) {
      const { project, gateway, epoch } = position;
      this.#spools.set(`${project} ${gateway} ${epoch}`, position.position);
    }
    if (this.isBusy) throw new StoreBusy();
    if (this.isFull) throw new StoreFull();
    this.appendCount += 1;
    return batches.map(({ project, entries }) => {
      const stored: StoredEntry[] = [];
      const all = this.#entries.get(project) ?? [];
      for (const entry of entries) {
        const bootKey = `${project}\n${entry.boot}\n${entry.src}`;
        const identity = `${bootKey}\n${entry.seq}`;
        if (entry.seq !== undefined && this.#seen.has(identity)) continue;
        if (entry.seq !== undefined) this.#seen.add(identity);
        const highest = Math.max(entry.lost?.last ?? 0, entry.seq ?? 0, this.#marks.get(bootKey) ?? 0);
        this.#marks.set(bootKey, highest);
        const one = { ...entry, id: `${project}_${String(this.#nextId++).padStart(8, "0")}` };
        all.push(one);
        stored.push(one);
      }
      this.#entries.set(project, all);
      const batch = storedBatchOf(stored);
      for (const listener of this.#listeners.get(project) ?? []) if (stored.length > 0) listener(batch);
      return { stored, storedCount: stored.length, duplicateCount: entries.length - stored.length };
    });
  }

  async list({ src, ...query }: ListQuery): Promise<readonly StoredEntry[]> {
    return this.#select(query)
      .filter((entry) => entry.src === src)
      .slice(...sliceOf(query));
  }

  async listProject(query: Omit<ListQuery, "src">): Promise<readonly StoredEntry[]> {
    return this.#select(query).slice(...sliceOf(query));
  }

  async writePage(query: PageQuery, fields: readonly ExtraField[], to: ByteWriter): Promise<WrittenPage> {
    const { src, ...rest } = query;
    const entries = src === undefined ? this.listProject(rest) : this.list({ ...rest, src });
    return writeEntries(await entries, fields, to);
  }

  subscribe(project: string, listener: (batch: StoredBatch) => void): () => void {
    const listeners = this.#listeners.get(project) ?? new Set();
    this.#listeners.set(project, listeners.add(listener));
    return () => listeners.delete(listener);
  }

  /** How many subscriptions stand. */
  get listenerCount(): number {
    return [...this.#listeners.values()].reduce((sum, listeners) => sum + listeners.size, 0);
  }

  async mark(project: string, src: string, boot: string): Promise<number> {
    this.#check();
    return this.#marks.get(`${project}\n${boot}\n${src}`) ?? 0;
  }

  /** It keeps none: what comes below the mark is a duplicate. */
  async gaps() {
    return [];
  }

  async spoolPosition(project: string, gateway: string, epoch: string): Promise<number> {
    this.#check();
    return this.#spools.get(`${project} ${gateway} ${epoch}`) ?? 0;
  }

  async sources(project: string): Promise<readonly SourceSummary[]> {
    const bySource = bySrc(this.#entries.get(project) ?? []);
    return [...bySource].map(([src, entries]) => {
      const last = entries.at(-1);
      const boots = entries.flatMap(({ boot }) => boot ?? []);
      const lastBoot = boots.at(-1);
      const lossCounts = noLosses();
      for (const entry of entries) addLoss(lossCounts, entry);
      return {
        src,
        lastReceived: last?.received ?? 0,
        entryCount: entries.length,
        bootCount: new Set(boots).size,
        ...(lastBoot !== undefined && { lastBoot }),
        clock: last?.clock ?? "server",
        ...(last?.clockError !== undefined && { clockError: last.clockError }),
        lossCounts,
      };
    });
  }

  async listByTime(query: TimeQuery): Promise<readonly StoredEntry[]> {
    const { beyond, limit, newest } = query;
    const sign = newest ? -1 : 1;
    return this.#ofTime(query)
      .filter((entry) => beyond === undefined || sign * compareTime(entry, beyond) > 0)
      .sort(compareTime)
      .slice(...sliceOf({ project: query.project, limit, newest: newest === true }));
  }

  async rates(query: RatesQuery): Promise<readonly SourceRates[]> {
    const { sinceMs, untilMs, bucketCount } = query;
    const bySource = bySrc(this.#ofTime(query));
    return [...bySource]
      .map(([src, entries]) => {
        const counts = Array.from({ length: bucketCount }, () => new Array<number>(RATE_COLUMNS).fill(0));
        for (const { timestamp, level } of entries) {
          const row = counts[Math.floor(((timestamp - sinceMs) / (untilMs - sinceMs)) * bucketCount)];
          const rank = level === undefined ? 0 : LEVEL_RANK[level];
          if (row !== undefined) row[rank] = (row[rank] ?? 0) + 1;
        }
        return { src, counts };
      })
      .sort((left, right) => (left.src < right.src ? -1 : 1));
  }

  async spanOf(query: SpanQuery): Promise<IdSpan | undefined> {
    const within = this.#ofTime(query);
    const all = this.#entries.get(query.project) ?? [];
    const [first, last] = [within[0], within.at(-1)];
    if (first === undefined || last === undefined) return undefined;
    const after = all[all.indexOf(first) - 1]?.id;
    const before = all[all.indexOf(last) + 1]?.id;
    return { ...(after !== undefined && { after }), ...(before !== undefined && { before }) };
  }

  async delete(project: string, src: string, stream?: string): Promise<number> {
    this.#check();
    const all = this.#entries.get(project) ?? [];
    const isGone = (entry: StoredEntry): boolean =>
      entry.src === src && (stream === undefined || entry.stream === stream);
    const kept = all.filter((entry) => !isGone(entry));
    this.#entries.set(project, kept);
    return all.length - kept.length;
  }

  async status(): Promise<StoreStatus> {
    this.#check();
    const entryCount = [...this.#entries.values()].reduce((sum, entries) => sum + entries.length, 0);
    return { diskBytes: 0, entryCount, details: {} };
  }

  async close(): Promise<void> {
    this.#isClosed = true;
  }

  #ofTime({ project, src, stream, sinceMs, untilMs }: Omit<RatesQuery, "bucketCount">): StoredEntry[] {
    this.#check();
    return (this.#entries.get(project) ?? []).filter(
      (entry) =>
        entry.timestamp >= sinceMs &&
        entry.timestamp < untilMs &&
        (src === undefined || entry.src === src) &&
        (stream === undefined || entry.stream === stream),
    );
  }

  #select({ project, after, before, stream }: Omit<ListQuery, "src">): readonly StoredEntry[] {
    this.#check();
    for (const token of [after, before]) {
      if (token !== undefined && !new RegExp(`^${project}_\\d{8}$`).test(token)) throw new UnknownToken();
    }
    return (this.#entries.get(project) ?? []).filter(
      (entry) =>
        (after === undefined || entry.id > after) &&
        (before === undefined || entry.id < before) &&
        (stream === undefined || entry.stream === stream),
    );
  }

  #check(): void {
    if (this.#isClosed || this.isBroken) throw new StoreUnavailable("closed or broken for a test");
  }
}

function bySrc(entries: readonly StoredEntry[]): Map<string, StoredEntry[]> {
  const groups = new Map<string, StoredEntry[]>();
  for (const entry of entries) groups.set(entry.src, [...(groups.get(entry.src) ?? []), entry]);
  return groups;
}

function sliceOf({ limit, newest }: Omit<ListQuery, "src">): [number, number?] {
  return newest ? [-limit] : [0, limit];
}
