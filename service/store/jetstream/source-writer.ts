import type { Clock, Timers } from "../../../host/clock.ts";
import type { Counters } from "../../../host/counters.ts";
import { pause } from "../../../host/pause.ts";
import { LossPlace, type NewEntry, STREAM_LOSS } from "../../../protocol/entry.ts";
import { lossEntry } from "../../../protocol/entry-builder.ts";
import type { BootMark } from "../boot-mark.ts";
import { StoreUnavailable } from "../log-store.ts";
import { askAgain } from "./ask-again.ts";
import { BootPages } from "./boot-pages.ts";
import { BATCH_ENTRIES_MAX, BatchBody, encodeValue, type SourceMessage } from "./cluster-value.ts";
import type { ProjectLog, SourceStanding } from "./project-log.ts";
import { SourceHead, type SpoolPlace } from "./source-head.ts";
import { UNAPPLIED_MAX } from "./succession.ts";

/** Boots that one message may change: those it does not can be moved out of the head before it is written. */
const BOOTS_CHANGED_MAX = 4;
/** How long a message is tried again before its callers are told, ms. A new leader takes one to four seconds. */
const WRITE_MS_MAX = 15_000;
const PAUSE_MS = 100;
/** A standing that nobody used for so long is read again: the cluster may have been put back in between. */
const STANDING_MS_MAX = 30_000;
/** Stored behind one entry: its seq and what it says is lost close a gap each. */
const LOSSES_MAX = 2;
/** Bytes of a body before compression at most, unless one entry alone is larger: a page need not read more. */
const BODY_BYTES_MAX = 256 << 10;
/** Bytes of a message beside rows: head, checksum. */
const HEAD_BYTES_MAX = 16 << 10;

/** Entries of one source from one call. */
export interface WritePart {
  readonly entries: readonly NewEntry[];
  /** Where each is in a spool, where they came from one. */
  readonly spools: readonly SpoolPlace[] | undefined;
  /** Of the connection, when the gateway's position was read that these go on from; they go in under no other. */
  readonly generation?: number | undefined;
}

/** Entries of a part that one message holds. */
export interface WrittenPiece {
  readonly seq: number;
  /** Index in the message of the first. */
  readonly firstIndex: number;
  readonly entries: readonly NewEntry[];
}

export interface WrittenPart {
  readonly pieces: readonly WrittenPiece[];
  readonly duplicateCount: number;
}

export interface WriterWorld {
  readonly clock: Clock;
  readonly counters: Counters;
  /** Of this process: no two messages have the same. */
  readonly newStamp: () => string;
  readonly timers: Timers;
  /** Lets only so many sources be written at once. */
  readonly inTurn: <T>(task: () => Promise<T>) => Promise<T>;
  /** When some writer of this process last gave up, on the monotonic clock: those that waited meanwhile try once. */
  readonly patience: { gaveUpMs: number };
  /** Told of each message that is durable. */
  readonly onStored: (seq: number) => void;
  /**
   * Resolves when it is known whether the cluster has really lost something, or one replica differs from the others.
   * Rejects with StoreUnavailable.
   */
  readonly beforeLoss: () => Promise<void>;
  /** The cluster has fewer entries of a source than were acked. */
  readonly onLoss: (src: string) => void;
}

/** Marks that another store has of boots of the source, at most `BOOTS_CHANGED_MAX`. */
type MarksPart = { readonly marks: ReadonlyMap<string, BootMark> };

/** What waits for its message: entries, marks, or the word that everything before is deleted. */
interface Waiting {
  readonly part: WritePart | MarksPart | "deletion";
  readonly pieces: WrittenPiece[];
  /** Entries before this one are in messages that are durable, or were repeats. */
  next: number;
  duplicateCount: number;
  readonly resolve: (part: WrittenPart) => void;
  readonly reject: (error: Error) => void;
}

/** What of a waiting part a message settles. */
interface Take {
  readonly waiting: Waiting;
  readonly firstIndex: number;
  readonly entries: NewEntry[];
  next: number;
  duplicateCount: number;
}

/** One message on its way. */
interface Draft {
  readonly head: SourceHead;
  readonly body: BatchBody;
  readonly takes: Take[];
  /** There is nothing to write: all are repeats. */
  isEmpty: boolean;
}

/** The one writer that this process has for a source: messages one after the other, each with all that waits. */
export class SourceWriter {
  readonly #log: ProjectLog;
  readonly #src: string;
  readonly #world: WriterWorld;
  readonly #pages: BootPages;
  readonly #queue: Waiting[] = [];
  #standing: SourceStanding | undefined;
  #standingMs = 0;
  /** Entries that the source ever had, as far as this process knows: the cluster must not have fewer. */
  #everCount = 0;
  #running: Promise<void> | undefined;

