import Type, { type Static } from "typebox";
import type { Timer, Timers } from "../../host/clock.ts";
import type { Disk } from "../../host/disk.ts";
import type { ProcessLog } from "../../host/log.ts";
import type { NewEntry } from "../../protocol/entry.ts";
import { decodeIngestEntry, encodeIngestEntry } from "../../protocol/ingest-entry.ts";
import { schemaDecoder } from "../../protocol/schema-check.ts";
import { StateFile } from "../state-file.ts";
import type { WallClock } from "../wall-clock.ts";
import type { SpoolDating } from "./spool-dating.ts";
import type { SpoolRecord } from "./spool-record.ts";

/** Starts without a clock that are remembered; of an older one the entries go on as they are, marked. */
const SPANS_MAX = 16;
/** What was received before the clock was set is in the spool this much later. */
const CLOSE_MS = 60_000;

const SpanSchema = Type.Object({
  /** Of the first entry and of the last; open while more may come. */
  from: Type.Integer({ minimum: 1 }),
  to: Type.Optional(Type.Integer({ minimum: 0 })),
  /** Of the machine: its monotonic clock is the same until it starts anew. */
  bootId: Type.String({ maxLength: 100 }),
  /** Wall less monotonic clock while nobody had set it, ms. */
  offsetMs: Type.Number(),
  /** What the wall clock was wrong by, and what it showed when it was set; once that is known. */
  shiftMs: Type.Optional(Type.Integer()),
  untilMs: Type.Optional(Type.Number()),
});
type Span = Static<typeof SpanSchema>;
const FileSchema = Type.Object({
  version: Type.Literal(1),
  spans: Type.Array(SpanSchema, { maxItems: SPANS_MAX }),
});
const decodeFile = schemaDecoder(FileSchema);

export interface UnsetSpansWorld {
  readonly disk: Disk;
  readonly wallClock: WallClock;
  readonly timers: Timers;
  readonly log: ProcessLog;
}

export interface UnsetSpansOptions {
  /** Of the machine: another one each time it starts. */
  readonly bootId: string;
  /** Longest wait for the clock. */
  readonly waitMs: number;
}

/**
 * The spans of the spool that were received while nobody had set the machine's clock. They wait until it is set, and are dated
 * then; after a limit they go on as they are, marked (docs/protocol.md 5.9).
 */
export class UnsetSpans implements SpoolDating {
  readonly #file: StateFile<Static<typeof FileSchema>>;
  readonly #wallClock: WallClock;
  readonly #timers: Timers;
  readonly #log: ProcessLog;
  readonly #bootId: string;
  readonly #waitMs: number;
  #spans: Span[] = [];
  #hiddenFrom: number | undefined;
  #waiters: (() => void)[] = [];
  readonly #pendingTimers: Timer[] = [];
  onShown: () => void = () => {};

  private constructor(world: UnsetSpansWorld, options: UnsetSpansOptions) {
    this.#file = new StateFile(world, {
      name: "unset-clock.json",
      decode: decodeFile,
      state: () => ({ version: 1, spans: this.#spans }),
      unreadable: "lines that were received without a clock stay undated",
      unwritable: "lines may stay undated",
    });
    this.#wallClock = world.wallClock;
    this.#timers = world.timers;
    this.#log = world.log;
    this.#bootId = options.bootId;
    this.#waitMs = options.waitMs;
  }

  static async open(world: UnsetSpansWorld, options: UnsetSpansOptions): Promise<UnsetSpans> {
    const spans = new UnsetSpans(world, options);
    spans.#spans = (await spans.#file.read())?.spans ?? [];
    return spans;
  }

  get hiddenFrom(): number | undefined {
    return this.#hiddenFrom;
  }

  /**
   * Notes how the clock stands; to be called once, before anything is committed.
   * @param lastPosition the last that the spool gave, then and later.
   */
  async begin(lastPosition: () => number): Promise<void> {
    const last = lastPosition();
    const isSet = this.#wallClock.isSet;
    for (const span of this.#spans) {
      if (isSet && this.#isOpen(span)) this.#date(span);
      if (span.to === undefined && !this.#isOpen(span)) span.to = last;
    }
    if (isSet) {
      if (this.#spans.length > 0) await this.#file.save();
      return;
    }
    if (!this.#spans.some((span) => this.#isOpen(span))) {
      this.#spans.push({ from: last + 1, bootId: this.#bootId, offsetMs: this.#wallClock.offsetMs });
      this.#spans = this.#spans.slice(-SPANS_MAX);
    }
    await this.#file.save();
    this.#hiddenFrom = Math.min(...this.#spans.filter((span) => this.#isOpen(span)).map(({ from }) => from));
    this.#later(this.#waitMs, () => this.#giveUp());
    this.#wallClock.onSet(() => void this.#set(lastPosition));
  }

  stop(): void {
    for (const timer of this.#pendingTimers) timer.cancel();
  }

  async untilShown(): Promise<void> {
    if (this.#hiddenFrom !== undefined) await new Promise<void>((resolve) => this.#waiters.push(resolve));
  }

  dated(record: SpoolRecord): SpoolRecord {
    const span = this.#spans.find(
      ({ from, to }) => record.position >= from && (to === undefined || record.position <= to),
    );
    if (span?.shiftMs === undefined) return record;
    const decoded = decodeIngestEntry(record.payload);
    if (!decoded.ok) return record;
    const entry = shifted(decoded.value, span);
    return entry === undefined ? record : { ...record, payload: encodeIngestEntry(entry) };
  }

  /** Its clock can still be known. */
  #isOpen({ bootId, shiftMs, to }: Span): boolean {
    return bootId === this.#bootId && shiftMs === undefined && to === undefined;
  }

  #date(span: Span): void {
    const { offsetMs } = this.#wallClock;
    span.shiftMs = Math.round(offsetMs - span.offsetMs);
    span.untilMs = this.#wallClock.monotonicMs() + span.offsetMs;
  }

  async #set(lastPosition: () => number): Promise<void> {
    const open = this.#spans.filter((span) => this.#isOpen(span));
    for (const span of open) this.#date(span);
    this.#log.info({ byMs: open.at(-1)?.shiftMs }, "the clock is set; what came before is dated");
    await this.#file.save();
    this.#show();
    this.#later(CLOSE_MS, () => {
      for (const span of open) span.to = lastPosition();
      void this.#file.save();
    });
  }

  #giveUp(): void {
    if (this.#hiddenFrom === undefined) return;
    this.#log.warn(
      { waitMs: this.#waitMs },
      "nobody sets the clock; lines go on with the time it shows, marked",
    );
    this.#show();
  }

  #show(): void {
    this.#hiddenFrom = undefined;
    for (const resolve of this.#waiters.splice(0)) resolve();
    this.onShown();
  }

  #later(delayMs: number, action: () => void): void {
    this.#pendingTimers.push(this.#timers.after(delayMs, action));
  }
}

/** Undefined: its time is right as it is. */
function shifted(entry: NewEntry, { shiftMs = 0, untilMs = 0 }: Span): NewEntry | undefined {
  const received = Math.max(0, entry.received + shiftMs);
  if (entry.clock === "unset") {
    const clock = entry.uptime === undefined ? "server" : "estimated";
    return { ...entry, received, timestamp: Math.max(0, entry.timestamp + shiftMs), clock };
  }
  // A clock that was put back may show the same time twice: then a board's own time must do.
  const isBefore = entry.clock === "device" && shiftMs > 0 && entry.received <= untilMs;
  return isBefore ? { ...entry, received } : undefined;
}
