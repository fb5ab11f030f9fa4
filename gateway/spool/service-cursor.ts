import type { Counters } from "../../host/counters.ts";
import type { ProcessLog } from "../../host/log.ts";
import type { Random } from "../../host/random.ts";
import type { Cursor } from "./cursor.ts";

const EPOCH_BYTES = 8;

export function newEpoch(random: Random): string {
  return Buffer.from(random.bytes(EPOCH_BYTES)).toString("hex");
}

interface CursorWorld {
  readonly random: Random;
  readonly counters: Counters;
  readonly log: ProcessLog;
}

/** Where a cursor stands on the disk. */
interface WrittenCursor {
  /** Durable when it resolves. */
  write(cursor: Cursor): Promise<void>;
  /** In a way that outlives damage to a part of it. */
  writeBoth(cursor: Cursor): Promise<void>;
}

/** How far the service has the spool and in which epoch, in memory and on the disk. */
export class ServiceCursor implements Cursor {
  readonly #world: CursorWorld;
  readonly #file: WrittenCursor;
  #epoch: string;
  #epochStart: number;
  #forwarded: number;
  #written: number;

  constructor(world: CursorWorld, file: WrittenCursor, { epoch, epochStart, forwarded }: Cursor) {
    this.#world = world;
    this.#file = file;
    this.#epoch = epoch;
    this.#epochStart = epochStart;
    this.#forwarded = forwarded;
    this.#written = forwarded;
  }

  get epoch(): string {
    return this.#epoch;
  }

  get epochStart(): number {
    return this.#epochStart;
  }

  get forwarded(): number {
    return this.#forwarded;
  }

  get isBehind(): boolean {
    return this.#forwarded !== this.#written;
  }

  isWrittenThrough(position: number): boolean {
    return this.#written >= position;
  }

  /** In memory. */
  moveTo(position: number): void {
    this.#forwarded = position;
  }

  /** Durable when it resolves. */
  async write(): Promise<void> {
    const forwarded = this.#forwarded;
    await this.#file.write({ epoch: this.#epoch, epochStart: this.#epochStart, forwarded });
    this.#written = forwarded;
    this.#world.counters.add("spool_cursor_writes_total");
  }

  /** @param through the last position that belongs to the epoch before. */
  async startEpoch(through: number): Promise<void> {
    const { random, counters, log } = this.#world;
    const epoch = newEpoch(random);
    const epochStart = through + 1;
    await this.#file.writeBoth({ epoch, epochStart, forwarded: through });
    counters.add("spool_new_epochs_total");
    log.warn(
      { before: this.#epoch, epoch },
      "the spool's disk is older than what the service has of it: a new epoch begins",
    );
    this.#epoch = epoch;
    this.#epochStart = epochStart;
    this.#forwarded = through;
    this.#written = through;
  }
}
