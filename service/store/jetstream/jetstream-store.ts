import type { Clock, Timer, Timers } from "../../../host/clock.ts";
import type { Counters } from "../../../host/counters.ts";
import type { ProcessLog } from "../../../host/log.ts";
import type { Random } from "../../../host/random.ts";
import type { StoredEntry } from "../../../protocol/entry.ts";
import type { ExtraField } from "../../../protocol/methods.ts";
import type { SourceSummary } from "../../../protocol/source-summary.ts";
import type { BootMark } from "../boot-mark.ts";
import type { ByteWriter } from "../byte-writer.ts";
import type { Compressor } from "../compressor.ts";
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
  type WrittenPage,
} from "../log-store.ts";
import { writeEntries } from "../written-page.ts";
import { BootPages } from "./boot-pages.ts";
import { ClusterAppender } from "./cluster-appender.ts";
import { ClusterRetention, type RetentionOptions } from "./cluster-retention.ts";
import { positionOf } from "./cluster-value.ts";
import type { MessageEngine } from "./message-engine.ts";
import { PageReader } from "./page-reader.ts";
import { ProjectLog } from "./project-log.ts";
import { ProjectTail } from "./project-tail.ts";
import { ReliedEngine } from "./relied-engine.ts";
import { ReplicaGuard } from "./replica-guard.ts";
import { SourceCatalogue } from "./source-catalogue.ts";
import { STREAM_DELETIONS_MAX } from "./stream-deletions.ts";
import { keptStream, keptSubjects, logStreamPrefix, secretSubject, textOfToken } from "./subject-names.ts";
import { TimeScan } from "./time-scan.ts";

const SECRET_BYTES = 32;
/** Sources that this process writes at once. */
const WRITES_MAX = 256;
/** How often retention is looked after, ms. */
const RETENTION_MS = 60_000;
/** What `status` tells of entries may be so old, ms: counting them takes a look at every source. */
const STATUS_MS = 60_000;
/** How long a loss is not believed while the replicas are compared, ms: the one that leads may be the one that is wrong. */
const COMPARE_MS_MAX = 10_000;

export interface JetStreamStoreDeps {
  readonly engine: MessageEngine;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  readonly counters: Counters;
  readonly log: ProcessLog;
  readonly compressor: Compressor;
}

export interface JetStreamStoreOptions extends RetentionOptions {
  /** Subjects and streams of the store begin so. */
  readonly prefix: string;
}

interface OpenProject {
  readonly log: ProjectLog;
  readonly pages: PageReader;
  readonly times: TimeScan;
  readonly catalogue: SourceCatalogue;
  readonly tail: ProjectTail;
}

/** The driver on a NATS JetStream cluster (docs/decisions/0010-past-one-machine.md): any number of processes share it. */
export class JetStreamStore implements LogStore {
  readonly #deps: JetStreamStoreDeps;
  readonly #options: JetStreamStoreOptions;
  readonly #secret: Uint8Array;
  readonly #projects = new Map<string, OpenProject>();
  readonly #appender: ClusterAppender;
  readonly #retention: ClusterRetention;
  readonly #guard: ReplicaGuard | undefined;
  readonly #timer: Timer;
  /** Of the connection, when each spool's position was last read. Bounded by the gateways and their epochs. */
  readonly #generations = new Map<string, number>();
  readonly #doubtListeners: (() => void)[] = [];
  #retaining: Promise<void> | undefined;
  #closing: Promise<void> | undefined;
  #counted: { readonly entryCount: number; readonly atMs: number } | undefined;

