import type { Timer, Timers } from "../../host/clock.ts";
import type { Counters } from "../../host/counters.ts";
import type { ProcessLog } from "../../host/log.ts";
import type { Random } from "../../host/random.ts";
import type { NewEntry } from "../../protocol/entry.ts";
import { decodeIngestEntry } from "../../protocol/ingest-entry.ts";
import { Backoff } from "../backoff.ts";
import { Pauses } from "../pauses.ts";
import type { ReadBounds, SpoolReader } from "../spool/spool-reader.ts";
import { type Sink, SinkUnavailable, type SpooledEntry } from "./sink.ts";

export interface OutputSenderOptions {
  /** Names of its counters (docs/metrics.md). */
  readonly counters: {
    readonly sentEntries: string;
    readonly failures: string;
  };
  /** Of one call of the sink. */
  readonly bounds: ReadBounds;
  /** The loss record for so many entries that went before they were sent; for the sink alone. */
  readonly lossOf?: (count: number) => NewEntry;
}

const RETRY = { firstMs: 500, maxMs: 15_000 };

/** Sends what the spool holds to a sink, in the spool's order, from the reader's own position on. */
export class OutputSender {
  readonly #reader: SpoolReader;
  readonly #sink: Sink;
  readonly #timers: Timers;
  readonly #counters: Counters;
  readonly #log: ProcessLog;
  readonly #backoff: Backoff;
  readonly #pauses: Pauses;
  readonly #options: OutputSenderOptions;
  #wake: () => void = () => {};
  #isStopping = false;
  /** Everything up to here was given to the sink, which may not have taken it yet. */
  #sentThrough = 0;
  #down: SinkUnavailable | undefined;
  /** Entries that went before they were read: to be told, and told and not known to be taken. */
  #evictedCount = 0;
  #sentLosses = 0;
  #problem: string | undefined;
  #running = Promise.resolve();

  constructor(
    world: {
      readonly reader: SpoolReader;
      readonly sink: Sink;
      readonly timers: Timers;
      readonly random: Random;
      readonly counters: Counters;
      readonly log: ProcessLog;
    },
    options: OutputSenderOptions,
  ) {
    this.#reader = world.reader;
    this.#sink = world.sink;
    this.#timers = world.timers;
    this.#counters = world.counters;
    this.#log = world.log;
    this.#backoff = new Backoff(world.random, RETRY);
    this.#pauses = new Pauses(world.timers);
    this.#options = options;
  }

  /** Why the last try failed; undefined while all is well. */
  get problem(): string | undefined {
    return this.#problem;
  }

  start(): void {
    this.#reader.onDurable = () => this.#wake();
    this.#sink.onDown = (reason) => {
      this.#down = reason;
      this.#wake();
    };
    this.#running = this.#run();
  }

  /** Ends after what is under way, or without waiting for it at the deadline: it is sent again at the next start. */
  async stop(deadlineMs: number): Promise<void> {
    this.#isStopping = true;
    this.#pauses.end();
    this.#wake();
    let timer: Timer | undefined;
    const late = new Promise<void>((resolve) => {
      timer = this.#timers.after(deadlineMs, resolve);
    });
    await Promise.race([this.#running, late]);
    await Promise.race([this.#sink.close(), late]);
    timer?.cancel();
  }

  async #run(): Promise<void> {
    this.#sentThrough = this.#reader.position;
    while (!this.#isStopping) {
      try {
        if (this.#down !== undefined) throw this.#down;
        if (!(await this.#sendNext())) await this.#untilDurable();
        this.#recovered();
      } catch (error) {
        if (this.#isStopping) return;
        this.#down = undefined;
        this.#sentThrough = this.#reader.position;
        this.#evictedCount += this.#sentLosses;
        this.#sentLosses = 0;
        this.#failed(error);
        const retryAfterMs = error instanceof SinkUnavailable ? (error.retryAfterMs ?? 0) : 0;
        await this.#pauses.pause(Math.max(this.#backoff.takeMs(), retryAfterMs));
      }
    }
  }

  /** False: there is nothing to send. @throws SinkUnavailable, and what the disk throws. */
  async #sendNext(): Promise<boolean> {
    const reader = this.#reader;
    const records = await reader.read(this.#sentThrough, this.#options.bounds);
    const evictedCount = this.#evictedCount + reader.takeEvictedCount();
    const loss = evictedCount === 0 ? undefined : this.#options.lossOf?.(evictedCount);
    const entries = [
      ...(loss === undefined ? [] : [{ position: this.#sentThrough, entry: loss }]),
      ...records.flatMap(({ position, payload }): SpooledEntry[] => {
        const entry = decodeIngestEntry(payload);
        return entry.ok ? [{ position, entry: entry.value }] : [];
      }),
    ];
    if (entries.length === 0) return this.#skip(records.at(-1)?.position ?? reader.durable);
    const last = records.at(-1)?.position ?? this.#sentThrough;
    this.#evictedCount = 0;
    this.#sentLosses += evictedCount;
    let takenCount = 0;
    await this.#sink.send(entries, (position) => {
      const before = takenCount;
      while ((entries[takenCount]?.position ?? Number.POSITIVE_INFINITY) <= position) takenCount += 1;
      this.#counters.add(this.#options.counters.sentEntries, takenCount - before);
      const isWhole = takenCount === entries.length;
      if (isWhole && before < takenCount) this.#sentLosses -= evictedCount;
      // A cursor that cannot be written is tried again at the next.
      reader.confirm(isWhole ? last : position).catch(() => {});
    });
    this.#sentThrough = last;
    return true;
  }

  /** Of what stood there nothing is left, and that is written down behind it. False: nothing stood there. */
  async #skip(position: number): Promise<boolean> {
    if (position <= this.#sentThrough) return false;
    const isSettled = this.#reader.position === this.#sentThrough;
    this.#sentThrough = position;
    if (isSettled) await this.#reader.confirm(position);
    return true;
  }

  async #untilDurable(): Promise<void> {
    const reader = this.#reader;
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
      if (this.#isStopping || this.#down !== undefined || reader.durable > this.#sentThrough) resolve();
    });
  }

  #recovered(): void {
    this.#backoff.reset();
    if (this.#problem === undefined) return;
    this.#problem = undefined;
    this.#log.info({ waitingEntries: this.#reader.waitingEntries }, `${this.#sink.name} takes entries again`);
  }

  /** The same words once, however long it lasts. */
  #failed(error: unknown): void {
    const reason = error instanceof Error ? error.message : String(error);
    this.#counters.add(this.#options.counters.failures);
    if (reason === this.#problem) return;
    this.#problem = reason;
    this.#log.warn({ waitingEntries: this.#reader.waitingEntries }, `${this.#sink.name}: ${reason}`);
  }
}
