import type { StoredEntry } from "../../protocol/entry.ts";
import {
  type AppendResult,
  type ListQuery,
  type LogStore,
  type SourceSummary,
  type SpoolPosition,
  type StoreBatch,
  StoreBusy,
  StoreUnavailable,
  UnknownToken,
} from "../../service/store/log-store.ts";

/** A store in memory, for tests of what is above it. Ids are project and position, so that a foreign token is known. */
export class MemoryStore implements LogStore {
  readonly #entries = new Map<string, StoredEntry[]>();
  readonly #seen = new Set<string>();
  readonly #marks = new Map<string, number>();
  readonly #spools = new Map<string, number>();
  readonly #listeners = new Map<string, Set<(entries: readonly StoredEntry[]) => void>>();
  #isClosed = false;
  /** Set to make every call fail, as a full disk would. */
  isBroken = false;
  /** Set to make every append wait in vain, as a slow disk would. */
  isBusy = false;
  appendCount = 0;

  async append(batches: readonly StoreBatch[], position?: SpoolPosition): Promise<readonly AppendResult[]> {
    this.#check();
    if (position !== undefined) {
      const { project, gateway, epoch } = position;
      this.#spools.set(`${project} ${gateway} ${epoch}`, position.position);
    }
    if (this.isBusy) throw new StoreBusy();
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
        const one = { ...entry, id: `${project}_${String(all.length).padStart(8, "0")}` };
        all.push(one);
        stored.push(one);
      }
      this.#entries.set(project, all);
      for (const listener of this.#listeners.get(project) ?? []) if (stored.length > 0) listener(stored);
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

  subscribe(project: string, listener: (entries: readonly StoredEntry[]) => void): () => void {
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

  async spoolPosition(project: string, gateway: string, epoch: string): Promise<number> {
    this.#check();
    return this.#spools.get(`${project} ${gateway} ${epoch}`) ?? 0;
  }

  async sources(project: string): Promise<readonly SourceSummary[]> {
    const summaries = new Map<string, SourceSummary>();
    for (const { src, received } of this.#entries.get(project) ?? []) {
      const entryCount = (summaries.get(src)?.entryCount ?? 0) + 1;
      summaries.set(src, { src, lastReceived: received, entryCount });
    }
    return [...summaries.values()];
  }

  async close(): Promise<void> {
    this.#isClosed = true;
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

function sliceOf({ limit, newest }: Omit<ListQuery, "src">): [number, number?] {
  return newest ? [-limit] : [0, limit];
}