  private constructor(deps: JetStreamStoreDeps, options: JetStreamStoreOptions, secret: Uint8Array) {
    const { replicas } = deps.engine;
    const name = Buffer.from(deps.random.bytes(9)).toString("base64url");
    this.#guard =
      replicas &&
      new ReplicaGuard({ ...deps, replicas, name, onRepair: () => this.#forget() }, options.prefix);
    this.#deps =
      this.#guard === undefined
        ? deps
        : { ...deps, engine: new ReliedEngine(deps.engine, this.#guard, deps.timers) };
    this.#options = options;
    this.#secret = secret;
    const { clock, counters, timers } = deps;
    let count = 0;
    this.#appender = new ClusterAppender({
      clock,
      counters,
      newStamp: () => `${name}${(++count).toString(36)}`,
      timers,
      inTurn: turnstile(WRITES_MAX),
      patience: { gaveUpMs: Number.NEGATIVE_INFINITY },
      projectOf: (project) => this.#open(project).log,
      onStored: (project, seq) => this.#projects.get(project)?.tail.stored(seq),
      beforeLoss: async (project) =>
        await this.#guard?.compared(this.#open(project).log.stream, COMPARE_MS_MAX),
      onLoss: (project, src) => this.#clusterLost(project, src),
    });
    this.#guard?.start();
    this.#retention = new ClusterRetention(this.#deps, options);
    this.#timer = timers.every(RETENTION_MS, () => void this.maintain().catch(() => {}));
    deps.engine.onReconnect(() => this.#forget());
  }

  /** @throws StoreUnavailable */
  static async open(deps: JetStreamStoreDeps, options: JetStreamStoreOptions): Promise<JetStreamStore> {
    const { engine, random } = deps;
    const { prefix } = options;
    await engine.ensureStream(keptStream(prefix), keptSubjects(prefix), 1);
    const subject = secretSubject(prefix);
    // Whoever comes first gives the secret.
    await engine.publish(subject, random.bytes(SECRET_BYTES), 0);
    const secret = await engine.last(keptStream(prefix), subject);
    if (secret === undefined) throw new StoreUnavailable("the cluster took no secret for tokens");
    return new JetStreamStore(deps, options, secret.data);
  }

  async append(batches: readonly StoreBatch[], position?: SpoolPosition): Promise<readonly AppendResult[]> {
    this.#assertOpen();
    const generation = position && this.#generations.get(spoolKey(position));
    return await this.#appender.append(batches, position, generation);
  }

  async spoolPosition(project: string, gateway: string, epoch: string): Promise<number> {
    this.#assertOpen();
    const { generation } = this.#deps.engine;
    const position = await this.#open(project).log.spool(gateway, epoch).read();
    this.#generations.set(spoolKey({ project, gateway, epoch }), generation);
    return position;
  }

  async list(query: ListQuery): Promise<readonly StoredEntry[]> {
    this.#assertOpen();
    const { tail, pages } = this.#open(query.project);
    await tail.settled();
    return await pages.list(query);
  }

  async listProject(query: Omit<ListQuery, "src">): Promise<readonly StoredEntry[]> {
    this.#assertOpen();
    const { tail, pages } = this.#open(query.project);
    await tail.settled();
    return await pages.listProject(query);
  }

  async writePage(query: PageQuery, fields: readonly ExtraField[], to: ByteWriter): Promise<WrittenPage> {
    const { src, ...rest } = query;
    const entries = src === undefined ? this.listProject(rest) : this.list({ ...rest, src });
    return writeEntries(await entries, fields, to);
  }

  subscribe(project: string, listener: (batch: StoredBatch) => void): () => void {
    return this.#open(project).tail.subscribe(listener);
  }

  async mark(project: string, src: string, boot: string): Promise<number> {
    return (await this.#bootMark(project, src, boot))?.top ?? 0;
  }

  async gaps(project: string, src: string, boot: string): Promise<readonly OpenGap[]> {
    return structuredClone((await this.#bootMark(project, src, boot))?.gaps ?? []);
  }

  /** Takes over what another store knows of the seqs of a source's boots. @throws StoreUnavailable */
  async takeMarks(project: string, src: string, marks: ReadonlyMap<string, BootMark>): Promise<void> {
    this.#assertOpen();
    await this.#appender.writerOf(this.#open(project).log, src).writeMarks(marks);
  }

  async sources(project: string): Promise<readonly SourceSummary[]> {
    this.#assertOpen();
    return await this.#open(project).catalogue.summaries();
  }

  async listByTime(query: TimeQuery): Promise<readonly StoredEntry[]> {
    this.#assertOpen();
    return await this.#open(query.project).times.list(query);
  }

  async rates(query: RatesQuery): Promise<readonly SourceRates[]> {
    this.#assertOpen();
    return await this.#open(query.project).times.rates(query);
  }

  async spanOf(query: SpanQuery): Promise<IdSpan | undefined> {
    this.#assertOpen();
    return await this.#open(query.project).times.span(query);
  }

  async delete(projectName: string, src: string, stream?: string): Promise<number> {
    this.#assertOpen();
    const project = this.#open(projectName);
    const { log } = project;
    if ((await log.standing(src)) === undefined) return 0;
    return stream === undefined
      ? await this.#deleteSource(project, src)
      : await this.#deleteStream(project, src, stream);
  }

  async status(): Promise<StoreStatus> {
    this.#assertOpen();
    const { engine, clock } = this.#deps;
    const logs = await this.#allProjects();
    const states = await Promise.all(logs.map(({ log }) => engine.state(log.stream)));
    const kept = await engine.state(keptStream(this.#options.prefix));
    const sum = (read: (state: NonNullable<(typeof states)[number]>) => number): number =>
      [...states, kept].reduce((total, state) => total + (state === undefined ? 0 : read(state)), 0);
    const oldestMs = Math.min(...states.map((state) => state?.firstMs || Number.POSITIVE_INFINITY));
    if (this.#counted === undefined || clock.monotonicMs() - this.#counted.atMs > STATUS_MS) {
      const counts = await Promise.all(logs.map(({ catalogue }) => catalogue.entryCount()));
      const entryCount = counts.reduce((total, count) => total + count, 0);
      this.#counted = { entryCount, atMs: clock.monotonicMs() };
    }
    const { keepMs, keepBytes } = this.#options;
    return {
      diskBytes: sum(({ byteCount }) => byteCount),
      entryCount: this.#counted.entryCount,
      ...(Number.isFinite(oldestMs) && { oldestMs }),
      ...(keepMs !== undefined && { keepMs }),
      ...(keepBytes !== undefined && { keepBytes }),
      details: {
        messages: sum(({ messageCount }) => messageCount),
        subjects: sum(({ subjectCount }) => subjectCount),
      },
    };
  }

  /** The cluster as this store reads it: what replicas that are in doubt would answer is not heard. */
  get engine(): MessageEngine {
    return this.#deps.engine;
  }

  /** Calls `listener` when the cluster may be another one than before, with less in it than was acked. */
  onDoubt(listener: () => void): void {
    this.#doubtListeners.push(listener);
  }

  /** One round of retention, which otherwise comes by itself. @throws StoreUnavailable */
  maintain(): Promise<void> {
    if (!this.#retention.isNeeded || this.#closing !== undefined) return Promise.resolve();
    this.#retaining ??= this.#retain().finally(() => {
      this.#retaining = undefined;
    });
    return this.#retaining;
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#timer.cancel();
    this.#guard?.close();
    await this.#appender.settled();
    await this.#retaining?.catch(() => {});
    for (const { tail } of this.#projects.values()) tail.close();
    await this.#deps.engine.close();
  }

  async #deleteSource({ log, catalogue }: OpenProject, src: string): Promise<number> {
    const before = await log.standing(src);
    if (before === undefined) return 0;
    const keptCount = await catalogue.entryCountOf(src, before);
    const seq = await this.#appender.writerOf(log, src).writeDeletion();
    const written = await this.#deps.engine.at(log.stream, seq);
    const head = written && log.read(written)?.head;
    await this.#deps.engine.purge(log.stream, seq, log.names.source(src));
    await log.deletions.update((known) => {
      const left = known.filter((deletion) => deletion.src !== src);
      return left.length === known.length ? undefined : left;
    });
    // What came between the look and the deletion has gone with the rest.
    return keptCount + (head?.baseCount ?? 0) - before.head.totals.entryCount;
  }

  /** Its entries stay where they are, since others of the same messages do; readers pass over them. */
  async #deleteStream({ log, pages }: OpenProject, src: string, stream: string): Promise<number> {
    const standing = await log.standing(src);
    if (standing === undefined || standing.seq === 0) return 0;
    const through = positionOf(standing.seq + 1, 0) - 1;
    const count = await pages.count(src, stream, through);
    if (count === 0) return 0;
    let isFull = false;
    await log.deletions.update((known) => {
      const same = known.find((deletion) => deletion.src === src && deletion.stream === stream);
      const others = known.filter((deletion) => deletion !== same);
      isFull = others.length >= STREAM_DELETIONS_MAX;
      if (isFull) return undefined;
      return [...others, { src, stream, through, count: count + (same?.count ?? 0) }];
    });
    if (isFull)
      throw new StoreUnavailable(
        `${STREAM_DELETIONS_MAX} streams were deleted already; delete whole sources instead`,
      );
    return count;
  }

  async #retain(): Promise<void> {
    try {
      await this.#retention.run((await this.#allProjects()).map(({ log }) => log));
    } catch (error) {
      this.#deps.log.warn({ err: error }, "retention could not be looked after; it is tried again");
      throw error;
    }
  }

  async #allProjects(): Promise<OpenProject[]> {
    const start = logStreamPrefix(this.#options.prefix);
    const names = await this.#deps.engine.streamNames(start);
    return names.flatMap((name) => {
      const project = textOfToken(name.slice(start.length));
      return project === undefined ? [] : [this.#open(project)];
    });
  }

  #open(name: string): OpenProject {
    let project = this.#projects.get(name);
    if (project === undefined) {
      const { prefix } = this.#options;
      const log = new ProjectLog({ ...this.#deps, prefix, secret: this.#secret }, name);
      project = {
        log,
        pages: new PageReader(log),
        times: new TimeScan(log),
        catalogue: new SourceCatalogue(log),
        tail: new ProjectTail(log, this.#deps),
      };
      this.#projects.set(name, project);
    }
    return project;
  }

  /** A source has less than it was acked to have: all of the cluster's replicas lost their newest part. */
  #clusterLost(project: string, src: string): void {
    this.#deps.counters.add("store_rolled_back_total");
    this.#deps.log.error({ project, src }, "the cluster has lost what it had acked");
    this.#forget();
    for (const { tail } of this.#projects.values()) tail.restart();
  }

  #forget(): void {
    this.#appender.forget();
    for (const { log, catalogue, times } of this.#projects.values()) {
      log.forget();
      times.forget();
      catalogue.forget();
    }
    for (const listener of this.#doubtListeners) listener();
  }

  async #bootMark(project: string, src: string, boot: string): Promise<BootMark | undefined> {
    this.#assertOpen();
    const { log } = this.#open(project);
    const head = (await log.standing(src))?.head;
    if (head === undefined) return undefined;
    const known = head.marks.get(boot);
    if (known !== undefined) return known;
    const found = await new BootPages(log, src).find(new Set([boot]), head.pageCount);
    return found.get(boot);
  }

  #assertOpen(): void {
    if (this.#closing !== undefined) throw new StoreUnavailable("it is closed");
  }
}

function spoolKey({ project, gateway, epoch }: Omit<SpoolPosition, "position">): string {
  return `${project} ${gateway} ${epoch}`;
}

/** Lets at most `max` tasks run at once; the others wait in their order. */
function turnstile(max: number): <T>(task: () => Promise<T>) => Promise<T> {
  const waiting: (() => void)[] = [];
  let running = 0;
  return async (task) => {
    if (running >= max) await new Promise<void>((resolve) => waiting.push(resolve));
    else running++;
    try {
      return await task();
    } finally {
      const next = waiting.shift();
      if (next === undefined) running--;
      else next();
    }
  };
}