  constructor(log: ProjectLog, src: string, world: WriterWorld) {
    this.#log = log;
    this.#src = src;
    this.#world = world;
    this.#pages = new BootPages(log, src);
  }

  get isIdle(): boolean {
    return this.#running === undefined;
  }

  /** @throws StoreUnavailable; some may be stored all the same. */
  write(part: WritePart): Promise<WrittenPart> {
    return this.#enqueue(part);
  }

  /** Takes over marks of another store. @throws StoreUnavailable */
  async writeMarks(marks: ReadonlyMap<string, BootMark>): Promise<void> {
    const all = [...marks];
    for (let start = 0; start < all.length; start += BOOTS_CHANGED_MAX)
      await this.#enqueue({ marks: new Map(all.slice(start, start + BOOTS_CHANGED_MAX)) });
  }

  /**
   * Writes a message without entries whose head says that everything before it is deleted.
   * @returns the seq of that message. @throws StoreUnavailable
   */
  async writeDeletion(): Promise<number> {
    const { pieces } = await this.#enqueue("deletion");
    return pieces[0]?.seq ?? 0;
  }

  /** What is known of the source may be old. */
  forget(): void {
    this.#standing = undefined;
  }

  #enqueue(part: Waiting["part"]): Promise<WrittenPart> {
    return new Promise((resolve, reject) => {
      this.#queue.push({ part, pieces: [], next: 0, duplicateCount: 0, resolve, reject });
      this.#running ??= this.#run();
    });
  }

  async #run(): Promise<void> {
    // Calls of the same turn go into the same message.
    await undefined;
    const startMs = this.#world.clock.monotonicMs();
    try {
      while (this.#queue.length > 0) await this.#world.inTurn(() => this.#writeNext(startMs));
    } catch (error) {
      this.forget();
      this.#world.patience.gaveUpMs = this.#world.clock.monotonicMs();
      const reason =
        error instanceof StoreUnavailable
          ? error
          : new StoreUnavailable("a message could not be made", { cause: error });
      for (const waiting of this.#queue.splice(0)) waiting.reject(reason);
    } finally {
      this.#running = undefined;
    }
  }

  async #writeNext(startMs: number): Promise<void> {
    const { clock, patience } = this.#world;
    const untilMs = clock.monotonicMs() + (patience.gaveUpMs > startMs ? 0 : WRITE_MS_MAX);
    await this.#whileAway(untilMs, () => this.#log.ensure());
    let isFresh = this.#standing === undefined;
    for (;;) {
      const standing = await this.#whileAway(untilMs, () => this.#obtainStanding());
      this.#refuseOutdated();
      if (this.#queue.length === 0) return;
      if (standing.seq === 0) {
        await this.#whileAway(untilMs, () => this.#begin(standing.head));
        isFresh = true;
        // Not seen at once by a leader that is new.
        if (clock.monotonicMs() >= untilMs)
          throw new StoreUnavailable("the cluster did not take what was sent");
        continue;
      }
      const draft = await this.#whileAway(untilMs, () => this.#draft(standing));
      if (draft.isEmpty) {
        // Nothing is written that the cluster could refuse: that all are repeats must hold of what it has now.
        if (isFresh) return this.#settle(draft, 0);
        this.forget();
        isFresh = true;
        continue;
      }
      const seq = await this.#publish(standing, draft, untilMs);
      if (seq !== undefined) {
        this.#keepStanding({ seq, lastSeq: seq, head: draft.head });
        this.#world.onStored(seq);
        this.#settle(draft, seq);
        return;
      }
      this.#world.counters.add("store_write_conflicts_total");
      this.forget();
      isFresh = true;
      if (this.#world.clock.monotonicMs() >= untilMs)
        throw new StoreUnavailable("other processes write the same source all the time");
    }
  }

  /**
   * What goes on from a position that was read before the connection was lost must not go into a cluster that was put back
   * meanwhile: what lies between would never be sent. Looked at after the standing is read, which is what a message follows on.
   */
  #refuseOutdated(): void {
    const { generation } = this.#log.engine;
    for (const waiting of [...this.#queue]) {
      const { part } = waiting;
      if (!isEntries(part) || part.generation === undefined || part.generation === generation) continue;
      this.#queue.splice(this.#queue.indexOf(waiting), 1);
      waiting.reject(new StoreUnavailable("the connection to the cluster was lost meanwhile"));
    }
  }

  /**
   * The first message of a source in the stream is one without entries: the cluster does not look at what it follows on, so that a
   * copy may come late, and then nobody lists it.
   */
  async #begin(standing: SourceHead): Promise<void> {
    const { engine, stream, names, compressor } = this.#log;
    const head = standing.draft();
    head.stamp = this.#world.newStamp();
    const data = encodeValue(head, new BatchBody(), compressor);
    const subject = names.source(this.#src);
    const outcome = await engine.publish(subject, data, undefined);
    this.forget();
    if (outcome.type !== "stored") throw new StoreUnavailable("the cluster did not answer");
    const first = await engine.next(stream, subject, 1);
    const { seq } = outcome;
    if (first?.seq === seq) this.#keepStanding({ seq, lastSeq: seq, head });
  }

  /** The seq that the message got, or undefined where another process wrote first. */
  async #publish(
    standing: SourceStanding,
    { head, body }: Draft,
    untilMs: number,
  ): Promise<number | undefined> {
    const { engine, names } = this.#log;
    head.stamp = this.#world.newStamp();
    head.follow(standing.seq);
    const data = encodeValue(head, body, this.#log.compressor);
    const subject = names.source(this.#src);
    for (;;) {
      const { highestSeq } = this.#log;
      const outcome = await engine.publish(subject, data, standing.lastSeq);
      // Whoever came first after what it follows on has won; it may be ourselves, also when the answer was lost.
      const next = await this.#whileAway(untilMs, () =>
        this.#successor(standing, outcome.type === "stored" ? Math.min(outcome.seq, highestSeq) : 0),
      );
      if (outcome.type === "stored") {
        if (next?.seq === outcome.seq) this.#log.stored(outcome.seq);
        else if (next !== undefined) await this.#log.noteVoids([outcome.seq]);
      }
      if (next !== undefined) return next.head.stamp === head.stamp ? next.seq : undefined;
      if (outcome.type === "conflict") return undefined;
      if (this.#world.clock.monotonicMs() >= untilMs)
        throw new StoreUnavailable("the cluster did not answer");
      // No answer; or a leader that is new does not have it yet.
      await pause(this.#world.timers, PAUSE_MS);
    }
  }

  /** The first message that names the one that stands (`succession.ts`). @param appliedSeq of one that the leader had when it took it. */
  async #successor({ seq, lastSeq }: SourceStanding, appliedSeq: number): Promise<SourceMessage | undefined> {
    const { engine, stream, names } = this.#log;
    for (let fromSeq = Math.max(lastSeq + 1, appliedSeq - UNAPPLIED_MAX); ; ) {
      const message = await engine.next(stream, names.source(this.#src), fromSeq);
      if (message === undefined) return undefined;
      const read = this.#log.read(message);
      if (read !== undefined && read.beforeSeq >= seq) return read;
      fromSeq = message.seq + 1;
    }
  }

  async #obtainStanding(): Promise<SourceStanding> {
    const nowMs = this.#world.clock.monotonicMs();
    if (this.#standing !== undefined && nowMs - this.#standingMs < STANDING_MS_MAX) return this.#standing;
    let standing = await this.#readStanding();
    if (this.#isShort(standing)) {
      await this.#world.beforeLoss();
      standing = await this.#readStanding();
    }
    const hasLost = this.#isShort(standing);
    this.#keepStanding(standing);
    if (hasLost) this.#world.onLoss(this.#src);
    return standing;
  }

  async #readStanding(): Promise<SourceStanding> {
    return (await this.#log.standing(this.#src)) ?? { seq: 0, lastSeq: 0, head: new SourceHead() };
  }

  #isShort({ head }: SourceStanding): boolean {
    return head.totals.entryCount < this.#everCount;
  }

  #keepStanding(standing: SourceStanding): void {
    this.#standing = standing;
    this.#standingMs = this.#world.clock.monotonicMs();
    this.#everCount = standing.head.totals.entryCount;
  }

  async #draft({ seq, head: standing }: SourceStanding): Promise<Draft> {
    const head = standing.draft();
    const draft: Draft = { head, body: new BatchBody(), takes: [], isEmpty: false };
    const [first] = this.#queue;
    if (first === undefined) return draft;
    if (first.part === "deletion") {
      head.baseSeq = seq + 1;
      head.baseCount = head.totals.entryCount;
      draft.takes.push(wholeTake(first));
      return draft;
    }
    const boots = "marks" in first.part ? new Set(first.part.marks.keys()) : this.#nextBoots();
    const unknown = new Set([...boots].filter((boot) => !head.marks.has(boot)));
    if (unknown.size > 0 && head.pageCount > 0) {
      for (const [boot, mark] of await this.#pages.find(unknown, head.pageCount)) head.marks.set(boot, mark);
    }
    if ("marks" in first.part) {
      const news = [...first.part.marks].filter(([boot, mark]) => head.takeMark(boot, mark));
      draft.takes.push(wholeTake(first));
      draft.isEmpty = news.length === 0;
    } else {
      this.#fill(draft, boots);
      draft.isEmpty = draft.body.entryCount === 0;
    }
    if (!draft.isEmpty) {
      await this.#pages.relieve(head);
      await this.#log.raiseAhead(draft.body.latestMs - this.#world.clock.wallMs());
    }
    return draft;
  }

  /** The boots that the next message may change. */
  #nextBoots(): Set<string> {
    const boots = new Set<string>();
    for (const { part, next } of this.#queue) {
      if (!isEntries(part)) break;
      for (let index = next; index < part.entries.length; index++) {
        const boot = bootOf(part.entries[index]);
        if (boot !== undefined) boots.add(boot);
        if (boots.size >= BOOTS_CHANGED_MAX) return boots;
      }
    }
    return boots;
  }

  /** Takes entries in their order until the message is full. */
  #fill({ head, body, takes }: Draft, boots: ReadonlySet<string>): void {
    const bytesMax = Math.min(BODY_BYTES_MAX, this.#entryBytesMax);
    for (const waiting of this.#queue) {
      const { part } = waiting;
      if (!isEntries(part)) return;
      const take: Take = {
        waiting,
        firstIndex: body.entryCount,
        entries: [],
        next: waiting.next,
        duplicateCount: 0,
      };
      takes.push(take);
      for (; take.next < part.entries.length; take.next++) {
        const given = part.entries[take.next];
        if (given === undefined) return;
        const entry = this.#fitting(given);
        const boot = bootOf(entry);
        if (boot !== undefined && !boots.has(boot)) return;
        if (body.entryCount > BATCH_ENTRIES_MAX - 1 - LOSSES_MAX) return;
        if (body.entryCount > 0 && body.bytes + Buffer.byteLength(entry.msg) > bytesMax) return;
        let losses: readonly NewEntry[] = [];
        const isNew = head.accept(entry, part.spools?.[take.next], (closed) => {
          losses = closed;
        });
        if (!isNew) take.duplicateCount++;
        else
          for (const each of [entry, ...losses]) {
            body.add(each);
            take.entries.push(each);
          }
        if (losses.length > 0) this.#world.counters.add("store_gaps_closed_total", losses.length);
      }
    }
  }

  get #entryBytesMax(): number {
    return this.#log.engine.payloadBytesMax - HEAD_BYTES_MAX;
  }

  /** The entry, or what says that it is lost where no message of the cluster can hold it. */
  #fitting(entry: NewEntry): NewEntry {
    if (entry.msg.length * 3 <= this.#entryBytesMax || Buffer.byteLength(entry.msg) <= this.#entryBytesMax)
      return entry;
    this.#world.counters.add("store_oversize_entries_total");
    const { src, boot, seq, received } = entry;
    const reason = { where: LossPlace.Service, why: "larger than the cluster's max_payload" };
    if (boot !== undefined && seq !== undefined)
      return lossEntry(src, { boot, first: seq, last: seq }, reason, received, seq);
    const msg = JSON.stringify({ count: 1, ...reason });
    return { src, stream: STREAM_LOSS, msg, timestamp: received, level: "warn", received, clock: "server" };
  }

  /** @param seq of the message; 0 where there was nothing to write. */
  #settle({ takes }: Draft, seq: number): void {
    for (const { waiting, firstIndex, entries, next, duplicateCount } of takes) {
      const { part, pieces } = waiting;
      if (entries.length > 0 || part === "deletion") pieces.push({ seq, firstIndex, entries });
      waiting.next = next;
      waiting.duplicateCount += duplicateCount;
      if (isEntries(part) && next < part.entries.length) return;
      this.#queue.shift();
      waiting.resolve({ pieces, duplicateCount: waiting.duplicateCount });
    }
  }

  /** Reads again while no leader answers. */
  #whileAway<T>(untilMs: number, read: () => Promise<T>): Promise<T> {
    const isWorthIt = (error: unknown): boolean => error instanceof StoreUnavailable;
    return askAgain({ ...this.#world, untilMs, pauseMs: PAUSE_MS, isWorthIt }, read);
  }
}

function isEntries(part: Waiting["part"]): part is WritePart {
  return part !== "deletion" && "entries" in part;
}

function wholeTake(waiting: Waiting): Take {
  return { waiting, firstIndex: 0, entries: [], next: 0, duplicateCount: 0 };
}

function bootOf(entry: NewEntry | undefined): string | undefined {
  return entry?.lost?.boot ?? entry?.boot;
}
