import type { StoredEntry } from "../../protocol/entry.ts";
import type { ExtraField } from "../../protocol/methods.ts";
import type { SourceSummary } from "../../protocol/source-summary.ts";
import type { BootMark } from "./boot-mark.ts";
import type { ByteWriter } from "./byte-writer.ts";
import { type BatchResult, Committer } from "./committer.ts";
import { deleteEntries } from "./deleter.ts";
import { type EntryForm, PageObjects } from "./entry-form.ts";
import { Lister, type Page } from "./lister.ts";
import {
  type AppendResult,
  type IdSpan,
  type ListQuery,
  type LogStore,
  type OpenGap,
  type PageQuery,
  type RatesQuery,
  type SourceRates,
  type SpanQuery,
  type SpoolPosition,
  type StoreBatch,
  type StoredBatch,
  type StoreStatus,
  StoreUnavailable,
  type TimeQuery,
  UnknownToken,
  type WrittenPage,
} from "./log-store.ts";
import { Maintenance } from "./maintenance.ts";
import { Memtable } from "./memtable.ts";
import { KvForm } from "./ordered-kv.ts";
import { PageText } from "./page-text.ts";
import { sourcesOf } from "./place-walk.ts";
import { openCore } from "./recovery.ts";
import { enforceRetention } from "./retention.ts";
import { SealAborted, Sealer } from "./sealer.ts";
import { closeSegment } from "./segment.ts";
import { type Project, summaryOf } from "./source-state.ts";
import { StencilBooks } from "./stencil-book.ts";
import { type ChunkedStoreOptions, optionsOf, type StoreCore, type StoreDeps } from "./store-core.ts";
import { logName } from "./store-state.ts";
import { statusOf } from "./store-status.ts";
import { TimeReader } from "./time-reader.ts";

/** Below this much, sealing waits even where every source has a full chunk: fewer, larger transactions. */
const SEAL_BYTES_MIN = 64 << 10;

type Listener = (batch: StoredBatch) => void;

/** The embedded driver: a log of batches, sealed into chunks by source (docs/decisions/0001-store.md). */
export class ChunkedStore implements LogStore {
  readonly #core: StoreCore;
  readonly #committer: Committer;
  readonly #lister: Lister;
  readonly #timeReader: TimeReader;
  readonly #listeners = new Map<string, Set<Listener>>();
  readonly #maintenance: Maintenance;
  readonly #stencils = new StencilBooks();
  #sealer: Sealer | undefined;
  #sealing: Promise<void> | undefined;
  #sealWanted = false;
  #closing: Promise<void> | undefined;

