import type { Timers } from "../../host/clock.ts";
import type { Counters } from "../../host/counters.ts";
import type { ProcessLog } from "../../host/log.ts";
import type { Random } from "../../host/random.ts";
import type { NewEntry } from "../../protocol/entry.ts";
import { decodeIngestEntry } from "../../protocol/ingest-entry.ts";
import { RetryLoop } from "../retry-loop.ts";
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

/** Sends what the spool holds to a sink, in the spool's order, from the reader's own position on. */
export class OutputSender {
  readonly #reader: SpoolReader;
  readonly #sink: Sink;
  readonly #counters: Counters;
  readonly #log: ProcessLog;
  readonly #loop: RetryLoop;
  readonly #options: OutputSenderOptions;
  /** Everything up to here was given to the sink, which may not have taken it yet. */
  #sentThrough = 0;
  #down: SinkUnavailable | undefined;
  /** Entries that went before they were read: to be told, and told and not known to be taken. */
  #evictedCount = 0;
  #sentLosses = 0;

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
    this.#counters = world.counters;
    this.#log = world.log;
    this.#loop = new RetryLoop(world, {
      turn: () => this.#turn(),
      onFailed: (...failure) => this.#failed(...failure),
    });
    this.#options = options;
  }

  /** Why the last try failed; undefined while all is well. */
  get problem(): string | undefined {
    return this.#loop.problem;
  }

  start(): void {
    this.#reader.onDurable = () => this.#loop.wake();
    this.#sink.onDown = (reason) => {
      this.#down = reason;
      this.#loop.wake();
    };
    this.#sentThrough = this.#reader.position;
    this.#loop.start();
  }

  /** Ends after what is under way, or without waiting for it at the deadline: it is sent again at the next start. */
  stop(deadlineMs: number): Promise<void> {
    return this.#loop.stop(deadlineMs, () => this.#sink.close());
  }

  async #turn(): Promise<void> {
    if (this.#down !== undefined) throw this.#down;
    if (!(await this.#sendNext())) {
      const reader = this.#reader;
      await this.#loop.until(() => this.#down !== undefined || reader.durable > this.#sentThrough);
    }
    this.#loop.resetBackoff();
    if (this.#loop.endProblem())
      this.#log.info(
        { waitingEntries: this.#reader.waitingEntries },
        `${this.#sink.name} takes entries again`,
      );
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

  #failed(error: unknown, reason: string, isNews: boolean): number {
    this.#down = undefined;
    this.#sentThrough = this.#reader.position;
    this.#evictedCount += this.#sentLosses;
    this.#sentLosses = 0;
    this.#counters.add(this.#options.counters.failures);
    if (isNews)
      this.#log.warn({ waitingEntries: this.#reader.waitingEntries }, `${this.#sink.name}: ${reason}`);
    return error instanceof SinkUnavailable ? (error.retryAfterMs ?? 0) : 0;
  }
}
