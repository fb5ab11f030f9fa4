import type { Clock, Timer, Timers } from "../../host/clock.ts";
import { type Counters, CounterTable } from "../../host/counters.ts";
import type { Disk } from "../../host/disk.ts";
import type { ProcessLog } from "../../host/log.ts";
import type { Random } from "../../host/random.ts";
import type { NewEntry } from "../../protocol/entry.ts";
import { decodeIngestEntry, encodeIngestEntry } from "../../protocol/ingest-entry.ts";
import { type Cursor, CursorFile } from "./cursor.ts";
import { insist } from "./insist.ts";
import { MarkTable } from "./mark-table.ts";
import { type Segment, SegmentWriter, segmentPath } from "./segment.ts";
import { SegmentList, type SegmentPart, type SegmentSlot } from "./segment-list.ts";
import type { SpoolDating } from "./spool-dating.ts";
import { isDiskFull, SpoolFull, SpoolUnavailable } from "./spool-errors.ts";
import { type LossEvent, lossesOf, lossOfCount, lossOfRange, type PositionRange } from "./spool-loss.ts";
import { type SpoolAccess, type SpoolOutput, type SpoolOutputSetting, SpoolOutputs } from "./spool-output.ts";
import type { ReadBounds, SpoolReader } from "./spool-reader.ts";
import {
  encodeHeader,
  encodeRecords,
  HEADER_BYTES,
  RECORD_HEAD_BYTES,
  RecordKind,
  type SegmentHeader,
  type SpoolRecord,
} from "./spool-record.ts";
import { encodeRanges, type Recovered, recover, recoverAll, without } from "./spool-recovery.ts";
import { SpoolTail } from "./spool-tail.ts";

export interface SpoolOptions {
  /** Of all segments together, with the reserve. At least four segments. */
  readonly bytesMax: number;
  /** Kept for loss records and cursors when the rest is full. Also stands on the disk as a file, to be given up when that is full. */
  readonly reserveBytes: number;
  readonly segmentBytes: number;
  /** How long forwarded entries are kept, for a service that loses what it had answered. Gives way when the spool is full. */
  readonly replayHorizonMs: number;
  /** Least time between two syncs: a burst becomes one write, a line on its own waits for nothing. */
  readonly commitIntervalMs: number;
  /** What happens when the spool is full: boards wait for their acks, or the oldest unsent entries become loss records. */
  readonly whenFull: "wait" | "evict";
  /** Entries kept in memory for who reads them as they come, with what they weigh beside their payload. */
  readonly tailBytesMax: number;
  /** Longest time that the cursor on the disk is behind. */
  readonly cursorPeriodMs: number;
  /** Source under which a loss is filed of which nobody knows whose entries they were. */
  readonly gatewaySrc: string;
  /** Readers beside the service. */
  readonly outputs: readonly SpoolOutputSetting[];
}

export const SPOOL_DEFAULTS: Omit<SpoolOptions, "gatewaySrc"> = {
  bytesMax: 1 << 30,
  reserveBytes: 1 << 20,
  segmentBytes: 8 << 20,
  /** Five times the two minutes of an engine that syncs by itself. */
  replayHorizonMs: 600_000,
  commitIntervalMs: 50,
  whenFull: "wait",
  tailBytesMax: 2 << 20,
  cursorPeriodMs: 60_000,
  outputs: [],
};

export interface SpoolWorld {
  readonly disk: Disk;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  readonly counters: Counters;
  readonly log: ProcessLog;
  /** Sees to entries that came while nobody had set the clock. */
  readonly dating?: SpoolDating;
}

export const SPOOL_FOLDER = "spool";
const RESERVE_FILE = `${SPOOL_FOLDER}/reserve`;
/** Holds the position behind which entries were written since the service was last heard; is not there once it was. */
const UNHEARD_FILE = `${SPOOL_FOLDER}/unheard`;
const EPOCH_BYTES = 8;
const MAINTAIN_MS = 10_000;

/**
 * Durable store-and-forward: an append-only log of segments (docs/gateway.md, Spool). An entry that `commit` resolved for comes
 * back from `read` after any crash, until `confirm` says that the service has it and the replay horizon has passed.
 */
