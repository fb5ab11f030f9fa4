import type { Clock, Timer, Timers } from "../../host/clock.ts";
import type { Counters } from "../../host/counters.ts";
import type { Disk } from "../../host/disk.ts";
import type { ProcessLog } from "../../host/log.ts";
import { OneByOne } from "../../host/one-by-one.ts";
import { pause } from "../../host/pause.ts";
import type { Random } from "../../host/random.ts";
import type { NewEntry } from "../../protocol/entry.ts";
import { CursorFile } from "./cursor.ts";
import { MarkTable } from "./mark-table.ts";
import { ReserveFile } from "./reserve-file.ts";
import { segmentPath } from "./segment.ts";
import { SegmentList } from "./segment-list.ts";
import type { SegmentSlot } from "./segment-scan.ts";
import { SegmentSweep } from "./segment-sweep.ts";
import { newEpoch, ServiceCursor } from "./service-cursor.ts";
import { readUnheard, ServiceGreeting, type Unheard } from "./service-greeting.ts";
import { SpoolDamage } from "./spool-damage.ts";
import type { SpoolDating } from "./spool-dating.ts";
import { hiddenFromOf, SpoolEntries } from "./spool-entries.ts";
import { type LossEvent, lossesOf, type PositionRange } from "./spool-loss.ts";
import { type SpoolAccess, type SpoolOutput, type SpoolOutputSetting, SpoolOutputs } from "./spool-output.ts";
import type { ReadBounds, SpoolReader } from "./spool-reader.ts";
import type { SpoolRecord } from "./spool-record.ts";
import { type Recovered, recover } from "./spool-recovery.ts";
import { SpoolRoom } from "./spool-room.ts";
import { SpoolTail } from "./spool-tail.ts";
import { SpoolWriter } from "./spool-writer.ts";
import { UnsyncedTail } from "./unsynced-tail.ts";

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
const MAINTAIN_MS = 10_000;

/** What an opening found. */
interface Opened extends Recovered {
  readonly marks: MarkTable;
  readonly cursor: ServiceCursor;
  readonly outputs: SpoolOutputs;
  readonly unheard: Unheard;
}

/**
 * Durable store-and-forward: an append-only log of segments (docs/gateway.md, Spool). An entry that `commit` resolved for comes
 * back from `read` after any crash, until `confirm` says that the service has it and the replay horizon has passed.
 *
 * It puts its parts together, each of which says what it asks of the others: who writes (`spool-writer.ts`), who reads
 * (`spool-entries.ts`), what goes when (`segment-sweep.ts`, `spool-room.ts`), what was lost (`spool-damage.ts`), and how far the
 * service has it (`service-cursor.ts`, `service-greeting.ts`).
 */
export class Spool implements SpoolReader {
  readonly #world: SpoolWorld;
  readonly #options: SpoolOptions;
  /** Whatever changes segments or cursors. */
  readonly #changes = new OneByOne();
  readonly #list: SegmentList;
  readonly #tail: SpoolTail;
  readonly #cursor: ServiceCursor;
  readonly #outputs: SpoolOutputs;
  readonly #writer: SpoolWriter;
  readonly #entries: SpoolEntries;
  readonly #sweep: SegmentSweep;
  readonly #room: SpoolRoom;
  readonly #damage: SpoolDamage;
  readonly #greeting: ServiceGreeting;
  readonly #reserve: ReserveFile;
  /** Where the service reads. */
  readonly #slot: SegmentSlot = {};
  #isClosed = false;
  #maintenance: Timer | undefined;
  onDurable: () => void = () => {};

