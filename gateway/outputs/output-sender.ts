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
  #evictedCount = 0;
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
    timer?.cancel();
    this.#sink.close();
  }

  async #run(): Promise<void> {
    while (!this.#isStopping) {
      try {
        if (!(await this.#sendNext())) await this.#untilDurable();
        this.#recovered();
      } catch (error) {
        if (this.#isStopping) return;
        this.#failed(error);
        const retryAfterMs = error instanceof SinkUnavailable ? (error.retryAfterMs ?? 0) : 0;
        await this.#pauses.pause(Math.max(this.#backoff.takeMs(), retryAfterMs));
      }
    }
  }

  /** False: there is nothing to send. @throws SinkUnavailable, and what the disk throws. */
  async #sendNext(): Promise<boolean> {
    const reader = this.#reader;
    const records = await reader.read(reader.position, this.#options.bounds);
    const entries: SpooledEntry[] = [];
    this.#evictedCount += reader.takeEvictedCount();
    const loss = this.#evictedCount === 0 ? undefined : this.#options.lossOf?.(this.#evictedCount);
    if (loss !== undefined) entries.push({ position: reader.position, entry: loss });
    if (records.length === 0 && loss === undefined) {
      if (reader.position >= reader.durable) return false;
      // Nothing is left of what stood there; that is written down behind it.
      await reader.confirm(reader.durable);
      return true;
    }
    for (const { position, payload } of records) {
      const entry = decodeIngestEntry(payload);
      if (entry.ok) entries.push({ position, entry: entry.value });
    }
    let takenCount = 0;
    const taken = async (position: number): Promise<void> => {
      const before = takenCount;
      while ((entries[takenCount]?.position ?? Number.POSITIVE_INFINITY) <= position) takenCount += 1;
      this.#counters.add(this.#options.counters.sentEntries, takenCount - before);
      await reader.confirm(position);
    };
    // A cursor that cannot be written is tried again at the next.
    await this.#sink.send(entries, (position) => void taken(position).catch(() => {}));
    await taken(records.at(-1)?.position ?? reader.position);
    if (loss !== undefined) this.#evictedCount = 0;
    return true;
  }

  async #untilDurable(): Promise<void> {
    const reader = this.#reader;
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
      if (this.#isStopping || reader.durable > reader.position) resolve();
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
