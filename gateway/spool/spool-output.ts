import type { Counters } from "../../host/counters.ts";
import type { Disk } from "../../host/disk.ts";
import type { ProcessLog } from "../../host/log.ts";
import { type Cursor, CursorFile, outputOfSlot } from "./cursor.ts";
import type { SegmentSlot } from "./segment-scan.ts";
import type { PositionRange } from "./spool-loss.ts";
import type { ReadBounds, SpoolReader } from "./spool-reader.ts";
import type { SpoolRecord } from "./spool-record.ts";

export interface SpoolOutputSetting {
  /** Small letters and digits; names its files. */
  readonly name: string;
  /** Counter of the entries that were removed before the output had them (docs/metrics.md). */
  readonly evictedCounter: string;
}

interface OutputWorld {
  readonly disk: Disk;
  readonly counters: Counters;
  readonly log: ProcessLog;
}

/** What an output needs of the spool that it reads. */
export interface SpoolAccess {
  readonly durable: number;
  read(after: number, bounds: ReadBounds, slot: SegmentSlot): Promise<readonly SpoolRecord[]>;
  /** The output has more than before; what nobody needs any more may go. */
  advanced(): Promise<void>;
}

/**
 * A reader of the spool beside the log service, with a cursor of its own. What it has not got stays in the spool while there is room
 * and holds up nobody else; what had to go before it had it is counted, and told where it reads on.
 */
export class SpoolOutput implements SpoolReader {
  readonly setting: SpoolOutputSetting;
  /** The segment that it reads now. */
  readonly slot: SegmentSlot = {};
  readonly #access: () => SpoolAccess;
  readonly #cursorFile: CursorFile;
  #position: number;
  #writtenPosition: number;
  #untoldCount: number;
  onDurable: () => void = () => {};

  /**
   * @param written where its cursor stands on the disk.
   * @param untoldCount entries that went before an earlier life had them.
   */
  constructor(
    access: () => SpoolAccess,
    setting: SpoolOutputSetting,
    state: { readonly cursorFile: CursorFile; readonly written: number; readonly untoldCount: number },
  ) {
    this.#access = access;
    this.setting = setting;
    this.#cursorFile = state.cursorFile;
    this.#position = state.written;
    this.#writtenPosition = state.written;
    this.#untoldCount = state.untoldCount;
  }

  get position(): number {
    return this.#position;
  }

  get durable(): number {
    return this.#access().durable;
  }

  get waitingEntries(): number {
    return Math.max(0, this.durable - this.#position);
  }

  read(after: number, bounds: ReadBounds): Promise<readonly SpoolRecord[]> {
    return this.#access().read(after, bounds, this.slot);
  }

  async confirm(position: number): Promise<void> {
    if (position <= this.#position) return;
    this.#position = Math.min(position, this.durable);
    await this.#access().advanced();
  }

  /** Entries that were removed before it had them, since this was last asked. */
  takeEvictedCount(): number {
    const count = this.#untoldCount;
    this.#untoldCount = 0;
    return count;
  }

  get isCursorBehind(): boolean {
    return this.#writtenPosition !== this.#position;
  }

  /** On the disk it has everything up to here, or never will: what stands there may go. */
  isWrittenThrough(position: number): boolean {
    return this.#writtenPosition >= position;
  }

  /** Durable when it resolves. */
  async writeCursor({ epoch, epochStart }: Omit<Cursor, "forwarded">): Promise<void> {
    const forwarded = this.#position;
    await this.#cursorFile.write({ epoch, epochStart, forwarded });
    this.#writtenPosition = forwarded;
  }

  /** These are gone. @returns how many of them it had not got. */
  noteEvicted({ first, last }: PositionRange, isTold: boolean): number {
    const count = Math.max(0, last - Math.max(first, this.#position + 1) + 1);
    if (isTold) this.#untoldCount += count;
    return count;
  }
}

/** The cursors of a spool's outputs. */
export class SpoolOutputs {
  readonly #world: OutputWorld;
  readonly #outputs: readonly SpoolOutput[];

  private constructor(world: OutputWorld, outputs: readonly SpoolOutput[]) {
    this.#world = world;
    this.#outputs = outputs;
  }

  /**
   * Reads their cursors. An output that is new begins behind what is there; one whose cursor is damaged at the oldest entry. The
   * cursor of an output that is no more is removed: should it come back, what came meanwhile is not called lost.
   */
  static async open(
    world: OutputWorld,
    access: () => SpoolAccess,
    settings: readonly SpoolOutputSetting[],
    spool: {
      readonly folder: string;
      readonly durable: number;
      readonly oldest: number;
      readonly epoch: string;
    },
  ): Promise<SpoolOutputs> {
    const { disk, counters, log } = world;
    const { folder, durable, oldest, epoch } = spool;
    const outputs: SpoolOutput[] = [];
    for (const file of await disk.list(folder)) {
      const name = outputOfSlot(file);
      if (name === undefined || settings.some((setting) => setting.name === name)) continue;
      await disk.remove(`${folder}/${file}`);
      log.info({ output: name }, "an output is no more: its cursor is removed");
    }
    for (const setting of settings) {
      const cursorFile = new CursorFile(disk, folder, setting.name);
      const { cursor, damagedCount } = await cursorFile.read();
      if (damagedCount > 0) counters.add("spool_damaged_cursors_total", damagedCount);
      const written = cursor?.forwarded ?? (damagedCount > 0 ? oldest - 1 : durable);
      if (cursor === undefined) await cursorFile.writeBoth({ epoch, epochStart: 1, forwarded: written });
      const untoldCount = Math.max(0, oldest - 1 - written);
      outputs.push(new SpoolOutput(access, setting, { cursorFile, written, untoldCount }));
    }
    return new SpoolOutputs(world, outputs);
  }

  get(name: string): SpoolOutput {
    const output = this.#outputs.find(({ setting }) => setting.name === name);
    if (output === undefined) throw new TypeError(`the spool has no output ${name}`);
    return output;
  }

  /** The position of the slowest; infinite where there are none. */
  get lowest(): number {
    return Math.min(...this.#outputs.map(({ position }) => position));
  }

  /** The position of the fastest; 0 where there are none. */
  get highest(): number {
    return Math.max(0, ...this.#outputs.map(({ position }) => position));
  }

  get isCursorBehind(): boolean {
    return this.#outputs.some((output) => output.isCursorBehind);
  }

  tellDurable(): void {
    for (const { onDurable } of this.#outputs) onDurable();
  }

  /** Writes the cursors that are behind, of those that are not past this position on the disk where one is given. */
  async writeCursors(cursor: Omit<Cursor, "forwarded">, position = Number.POSITIVE_INFINITY): Promise<void> {
    for (const output of this.#outputs) {
      if (output.isWrittenThrough(position) || !output.isCursorBehind) continue;
      await output.writeCursor(cursor);
      this.#world.counters.add("spool_cursor_writes_total");
    }
  }

  /**
   * A segment is about to go.
   * @param isTold whether the outputs are to tell it, where no loss record in the spool does.
   */
  noteEvicted(range: PositionRange, isTold: boolean): void {
    for (const output of this.#outputs) {
      const entries = output.noteEvicted(range, isTold);
      if (entries === 0) continue;
      const { name, evictedCounter } = output.setting;
      this.#world.counters.add(evictedCounter, entries);
      this.#world.log.warn(
        { output: name, entries },
        "the spool is full: entries go before this output had them",
      );
    }
  }

  forget(segmentNumber: number): void {
    for (const { slot } of this.#outputs) if (slot.scan?.segment.number === segmentNumber) delete slot.scan;
  }
}