export class Spool implements SpoolReader {
  readonly #world: SpoolWorld;
  readonly #options: SpoolOptions;
  readonly #cursorFile: CursorFile;
  readonly #marks: MarkTable;
  readonly #segments: Segment[];
  readonly #list: SegmentList;
  readonly #knownGaps: PositionRange[];
  readonly #tail: SpoolTail;
  readonly #outputs: SpoolOutputs;
  #writer: SegmentWriter | undefined;
  #nextSegmentNumber: number;
  #durable: number;
  #forwarded: number;
  #epoch: string;
  #epochStart: number;
  /** The last position given before it was opened. */
  readonly #openedAt: number;
  /** What stands behind this position was never sent: it was written since the service was last heard, in this life or before. */
  readonly #unheardAfter: number;
  /** Earlier lives may have sent up to here under this epoch, and the service may be committing it still. */
  #sentBefore: number;
  #hasUnheardFile: boolean;
  /** The service has said what it has since then. */
  #isGreeted = false;
  /** Up to here it is written down that the service lost what the spool no longer holds. */
  #goneThrough = 0;
  /** The last entry that `read` gave out: it may be on its way. */
  #attempted: number;
  #writtenCursor: number;
  #cursorAtMs: number;
  #lastSyncMs = Number.NEGATIVE_INFINITY;
  #hasReserve = false;
  readonly #slot: SegmentSlot = {};
  #turn: Promise<unknown> = Promise.resolve();
  #isClosed = false;
  #maintenance: Timer | undefined;
  onDurable: () => void = () => {};

  private constructor(
    world: SpoolWorld,
    options: SpoolOptions,
    state: Recovered & {
      readonly marks: MarkTable;
      readonly cursorFile: CursorFile;
      readonly epoch: string;
      readonly epochStart: number;
      readonly forwarded: number;
      readonly outputs: SpoolOutputs;
      readonly unheardAfter: number | undefined;
    },
  ) {
    this.#world = world;
    this.#options = options;
    this.#cursorFile = state.cursorFile;
    this.#marks = state.marks;
    this.#segments = state.segments;
    this.#list = new SegmentList(world, SPOOL_FOLDER, state.segments, () => this.#exclusive(async () => {}));
    this.#knownGaps = state.knownGaps;
    this.#nextSegmentNumber = state.nextSegmentNumber;
    // After a restored or damaged disk the cursor may be ahead: positions are never given twice in an epoch.
    this.#durable = Math.max(state.lastPosition, state.forwarded, state.outputs.highest);
    this.#forwarded = state.forwarded;
    this.#attempted = state.forwarded;
    this.#openedAt = this.#durable;
    this.#hasUnheardFile = state.unheardAfter !== undefined;
    this.#unheardAfter = Math.min(this.#openedAt, state.unheardAfter ?? Number.POSITIVE_INFINITY);
    this.#sentBefore = this.#unheardAfter;
    this.#epoch = state.epoch;
    this.#epochStart = state.epochStart;
    this.#writtenCursor = state.forwarded;
    this.#cursorAtMs = world.clock.monotonicMs();
    this.#tail = new SpoolTail(options.tailBytesMax);
    this.#outputs = state.outputs;
    if (world.dating !== undefined) world.dating.onShown = () => this.#tellDurable();
  }