  private constructor(core: StoreCore) {
    this.#core = core;
    this.#committer = new Committer(core, {
      makeRoom: () => this.#makeRoom(),
      deliver: (results) => this.#deliver(results),
    });
    this.#lister = new Lister(core);
    this.#timeReader = new TimeReader(core);
    this.#maintenance = new Maintenance(core, this.#committer, { sealOld: () => this.#sealOld() });
    core.damages.start(core, this.#committer);
    this.#maintenance.start();
  }

  /** @throws StoreUnavailable where what is on the disk cannot be used. */
  static async open(
    deps: StoreDeps & { newSecret: (size: number) => Uint8Array },
    options: Partial<ChunkedStoreOptions> = {},
  ): Promise<ChunkedStore> {
    const core = await openCore(deps, optionsOf(options));
    const store = new ChunkedStore(core);
    // What was found to be lost is on record before anybody asks for a mark.
    await core.damages.settled();
    return store;
  }

  async append(batches: readonly StoreBatch[], position?: SpoolPosition): Promise<readonly AppendResult[]> {
    this.#assertOpen();
    return this.#committer.append(batches, position);
  }

  async spoolPosition(project: string, gateway: string, epoch: string): Promise<number> {
    this.#assertOpen();
    return this.#core.spools.get(project, gateway, epoch);
  }

  async list(query: ListQuery): Promise<readonly StoredEntry[]> {
    return this.#list(query, new PageObjects());
  }

  async listProject(query: Omit<ListQuery, "src">): Promise<readonly StoredEntry[]> {
    return this.#list(query, new PageObjects());
  }

  async writePage(query: PageQuery, fields: readonly ExtraField[], to: ByteWriter): Promise<WrittenPage> {
    const text = new PageText(to, this.#stencils.of(fields));
    return text.finish(await this.#list(query, text));
  }

  subscribe(project: string, listener: Listener): () => void {
    let listeners = this.#listeners.get(project);
    if (listeners === undefined) {
      listeners = new Set();
      this.#listeners.set(project, listeners);
    }
    // The same function may subscribe twice.
    const own: Listener = (batch) => listener(batch);
    listeners.add(own);
    return () => {
      listeners.delete(own);
      if (listeners.size === 0 && this.#listeners.get(project) === listeners) this.#listeners.delete(project);
    };
  }

  async mark(project: string, src: string, boot: string): Promise<number> {
    return (await this.#bootMark(project, src, boot, (mark) => mark.top)) ?? 0;
  }

  async gaps(project: string, src: string, boot: string): Promise<readonly OpenGap[]> {
    return (await this.#bootMark(project, src, boot, (mark) => structuredClone(mark.gaps))) ?? [];
  }

  async sources(projectName: string): Promise<readonly SourceSummary[]> {
    this.#assertOpen();
    const project = this.#core.sources.findProject(projectName);
    if (project === undefined) return [];
    const sources = await sourcesOf(this.#core, project, undefined);
    return sources
      .map((source) => summaryOf(source.src, source.totals))
      .sort((left, right) => (left.src < right.src ? -1 : 1));
  }

  async listByTime(query: TimeQuery): Promise<readonly StoredEntry[]> {
    this.#assertOpen();
    const project = this.#core.sources.findProject(query.project);
    return project === undefined ? [] : this.#timeReader.list(project, query);
  }

  async rates(query: RatesQuery): Promise<readonly SourceRates[]> {
    this.#assertOpen();
    const project = this.#core.sources.findProject(query.project);
    return project === undefined ? [] : this.#timeReader.rates(project, query);
  }

  async spanOf(query: SpanQuery): Promise<IdSpan | undefined> {
    this.#assertOpen();
    const project = this.#core.sources.findProject(query.project);
    const span = project === undefined ? undefined : await this.#timeReader.span(project, query);
    if (project === undefined || span === undefined) return undefined;
    const { ids } = project;
    return {
      ...(span.first > 1 && { after: ids.make(span.first - 1) }),
      ...(span.last < this.#core.lastPosition && { before: ids.make(span.last + 1) }),
    };
  }

  async delete(project: string, src: string, stream?: string): Promise<number> {
    this.#assertOpen();
    return this.#core.changes.run("", async () => {
      this.#assertOpen();
      const source = this.#core.sources.find(project, src);
      return source === undefined ? 0 : deleteEntries(this.#core, this.#committer, source, stream);
    });
  }

  get isFull(): boolean {
    return this.#core.room.isShort;
  }

  async status(): Promise<StoreStatus> {
    this.#assertOpen();
    return statusOf(this.#core);
  }

  /** Seals what is unsealed, whatever its size: before a backup, or to measure. */
  async seal(): Promise<void> {
    this.#assertOpen();
    // Tables are changed between transactions only, so the committer does it.
    this.#sealWanted = true;
    await this.#committer.append([]);
    await this.#sealing;
    this.#core.health.assertUsable();
  }

  /** One round of retention and compaction, which otherwise come by themselves. */
  async maintain(): Promise<void> {
    this.#assertOpen();
    await this.#maintenance.run();
    this.#core.health.assertUsable();
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    const core = this.#core;
    await this.#maintenance.stop();
    await core.damages.settled();
    await this.#committer.settled();
    this.#sealer?.abort();
    core.health.closed();
    await this.#sealing;
    await core.changes.run("", async () => {});
    await core.gate.drained();
    this.#listeners.clear();
    for (const segment of core.segments) await closeSegment(segment);
    const kvs = [core.head];
    for (const table of [core.frozen, core.active]) kvs.push(...(table?.logs ?? []).map((log) => log.kv));
    for (const kv of kvs) await kv.close();
    await core.deps.space.close();
  }

  /** What is durable of a boot's mark. */
  #bootMark<Value>(
    project: string,
    src: string,
    boot: string,
    take: (mark: BootMark) => Value,
  ): Promise<Value | undefined> {
    this.#assertOpen();
    return this.#committer.quiet(() => {
      const source = this.#core.sources.find(project, src);
      const mark = source && this.#core.sources.findMark(source, boot);
      return mark && take(mark);
    });
  }

  #assertOpen(): void {
    this.#core.health.assertUsable();
    if (this.#closing !== undefined) throw new StoreUnavailable("it is closed");
  }

  async #list<T>(query: PageQuery, form: EntryForm<T>): Promise<T[]> {
    this.#assertOpen();
    const page = this.#page(query, form);
    const { sources } = this.#core;
    if (query.src === undefined) {
      const project = sources.findProject(query.project);
      if (project === undefined) return [];
      return this.#core.gate.list(() => this.#lister.listProject(project, page, query.newest));
    }
    const source = sources.find(query.project, query.src);
    if (source === undefined) return [];
    return this.#core.gate.list(() => this.#lister.list(source, page, query.newest));
  }

  #page<T>(query: PageQuery, form: EntryForm<T>): Page<T> {
    const { project, after, before, limit, stream } = query;
    return {
      after: after === undefined ? 0 : this.#positionOf(project, after),
      before: before === undefined ? Number.MAX_SAFE_INTEGER : this.#positionOf(project, before),
      limit,
      stream,
      form,
    };
  }

  /** A position past the last entry was never given: its ids may be those of a store that was restored from a backup. */
  #positionOf(projectName: string, token: string): number {
    const project: Project | undefined = this.#core.sources.findProject(projectName);
    const position = project?.ids.parse(token);
    if (position === undefined || position > this.#core.lastPosition) throw new UnknownToken();
    return position;
  }

  #deliver(results: readonly BatchResult[]): void {
    for (const result of results) {
      const listeners = this.#listeners.get(result.project);
      if (listeners === undefined || result.storedCount === 0) continue;
      for (const listener of [...listeners]) {
        // One that ended its subscription while this was delivered to another must not hear of it.
        if (!listeners.has(listener)) continue;
        try {
          listener(result);
        } catch (error) {
          this.#core.deps.counters.add("store_listener_errors_total");
          this.#core.deps.log.error({ err: error }, "a listener of the store threw");
        }
      }
    }
  }

  /** Undefined where the active table has room; else resolves when it has. */
  #makeRoom(): Promise<void> | undefined {
    const { active, frozen, options } = this.#core;
    const wanted = this.#sealWanted && active.entryCount > 0;
    this.#sealWanted = wanted;
    if (!wanted && !this.#worthSealing(active)) return undefined;
    if (frozen === undefined && this.#sealing === undefined) return this.#beginSeal();
    // The table before it is still being sealed: wait only at twice the size.
    return wanted || active.bytes >= options.sealBytes * 2 ? this.#waitForRoom() : undefined;
  }

  async #waitForRoom(): Promise<void> {
    this.#core.deps.counters.add("store_seal_waits_total");
    this.#sealer?.hurry();
    await this.#sealing;
    this.#core.health.assertUsable();
    await this.#beginSeal();
  }

  #worthSealing(table: Memtable): boolean {
    const { sealBytes, chunkEntriesMax } = this.#core.options;
    if (table.bytes >= sealBytes) return true;
    return (
      table.entryCount >= table.tails.size * chunkEntriesMax &&
      table.bytes >= Math.min(sealBytes, SEAL_BYTES_MIN)
    );
  }

  /** Gives new entries a table and a log of their own, and seals the old one in the background. */
  async #beginSeal(): Promise<void> {
    this.#sealWanted = false;
    const core = this.#core;
    const name = logName(core.nextLogNumber++);
    // As large as the one before came to be, and a little more: tables that are sealed for their size hold about as much.
    const table = new Memtable(Math.ceil(core.active.entryCount * 1.1));
    table.lastPosition = core.lastPosition;
    table.logs.push({ name, kv: await core.deps.space.open(name, KvForm.Journal) });
    core.frozen = core.active;
    core.active = table;
    this.#sealer = new Sealer(core, this.#committer);
    this.#sealing = this.#runSeal(this.#sealer, core.frozen);
  }

  /** Unsealed entries are part of no segment, so that retention by age could not reach them. */
  async #sealOld(): Promise<void> {
    const { active, options, deps } = this.#core;
    if (options.keepMs === undefined || active.entryCount === 0) return;
    if (deps.clock.wallMs() - active.oldestMs >= options.segmentMsMax) await this.seal();
  }

  async #runSeal(sealer: Sealer, table: Memtable): Promise<void> {
    try {
      await this.#core.changes.run("", async () => {
        if (this.#core.options.keepBytes !== undefined)
          await enforceRetention(this.#core, this.#committer, table);
        await sealer.seal(table);
      });
    } catch (error) {
      if (!(error instanceof SealAborted)) this.#core.health.failed(error);
    } finally {
      this.#sealing = undefined;
      this.#sealer = undefined;
      this.#maintenance.poke();
    }
  }
}