  private constructor(world: SpoolWorld, options: SpoolOptions, opened: Opened) {
    const spool = this;
    const { cursor, outputs, marks, nextSegmentNumber } = opened;
    const folder = SPOOL_FOLDER;
    // After a restored or damaged disk the cursor may be ahead: positions are never given twice in an epoch.
    const durable = Math.max(opened.lastPosition, cursor.forwarded, outputs.highest);
    const exclusive = (task: () => Promise<void>): Promise<void> => this.#changes.run(task);
    const lossEvent = (why: string): LossEvent => this.#lossEvent(why);
    const writeLosses = (losses: readonly NewEntry[], notes: readonly PositionRange[]): Promise<void> =>
      this.#writer.write(losses, { isReserved: true, notes });
    this.#world = world;
    this.#options = options;
    this.#cursor = cursor;
    this.#outputs = outputs;
    this.#tail = new SpoolTail(options.tailBytesMax);
    this.#reserve = new ReserveFile(world, folder, options.reserveBytes);
    const list = new SegmentList(world, folder, opened.segments, () => exclusive(async () => {}));
    this.#list = list;
    this.#damage = new SpoolDamage(
      world,
      {
        folder,
        cursor,
        get oldestPosition() {
          return list.all[0]?.header.firstPosition ?? 0;
        },
        exclusive,
        lossEvent,
        writeLosses,
      },
      opened.knownGaps,
    );
    this.#greeting = new ServiceGreeting(
      world,
      {
        cursor,
        get oldestPosition() {
          return list.all[0]?.header.firstPosition ?? spool.#writer.durable + 1;
        },
        exclusive,
        endSegment: async () => {
          await this.#writer.endSegment();
          this.#sweep.noteForwarded();
        },
        noteGone: (range) => this.#damage.noteGone(range),
        confirm: (position) => this.confirm(position),
      },
      { folder, openedAt: durable, unheard: opened.unheard },
    );
    this.#writer = new SpoolWriter(
      world,
      {
        folder,
        cursor,
        list,
        damage: this.#damage,
        reserve: this.#reserve,
        room: {
          make: (neededBytes) => this.#room.make(neededBytes),
          shrink: () => this.#room.shrink(),
        },
        tail: this.#tail,
        beforeWrite: () => this.#greeting.noteUnheard(),
        afterWrite: () => this.#tellDurable(),
      },
      { marks, nextSegmentNumber, durable },
      options,
    );
    this.#sweep = new SegmentSweep(
      world,
      {
        list,
        cursor,
        outputs,
        writer: this.#writer,
        forget: ({ number }) => {
          if (this.#slot.scan?.segment.number === number) delete this.#slot.scan;
          outputs.forget(number);
        },
      },
      options,
    );
    this.#room = new SpoolRoom(
      world,
      {
        list,
        sweep: this.#sweep,
        get sentThrough() {
          return Math.max(spool.#greeting.maySentThrough, cursor.forwarded);
        },
        isInUse: (segment) => segment === this.#writer.segment || segment === this.#slot.scan?.segment,
        tail: this.#tail,
        damage: this.#damage,
        outputs,
        lossEvent,
        writeLosses,
      },
      options,
    );
    this.#entries = new SpoolEntries({
      tail: this.#tail,
      list,
      dating: world.dating,
      noteUnreadable: (missing) => exclusive(() => this.#damage.noteUnreadable(missing)),
    });
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
    const folder = SPOOL_FOLDER;
    const cursorFile = new CursorFile(disk, folder);
    const { cursor, damagedCount } = await cursorFile.read();
    if (damagedCount > 0) counters.add("spool_damaged_cursors_total", damagedCount);
    const marks = new MarkTable();
    const recovered = await recover(world, folder, cursor, marks);
    const epoch = cursor?.epoch ?? recovered.epoch ?? newEpoch(random);
    const epochStart = cursor?.epochStart ?? recovered.epochStart ?? 1;
    // Without a cursor the service says on connect what it has.
    const oldest = recovered.segments[0]?.header.firstPosition;
    const forwarded = cursor?.forwarded ?? Math.max(oldest ?? 1, epochStart) - 1;
    const durable = Math.max(recovered.lastPosition, forwarded);
    const unheard = await readUnheard(disk, folder);
    const outputs = await SpoolOutputs.open(world, () => spool.#access, options.outputs, {
      folder,
      durable,
      oldest: oldest ?? durable + 1,
      epoch,
    });
    const start = { epoch, epochStart, forwarded };
    const spool: Spool = new Spool(world, options, {
      ...recovered,
      marks,
      cursor: new ServiceCursor(world, cursorFile, start),
      outputs,
      unheard,
    });
    if (cursor === undefined) await cursorFile.writeBoth(start);
    for (const number of recovered.emptyNumbers) await disk.remove(segmentPath(folder, number));
    log.info(
      { segments: recovered.segments.length, waitingEntries: spool.waitingEntries, epoch },
      "spool open",
    );
    spool.#sweep.noteForwarded();
    await spool.#reserve.restore();
    await spool.#secureTail();
    await spool.#damage.note(recovered);
    return spool;
  }

  /** 16 hex digits; changes where the disk is older than what the service has seen of it. */
  get epoch(): string {
    return this.#cursor.epoch;
  }

  /** The last durable entry's position; of those that may be read. */
  get durable(): number {
    return Math.min(this.#writer.durable, hiddenFromOf(this.#world.dating) - 1);
  }

  /** The service has everything up to here. */
  get position(): number {
    return this.#cursor.forwarded;
  }

  /** Entries that the service does not have yet. */
  get waitingEntries(): number {
    return Math.max(0, this.#writer.durable - this.#cursor.forwarded);
  }

  /** Of all segments. */
  get bytes(): number {
    return this.#list.bytes;
  }

  get segmentCount(): number {
    return this.#list.all.length;
  }

  /** One of the outputs that it was opened with. */
  output(name: string): SpoolOutput {
    return this.#outputs.get(name);
  }

  /** The highest seq of the boot that went in, or undefined where the spool does not know the boot. */
  markOf(src: string, boot: string): number | undefined {
    return this.#writer.markOf(src, boot);
  }

  /**
   * Resolves when the entries are durable.
   * @throws SpoolUnavailable when they are not (disk full or failing, spool full); nothing of the call counts then.
   */
  commit(entries: readonly NewEntry[]): Promise<void> {
    return this.#changes.run(async () => {
      await this.#pauseForInterval();
      await this.#writer.write(entries);
    });
  }

  /**
   * Entries behind a position, in order; positions may be missing where something was lost. Empty: there are none.
   * @throws what the disk throws when a segment cannot be read.
   */
  async read(after: number, bounds: ReadBounds): Promise<readonly SpoolRecord[]> {
    const given = await this.#entries.read(after, bounds, this.#slot);
    this.#greeting.noteAttempted(given.at(-1)?.position ?? 0);
    return given;
  }

  /** What the service does not get becomes loss records: there is nothing to tell it. */
  takeEvictedCount(): number {
    return 0;
  }

  /** The service has everything up to here: more than before, or less where it lost something. */
  async confirm(position: number): Promise<void> {
    this.#cursor.moveTo(Math.min(position, this.#writer.durable));
    this.#sweep.noteForwarded();
    await this.#advanced();
  }

  /** What the service answered on connect: up to where it has this epoch, 0 for none of it. */
  greet(servicePosition: number): Promise<void> {
    return this.#greeting.greet(servicePosition);
  }

  /** Loss records for entries that will never be sent, durable when it resolves. */
  giveUp(entries: readonly NewEntry[], why: string): Promise<void> {
    return this.#changes.run(async () => {
      const losses = await lossesOf(entries, this.#lossEvent(why));
      await this.#writer.write(losses, { isReserved: true });
    });
  }

  /** Looks after itself from now on, until it is closed. */
  start(): void {
    this.#maintenance = this.#world.timers.every(MAINTAIN_MS, () => {
      this.maintain().catch((error: Error) => this.#warnOfCursor(error));
    });
  }

  /** Writes the cursor, and removes what was kept for the replay horizon long enough. To be called from time to time. */
  maintain(): Promise<void> {
    return this.#changes.run(() => this.#sweep.run(this.#sweep.isCursorBehind));
  }

  /** Leaves the cursor where it is now. */
  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#maintenance?.cancel();
    await this.#changes
      .run(async () => {
        this.#isClosed = true;
        await this.#writer.close();
        await this.#sweep.close();
      })
      .catch((error: Error) => this.#warnOfCursor(error));
  }

  #warnOfCursor(error: Error): void {
    this.#world.log.warn({ error: error.message }, "the spool's cursor could not be written");
  }

  async #advanced(): Promise<void> {
    this.#tail.dropThrough(this.#hadByAll);
    const { isCursorDue, isRemovable } = this.#sweep;
    if (isCursorDue || isRemovable) await this.#changes.run(() => this.#sweep.run(isCursorDue));
  }

  /** The service and all outputs have everything up to here. */
  get #hadByAll(): number {
    return Math.min(this.#cursor.forwarded, this.#outputs.lowest);
  }

  get #access(): SpoolAccess {
    return {
      durable: this.durable,
      read: (after, bounds, slot) => this.#entries.read(after, bounds, slot),
      advanced: () => this.#advanced(),
    };
  }

  #secureTail(): Promise<void> {
    const hasRoomBeside = (neededBytes: number): Promise<boolean> => this.#room.hasBeside(neededBytes);
    const tail = new UnsyncedTail(this.#world, { list: this.#list, writer: this.#writer, hasRoomBeside });
    return tail.secure(this.#hadByAll);
  }

  async #pauseForInterval(): Promise<void> {
    const { clock, timers } = this.#world;
    const waitMs = this.#writer.lastSyncMs + this.#options.commitIntervalMs - clock.monotonicMs();
    if (waitMs > 0) await pause(timers, waitMs);
  }

  #tellDurable(): void {
    this.onDurable();
    this.#outputs.tellDurable();
  }

  #lossEvent(why: string): LossEvent {
    return { why, receivedMs: Math.max(0, this.#world.clock.wallMs()), gatewaySrc: this.#options.gatewaySrc };
  }
}