  /**
   * Opens the spool in the disk's folder `spool`, making one where there is none. Damage found is written down as loss records.
   * @throws what the disk throws when it can be neither read nor written.
   */
  static async open(
    world: SpoolWorld,
    given: Partial<SpoolOptions> & { readonly gatewaySrc: string },
  ): Promise<Spool> {
    const options: SpoolOptions = { ...SPOOL_DEFAULTS, ...given };
    if (options.bytesMax < 4 * options.segmentBytes + options.reserveBytes) {
      throw new RangeError("bytesMax: must hold at least four segments and the reserve");
    }
    const { disk, random, counters, log } = world;
    const cursorFile = new CursorFile(disk, SPOOL_FOLDER);
    const { cursor, damagedCount } = await cursorFile.read();
    if (damagedCount > 0) counters.add("spool_damaged_cursors_total", damagedCount);
    const marks = new MarkTable();
    const recovered = await recover(world, SPOOL_FOLDER, cursor, marks);
    const epoch = cursor?.epoch ?? recovered.epoch ?? Buffer.from(random.bytes(EPOCH_BYTES)).toString("hex");
    const epochStart = cursor?.epochStart ?? recovered.epochStart ?? 1;
    // Without a cursor the service says on connect what it has.
    const oldest = recovered.segments[0]?.header.firstPosition ?? 1;
    const forwarded = cursor?.forwarded ?? Math.max(oldest, epochStart) - 1;
    const durable = Math.max(recovered.lastPosition, forwarded);
    const unheard = await insist(() => disk.read(UNHEARD_FILE));
    const outputs = await SpoolOutputs.open(world, () => spool.#access, options.outputs, {
      folder: SPOOL_FOLDER,
      durable,
      oldest: recovered.segments[0]?.header.firstPosition ?? durable + 1,
      epoch,
    });
    const spool: Spool = new Spool(world, options, {
      ...recovered,
      marks,
      cursorFile,
      epoch,
      epochStart,
      forwarded,
      outputs,
      unheardAfter: unheard && positionIn(unheard),
    });
    if (cursor === undefined) await cursorFile.writeBoth({ epoch, epochStart, forwarded });
    for (const number of recovered.emptyNumbers) await disk.remove(segmentPath(SPOOL_FOLDER, number));
    log.info(
      { segments: recovered.segments.length, waitingEntries: spool.waitingEntries, epoch },
      "spool open",
    );
    spool.#noteForwarded();
    await spool.#restoreReserve();
    await spool.#secureTail();
    await spool.#noteDamage(recovered);
    return spool;
  }

  /** 16 hex digits; changes where the disk is older than what the service has seen of it. */
  get epoch(): string {
    return this.#epoch;
  }

  /** The last durable entry's position; of those that may be read. */
  get durable(): number {
    const { hiddenFrom = Number.POSITIVE_INFINITY } = this.#world.dating ?? {};
    return Math.min(this.#durable, hiddenFrom - 1);
  }

  /** The service has everything up to here. */
  get position(): number {
    return this.#forwarded;
  }

  /** Entries that the service does not have yet. */
  get waitingEntries(): number {
    return Math.max(0, this.#durable - this.#forwarded);
  }

  /** Of all segments. */
  get bytes(): number {
    return this.#segments.reduce((sum, { bytes }) => sum + bytes, 0);
  }

  /** One of the outputs that it was opened with. */
  output(name: string): SpoolOutput {
    return this.#outputs.get(name);
  }

  get segmentCount(): number {
    return this.#segments.length;
  }

  /** The highest seq of the boot that went in, or undefined where the spool does not know the boot. */
  markOf(src: string, boot: string): number | undefined {
    return this.#marks.get(src, boot);
  }

  /**
   * Resolves when the entries are durable.
   * @throws SpoolUnavailable when they are not (disk full or failing, spool full); nothing of the call counts then.
   */
  commit(entries: readonly NewEntry[]): Promise<void> {
    return this.#exclusive(async () => {
      await this.#pauseForInterval();
      await this.#write(entries, false);
    });
  }

  /**
   * Entries behind a position, in order; positions may be missing where something was lost. Empty: there are none.
   * @throws what the disk throws when a segment cannot be read.
   */
  async read(after: number, bounds: ReadBounds): Promise<readonly SpoolRecord[]> {
    const given = await this.#read(after, bounds, this.#slot);
    this.#noteAttempted(given);
    return given;
  }

  #noteAttempted(given: readonly SpoolRecord[]): void {
    this.#attempted = Math.max(this.#attempted, given.at(-1)?.position ?? 0);
  }

  async #read(after: number, bounds: ReadBounds, slot: SegmentSlot): Promise<readonly SpoolRecord[]> {
    const { dating } = this.#world;
    if (after + 1 >= (dating?.hiddenFrom ?? Number.POSITIVE_INFINITY)) await dating?.untilShown();
    const found = await this.#find(after, bounds, slot);
    const hiddenFrom = dating?.hiddenFrom ?? Number.POSITIVE_INFINITY;
    const given: SpoolRecord[] = [];
    let bytes = 0;
    for (const record of found) {
      bytes += record.payload.length;
      if (record.position >= hiddenFrom || (given.length > 0 && bytes > bounds.bytesMax)) break;
      given.push(dating?.dated(record) ?? record);
    }
    if (slot === this.#slot) this.#noteAttempted(given);
    return given;
  }

  async #find(after: number, bounds: ReadBounds, slot: SegmentSlot): Promise<readonly SpoolRecord[]> {
    const found = this.#tail.from(after + 1, bounds.entriesMax);
    if (found === undefined) return this.#readSegments(after, bounds, slot);
    delete slot.scan;
    return found;
  }

  /** What the service does not get becomes loss records: there is nothing to tell it. */
  takeEvictedCount(): number {
    return 0;
  }

  /** The service has everything up to here: more than before, or less where it lost something. */
  async confirm(position: number): Promise<void> {
    this.#forwarded = Math.min(position, this.#durable);
    this.#noteForwarded();
    await this.#advanced();
  }

  async #advanced(): Promise<void> {
    this.#tail.dropThrough(Math.min(this.#forwarded, this.#outputs.lowest));
    const now = this.#world.clock.monotonicMs();
    const isDue = this.#isCursorBehind && now - this.#cursorAtMs >= this.#options.cursorPeriodMs;
    const isRemovable = this.#isPastHorizon(this.#segments[0]) && !this.#isWaitedFor(this.#segments[0]);
    if (isDue || isRemovable) await this.#exclusive(() => this.#sweep(isDue));
  }

  get #access(): SpoolAccess {
    return {
      durable: this.durable,
      read: (after, bounds, slot) => this.#read(after, bounds, slot),
      advanced: () => this.#advanced(),
    };
  }

  /**
   * What the service answered on connect: up to where it has this epoch, 0 for none of it. More than was ever sent from here
   * means that this disk is an older copy. What it held when it was opened the service has then, and what came since gets an
   * epoch of its own, for its positions were given to other entries before. So does what was written in earlier lives that never
   * heard the service.
   */
  async greet(servicePosition: number): Promise<void> {
    const sent = this.#isGreeted ? Math.max(this.#attempted, this.#sentBefore) : this.#unheardAfter;
    if (servicePosition > sent) {
      await this.#exclusive(() => this.#startEpoch(this.#isGreeted ? this.#forwarded : this.#unheardAfter));
      await this.#heard();
      return;
    }
    await this.#heard();
    this.#attempted = Math.max(this.#attempted, servicePosition);
    // What was sent under an earlier epoch is never sent under this one.
    const oldest = Math.max(this.#epochStart, this.#segments[0]?.header.firstPosition ?? this.#durable + 1);
    if (servicePosition < this.#forwarded) {
      this.#world.counters.add("spool_rewinds_total");
      await this.#noteGone({
        first: Math.max(servicePosition + 1, this.#epochStart),
        last: Math.min(oldest - 1, this.#forwarded),
      });
    }
    await this.confirm(Math.max(servicePosition, oldest - 1));
  }

  /** Before anything is sent of what the file speaks of. */
  async #heard(): Promise<void> {
    await this.#exclusive(async () => {
      if (this.#hasUnheardFile) await this.#world.disk.remove(UNHEARD_FILE);
      this.#hasUnheardFile = false;
      this.#isGreeted = true;
    });
  }

  /** An older copy of the disk must be known for one also in the lives after this one. */
  async #noteUnheard(): Promise<void> {
    if (this.#isGreeted || this.#hasUnheardFile) return;
    await this.#world.disk.replace(UNHEARD_FILE, Buffer.from(`${this.#unheardAfter}\n`));
    this.#hasUnheardFile = true;
  }

  /** Loss records for entries that will never be sent, durable when it resolves. */
  giveUp(entries: readonly NewEntry[], why: string): Promise<void> {
    return this.#exclusive(async () => this.#write(await lossesOf(entries, this.#event(why)), true));
  }

  /** Looks after itself from now on, until it is closed. */
  start(): void {
    this.#maintenance = this.#world.timers.every(MAINTAIN_MS, () => {
      this.maintain().catch((error: Error) =>
        this.#world.log.warn({ error: error.message }, "the spool's cursor could not be written"),
      );
    });
  }

  /** Writes the cursor, and removes what was kept for the replay horizon long enough. To be called from time to time. */
  maintain(): Promise<void> {
    return this.#exclusive(() => this.#sweep(this.#isCursorBehind));
  }

  /** Leaves the cursor where it is now. */
  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#maintenance?.cancel();
    await this.#exclusive(async () => {
      this.#isClosed = true;
      await this.#writer?.close();
      this.#writer = undefined;
      if (this.#isCursorBehind) await this.#writeCursors();
    }).catch((error: Error) =>
      this.#world.log.warn({ error: error.message }, "the spool's cursor could not be written"),
    );
  }

  #exclusive<T>(task: () => Promise<T>): Promise<T> {
    const result = this.#turn.then(task);
    this.#turn = result.catch(() => {});
    return result;
  }

  async #pauseForInterval(): Promise<void> {
    const { clock, timers } = this.#world;
    const waitMs = this.#lastSyncMs + this.#options.commitIntervalMs - clock.monotonicMs();
    if (waitMs > 0) await new Promise<void>((resolve) => timers.after(waitMs, resolve));
  }

  /** @param isReserved may use the reserve: loss records. */
  async #write(
    entries: readonly NewEntry[],
    isReserved: boolean,
    notes: readonly PositionRange[] = [],
  ): Promise<void> {
    if (this.#isClosed) throw new SpoolUnavailable("it is closed");
    const payloads = entries.map(encodeIngestEntry);
    if (payloads.length + notes.length === 0) return;
    const entryBytes = payloads.reduce((sum, { length }) => sum + RECORD_HEAD_BYTES + length, 0);
    const headBytes = this.#isSegmentOpen ? 0 : sizeOf(this.#headRecords());
    if (!isReserved) await this.#tryMakeRoom(HEADER_BYTES + headBytes + entryBytes);
    const records = payloads.map(
      (payload, index): SpoolRecord => ({
        kind: RecordKind.Entry,
        position: this.#durable + 1 + index,
        payload,
      }),
    );
    const last = this.#durable + records.length;
    const all: SpoolRecord[] = [...records];
    if (notes.length > 0) all.push({ kind: RecordKind.Damage, position: last, payload: encodeRanges(notes) });
    try {
      await this.#noteUnheard();
      const writer = this.#isSegmentOpen ? this.#writer : undefined;
      await (writer === undefined ? this.#writeToNew(all) : writer.write(encodeRecords(this.#epoch, all)));
    } catch (error) {
      throw await this.#failed(error);
    }
    this.#lastSyncMs = this.#world.clock.monotonicMs();
    this.#world.counters.add("spool_syncs_total");
    this.#world.counters.add("spool_written_bytes_total", entryBytes);
    this.#durable = last;
    const segment = this.#writer?.segment;
    if (segment !== undefined) {
      segment.lastPosition = last;
      // It was forwarded once, as far as it went then.
      if (records.length > 0) segment.forwardedAtMs = undefined;
    }
    for (const entry of entries) this.#marks.add(entry);
    this.#tail.push(records);
    if (!this.#hasReserve && !isReserved) await this.#restoreReserve();
    if (records.length === 0) return;
    this.#tellDurable();
  }

  #tellDurable(): void {
    this.onDurable();
    this.#outputs.tellDurable();
  }

  async #writeToNew(records: readonly SpoolRecord[]): Promise<void> {
    const { number, header, content } = this.#newSegment(records);
    await this.#openWriter(number, header);
    await this.#writer?.write(content);
  }

  async #openWriter(number: number, header: SegmentHeader): Promise<void> {
    await this.#writer?.close();
    this.#writer = undefined;
    const writer = await SegmentWriter.open(this.#world.disk, SPOOL_FOLDER, number, header);
    this.#segments.push(writer.segment);
    this.#writer = writer;
  }

  /** A segment that begins with the records behind the last durable one. */
  #newSegment(records: readonly SpoolRecord[]) {
    const number = this.#nextSegmentNumber++;
    const header: SegmentHeader = {
      epoch: this.#epoch,
      epochStart: this.#epochStart,
      firstPosition: this.#durable + 1,
      createdMs: Math.max(0, this.#world.clock.wallMs()),
    };
    const all = [...this.#headRecords(), ...records];
    const content = Buffer.concat([encodeHeader(header), encodeRecords(this.#epoch, all)]);
    return { number, header, content };
  }

  /** The newest segment takes more. */
  get #isSegmentOpen(): boolean {
    return this.#writer !== undefined && this.#writer.segment.bytes < this.#options.segmentBytes;
  }

  /** What an opening must know of the segments before the next one, so that it need not read them. */
  #headRecords(): readonly SpoolRecord[] {
    const position = this.#durable;
    const head: SpoolRecord[] = [{ kind: RecordKind.Marks, position, payload: this.#marks.encode() }];
    if (this.#knownGaps.length > 0)
      head.push({ kind: RecordKind.Damage, position, payload: encodeRanges(this.#knownGaps) });
    return head;
  }

  /** The segment is given up: what a failed write or sync left in it does not count, and is written anew into another. */
  async #failed(cause: unknown): Promise<SpoolUnavailable> {
    const { counters, log, disk } = this.#world;
    const writer = this.#writer;
    this.#writer = undefined;
    const isFull = isDiskFull(cause);
    counters.add(isFull ? "spool_disk_full_total" : "spool_write_failures_total");
    const reason = isFull ? "its disk is full" : cause instanceof Error ? cause.message : String(cause);
    log.error({ error: reason, segment: writer?.segment.number }, "the spool could not be written");
    await writer?.close();
    try {
      if (isFull) await this.#spendReserve();
      if (writer !== undefined && writer.segment.lastPosition < writer.segment.header.firstPosition) {
        await disk.remove(segmentPath(SPOOL_FOLDER, writer.segment.number));
        this.#segments.splice(this.#segments.indexOf(writer.segment), 1);
      }
      if (isFull) await this.#shrink();
    } catch (error) {
      log.warn({ error: String(error) }, "the spool could not make room on the disk");
    }
    return new SpoolUnavailable(reason, { cause });
  }

  /** For a full disk: what the service has goes, and where outputs wait for all of that, the oldest segment. */
  async #shrink(): Promise<void> {
    const before = this.#segments.length;
    await this.#sweep(true, { horizonMs: 0 });
    let left = this.#segments.length < before ? 0 : 1;
    await this.#sweep(false, { horizonMs: 0, waits: false, isWanted: () => left-- > 0 });
  }

  /** @throws SpoolUnavailable also where the disk fails on the way: what came is offered again. */
  async #tryMakeRoom(neededBytes: number): Promise<void> {
    try {
      await this.#makeRoom(neededBytes);
    } catch (error) {
      if (error instanceof SpoolUnavailable) throw error;
      throw new SpoolUnavailable(error instanceof Error ? error.message : String(error), { cause: error });
    }
  }

  /** @throws SpoolFull, and what the disk throws. */
  async #makeRoom(neededBytes: number): Promise<void> {
    const { bytesMax, reserveBytes, whenFull } = this.#options;
    const isOver = (): boolean => this.bytes + neededBytes > bytesMax - reserveBytes;
    if (!isOver()) return;
    await this.#sweep(false, { horizonMs: 0, waits: false, isWanted: isOver });
    // Loss records take room too: evicting ends where it would only turn them over.
    for (let evictionsLeft = this.#segments.length; isOver(); evictionsLeft--) {
      if (evictionsLeft === 0 || whenFull !== "evict" || !(await this.#evictOldest())) {
        this.#world.counters.add("spool_full_commits_total");
        throw new SpoolFull(bytesMax);
      }
    }
  }

  /** The oldest segment of which nothing was ever sent becomes loss records. False: there is none. */
  async #evictOldest(): Promise<boolean> {
    // Nobody knows what was on its way when the last life ended, until the service says so.
    const sent = Math.max(this.#attempted, this.#forwarded, this.#isGreeted ? 0 : this.#openedAt);
    const index = this.#segments.findIndex(
      (each) =>
        each !== this.#writer?.segment &&
        each !== this.#slot.scan?.segment &&
        each.header.firstPosition > sent,
    );
    const segment = this.#segments[index];
    if (segment === undefined) return false;
    segment.isGoing = true;
    try {
      await this.#evict(segment, index);
    } finally {
      segment.isGoing = false;
    }
    return true;
  }

  async #evict(segment: Segment, index: number): Promise<void> {
    const range = { first: segment.header.firstPosition, last: this.#list.lastOf(index) };
    this.#tail.dropThrough(range.last);
    let entryCount = 0;
    const entries = async function* (list: SegmentList): AsyncGenerator<NewEntry> {
      for await (const { payload } of list.entriesOf(index)) {
        const entry = decodeIngestEntry(payload);
        if (!entry.ok) continue;
        entryCount += 1;
        yield entry.value;
      }
    };
    const losses = await lossesOf(entries(this.#list), this.#event("evicted: the spool was full"));
    await this.#write(losses, true, range.last >= range.first ? [range] : []);
    this.#addGaps([range]);
    // The loss records tell it to the outputs too.
    this.#outputs.noteEvicted(range, false);
    await this.#remove(segment);
    this.#world.counters.add("spool_evicted_entries_total", entryCount);
    this.#world.log.warn({ entries: entryCount }, "the spool is full: the oldest entries were given up");
  }

  /**
   * Removes segments from the oldest on, once the cursors past them are durable.
   * @param waits whether for the outputs; without, what they have not got goes too.
   */
  async #sweep(
    writesCursors: boolean,
    {
      horizonMs = this.#options.replayHorizonMs,
      waits = true,
      isWanted = () => true,
    }: { readonly horizonMs?: number; readonly waits?: boolean; readonly isWanted?: () => boolean } = {},
  ): Promise<void> {
    if (this.#isClosed) return;
    if (writesCursors) await this.#writeCursors();
    for (;;) {
      const oldest = this.#segments[0];
      if (!this.#isPastHorizon(oldest, horizonMs) || oldest === undefined || !isWanted()) return;
      if (waits && this.#isWaitedFor(oldest)) return;
      const { lastPosition, header } = oldest;
      if (this.#writtenCursor < lastPosition) await this.#writeCursor();
      await this.#outputs.writeCursors(this.#cursor, lastPosition);
      if (!this.#isPastHorizon(oldest)) this.#world.counters.add("spool_horizon_cut_short_total");
      this.#outputs.noteEvicted({ first: header.firstPosition, last: this.#list.lastOf(0) }, true);
      await this.#remove(oldest);
    }
  }

  /** An output has not got all of it. */
  #isWaitedFor(segment: Segment | undefined): boolean {
    return segment !== undefined && this.#outputs.lowest < segment.lastPosition;
  }

  #isPastHorizon(segment: Segment | undefined, horizonMs = this.#options.replayHorizonMs): boolean {
    if (segment === undefined || segment === this.#writer?.segment || segment.forwardedAtMs === undefined)
      return false;
    return this.#world.clock.monotonicMs() - segment.forwardedAtMs >= horizonMs;
  }

  async #remove(segment: Segment): Promise<void> {
    await this.#world.disk.remove(segmentPath(SPOOL_FOLDER, segment.number));
    this.#segments.splice(this.#segments.indexOf(segment), 1);
    if (this.#slot.scan?.segment === segment) delete this.#slot.scan;
    this.#outputs.forget(segment.number);
    this.#world.counters.add("spool_removed_segments_total");
  }

  #noteForwarded(): void {
    const nowMs = this.#world.clock.monotonicMs();
    for (const segment of this.#segments) {
      if (segment.lastPosition > this.#forwarded) segment.forwardedAtMs = undefined;
      else segment.forwardedAtMs ??= nowMs;
    }
  }

  get #cursor(): Cursor {
    return { epoch: this.#epoch, epochStart: this.#epochStart, forwarded: this.#forwarded };
  }

  get #isCursorBehind(): boolean {
    return this.#forwarded !== this.#writtenCursor || this.#outputs.isCursorBehind;
  }

  /** All that are behind. */
  async #writeCursors(): Promise<void> {
    if (this.#forwarded !== this.#writtenCursor) await this.#writeCursor();
    await this.#outputs.writeCursors(this.#cursor);
    this.#cursorAtMs = this.#world.clock.monotonicMs();
  }

  async #writeCursor(): Promise<void> {
    const cursor = this.#cursor;
    await this.#cursorFile.write(cursor);
    this.#writtenCursor = cursor.forwarded;
    this.#world.counters.add("spool_cursor_writes_total");
  }

  /** @param through the last position that belongs to the epoch before. */
  async #startEpoch(through: number): Promise<void> {
    const { random, counters, log } = this.#world;
    const epoch = Buffer.from(random.bytes(EPOCH_BYTES)).toString("hex");
    const epochStart = through + 1;
    await this.#cursorFile.writeBoth({ epoch, epochStart, forwarded: through });
    counters.add("spool_new_epochs_total");
    log.warn(
      { before: this.#epoch, epoch },
      "the spool's disk is older than what the service has of it: a new epoch begins",
    );
    this.#epoch = epoch;
    this.#epochStart = epochStart;
    this.#forwarded = through;
    this.#writtenCursor = through;
    this.#attempted = through;
    this.#sentBefore = through;
    await this.#writer?.close();
    this.#writer = undefined;
    this.#noteForwarded();
  }

  /** Boards go on being acked meanwhile. */
  async #readSegments(after: number, bounds: ReadBounds, slot: SegmentSlot): Promise<readonly SpoolRecord[]> {
    for (let from = after; ; ) {
      const part = await this.#list.read(from, bounds, slot);
      if (part === undefined) return [];
      const missing = missingIn(part, from);
      if (missing.length > 0) await this.#exclusive(() => this.#noteUnreadable(missing));
      if (part.records.length > 0) return part.records;
      from = part.through;
    }
  }

  /** Entries that were there when the spool was opened, or were written since, and cannot be read now. */
  async #noteUnreadable(missing: readonly PositionRange[]): Promise<void> {
    const unknown = missing.flatMap((range) => without(range, this.#knownGaps));
    if (unknown.length === 0) return;
    // What the service has is not lost, though an output will not get it.
    const hadByService = { first: 0, last: this.#forwarded };
    const news = unknown.flatMap((range) => without(range, [hadByService]));
    const onlyMissed = unknown.flatMap((range) => without(range, news));
    if (onlyMissed.length > 0) {
      this.#addGaps(onlyMissed);
      this.#world.counters.add("spool_damaged_entries_total", countOf(onlyMissed));
      this.#world.log.error(
        { entries: countOf(onlyMissed) },
        "entries that an output has not got are damaged",
      );
    }
    if (news.length === 0) return;
    // Slow, and seldom: which seqs stood there is told by what stands around them.
    const quiet = { ...this.#world, counters: new CounterTable() };
    const { holes } = await recoverAll(quiet, SPOOL_FOLDER, this.#cursor, new MarkTable());
    await this.#noteDamage({ damages: news, holes });
  }

  /**
   * A process that was killed may have left entries that were written and never synced. Those that the service does not have are
   * written anew before anybody relies on them: a sync of the old file could succeed for pages that an earlier failure dropped.
   */
  async #secureTail(): Promise<void> {
    const index = this.#segments.length - 1;
    const segment = this.#segments[index];
    const had = Math.min(this.#forwarded, this.#outputs.lowest);
    if (segment === undefined || segment.lastPosition <= had) return;
    const records = await insist(() => this.#entriesBehind(index, had));
    const first = records[0];
    if (first === undefined) return;
    const last = this.#durable;
    this.#durable = first.position - 1;
    try {
      // In one step: half of it would stand for all that the old segment has from there on.
      const { number, header, content } = this.#newSegment(records);
      if (!(await this.#hasRoomBeside(content.length))) {
        await this.#writeInPlace(segment);
        this.#durable = last;
        return;
      }
      await this.#world.disk.replace(segmentPath(SPOOL_FOLDER, number), content);
      await this.#openWriter(number, header);
      const written = this.#segments.at(-1);
      if (written !== undefined) written.lastPosition = last;
      // A gateway that crashes again and again must not fill its disk with what it wrote anew each time.
      if (segment.header.firstPosition >= first.position) await this.#removeSuperseded(segment);
    } catch (error) {
      await this.#failed(error);
      // A full disk must not keep the gateway from emptying it.
      const file = await this.#world.disk.openAppend(segmentPath(SPOOL_FOLDER, segment.number));
      await file.sync();
      await file.close();
    }
    this.#durable = last;
  }

  /** For what is written a second time: what the service has goes for it. */
  async #hasRoomBeside(neededBytes: number): Promise<boolean> {
    const isOver = (): boolean => this.bytes + neededBytes > this.#options.bytesMax;
    if (isOver()) await this.#sweep(false, { horizonMs: 0, waits: false, isWanted: isOver });
    return !isOver();
  }

  /** All of a segment anew under its own name: the spool is at its bound. */
  async #writeInPlace(segment: Segment): Promise<void> {
    const index = this.#segments.indexOf(segment);
    const records = await insist(() => this.#entriesBehind(index, 0));
    this.#durable = segment.header.firstPosition - 1;
    const { header, content } = this.#newSegment(records);
    await this.#world.disk.replace(segmentPath(SPOOL_FOLDER, segment.number), content);
    this.#segments[index] = { ...segment, header, bytes: content.length };
  }

  async #entriesBehind(index: number, after: number): Promise<readonly SpoolRecord[]> {
    const records: SpoolRecord[] = [];
    for await (const record of this.#list.entriesOf(index, after)) records.push(record);
    return records;
  }

  /** All that it holds stands in a newer segment. */
  async #removeSuperseded(segment: Segment): Promise<void> {
    try {
      await this.#world.disk.remove(segmentPath(SPOOL_FOLDER, segment.number));
      this.#segments.splice(this.#segments.indexOf(segment), 1);
    } catch (error) {
      this.#world.log.warn({ error: String(error) }, "the spool could not remove what it wrote anew");
    }
  }

  async #noteDamage({ damages, holes }: Pick<Recovered, "damages" | "holes">): Promise<void> {
    if (damages.length === 0) return;
    const event = this.#event("damaged in the spool");
    const losses: NewEntry[] = [];
    let restCount = 0;
    const all = [...this.#knownGaps, ...damages];
    for (const range of damages) {
      const explained = holes.explain(range, all);
      for (const { src, lost } of explained.holes) losses.push(lossOfRange(src, lost, event));
      restCount += explained.restCount;
    }
    if (restCount > 0) losses.push(lossOfCount(event.gatewaySrc, restCount, event));
    this.#world.counters.add("spool_damaged_entries_total", countOf(damages));
    this.#world.log.error({ entries: countOf(damages) }, "entries in the spool are damaged and lost");
    this.#addGaps(damages);
    await this.#write(losses, true, damages);
  }

  /** What the service had and lost, and the spool let go of in the meantime. */
  async #noteGone({ first, last }: PositionRange): Promise<void> {
    if (last < first || last <= this.#goneThrough) return;
    const event = this.#event("the service lost these after it had them, and the spool no longer holds them");
    const count = last - first + 1;
    this.#world.counters.add("spool_gone_entries_total", count);
    this.#world.log.error({ entries: count }, "the service lost entries that the spool no longer holds");
    await this.#exclusive(() => this.#write([lossOfCount(event.gatewaySrc, count, event)], true));
    this.#goneThrough = last;
  }

  #addGaps(ranges: readonly PositionRange[]): void {
    const oldest = this.#segments[0]?.header.firstPosition ?? 0;
    const standing = this.#knownGaps.filter(({ last }) => last >= oldest);
    this.#knownGaps.splice(0, this.#knownGaps.length, ...standing, ...ranges);
  }

  #event(why: string): LossEvent {
    return { why, receivedMs: Math.max(0, this.#world.clock.wallMs()), gatewaySrc: this.#options.gatewaySrc };
  }

  async #spendReserve(): Promise<void> {
    if (!this.#hasReserve) return;
    this.#hasReserve = false;
    await this.#world.disk.remove(RESERVE_FILE);
  }

  async #restoreReserve(): Promise<void> {
    if (this.#hasReserve) return;
    try {
      const there = await this.#world.disk.read(RESERVE_FILE);
      if (there?.length !== this.#options.reserveBytes) {
        await this.#world.disk.replace(RESERVE_FILE, new Uint8Array(this.#options.reserveBytes).fill(0x2e));
      }
      this.#hasReserve = true;
    } catch (error) {
      this.#world.log.warn({ error: String(error) }, "the spool has no reserve on the disk");
    }
  }
}

/** What stands in the file; a damaged one says nothing. */
function positionIn(file: Uint8Array): number | undefined {
  const digits = /^(\d{1,15})\n$/.exec(Buffer.from(file).toString("latin1"))?.[1];
  return digits === undefined ? undefined : Number(digits);
}

/** Positions between a position and the end of what was read of a segment that have no entry. */
function missingIn({ segment, records, through }: SegmentPart, after: number): readonly PositionRange[] {
  const missing: PositionRange[] = [];
  let next = Math.max(after + 1, segment.header.firstPosition);
  for (const { position } of records) {
    if (position > next) missing.push({ first: next, last: position - 1 });
    next = position + 1;
  }
  if (next <= through) missing.push({ first: next, last: through });
  return missing;
}

function countOf(ranges: readonly PositionRange[]): number {
  return ranges.reduce((sum, { first, last }) => sum + last - first + 1, 0);
}

function sizeOf(records: readonly SpoolRecord[]): number {
  return records.reduce((sum, { payload }) => sum + RECORD_HEAD_BYTES + payload.length, 0);
}
