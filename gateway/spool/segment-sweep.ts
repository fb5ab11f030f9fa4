import type { Clock } from "../../host/clock.ts";
import type { Counters } from "../../host/counters.ts";
import type { Cursor } from "./cursor.ts";
import type { Segment } from "./segment.ts";
import type { PositionRange } from "./spool-loss.ts";

export interface SweepOptions {
  readonly replayHorizonMs: number;
  readonly cursorPeriodMs: number;
}

/** What removing segments asks of the rest of the spool. */
interface SweptSpool {
  readonly list: {
    /** From the oldest to the newest. */
    readonly all: readonly Segment[];
    lastOf(index: number): number;
    remove(segment: Segment): Promise<void>;
  };
  readonly cursor: Cursor & {
    readonly isBehind: boolean;
    isWrittenThrough(position: number): boolean;
    write(): Promise<void>;
  };
  readonly outputs: {
    readonly lowest: number;
    readonly isCursorBehind: boolean;
    /** Those that are behind, of those that are not past this position on the disk where one is given. */
    writeCursors(cursor: Omit<Cursor, "forwarded">, position?: number): Promise<void>;
    noteEvicted(range: PositionRange, isTold: boolean): void;
  };
  readonly writer: { readonly segment: Segment | undefined };
  /** Nobody reads a segment any more: it is gone. */
  forget(segment: Segment): void;
}

export interface Sweep {
  /** How long what everybody has is kept. */
  readonly horizonMs?: number;
  /** Whether for the outputs; without, what they have not got goes too. */
  readonly waits?: boolean;
  /** Whether one more is to go. */
  readonly isWanted?: () => boolean;
}

/** Writes the cursors down, and removes what nobody needs any more: from the oldest on, once the cursors past it are durable. */
export class SegmentSweep {
  readonly #world: { readonly clock: Clock; readonly counters: Counters };
  readonly #spool: SweptSpool;
  readonly #options: SweepOptions;
  #cursorAtMs: number;
  #isClosed = false;

  constructor(
    world: { readonly clock: Clock; readonly counters: Counters },
    spool: SweptSpool,
    options: SweepOptions,
  ) {
    this.#world = world;
    this.#spool = spool;
    this.#options = options;
    this.#cursorAtMs = world.clock.monotonicMs();
  }

  get isCursorBehind(): boolean {
    return this.#spool.cursor.isBehind || this.#spool.outputs.isCursorBehind;
  }

  /** The cursors on the disk have been behind for as long as they may be. */
  get isCursorDue(): boolean {
    const now = this.#world.clock.monotonicMs();
    return this.isCursorBehind && now - this.#cursorAtMs >= this.#options.cursorPeriodMs;
  }

  /** The oldest segment may go. */
  get isRemovable(): boolean {
    const oldest = this.#spool.list.all[0];
    return this.#isPastHorizon(oldest) && !this.#isWaitedFor(oldest);
  }

  /** The service has more than before, or less. */
  noteForwarded(): void {
    const nowMs = this.#world.clock.monotonicMs();
    for (const segment of this.#spool.list.all) {
      if (segment.lastPosition > this.#spool.cursor.forwarded) segment.forwardedAtMs = undefined;
      else segment.forwardedAtMs ??= nowMs;
    }
  }

  async run(
    writesCursors: boolean,
    { horizonMs = this.#options.replayHorizonMs, waits = true, isWanted = () => true }: Sweep = {},
  ): Promise<void> {
    if (this.#isClosed) return;
    const { list, cursor, outputs } = this.#spool;
    if (writesCursors) await this.#writeCursors();
    for (;;) {
      const oldest = list.all[0];
      if (!this.#isPastHorizon(oldest, horizonMs) || oldest === undefined || !isWanted()) return;
      if (waits && this.#isWaitedFor(oldest)) return;
      const { lastPosition, header } = oldest;
      if (!cursor.isWrittenThrough(lastPosition)) await cursor.write();
      await outputs.writeCursors(cursor, lastPosition);
      if (!this.#isPastHorizon(oldest)) this.#world.counters.add("spool_horizon_cut_short_total");
      outputs.noteEvicted({ first: header.firstPosition, last: list.lastOf(0) }, true);
      await this.remove(oldest);
    }
  }

  async remove(segment: Segment): Promise<void> {
    await this.#spool.list.remove(segment);
    this.#spool.forget(segment);
    this.#world.counters.add("spool_removed_segments_total");
  }

  /** Leaves the cursors where they are now, and removes nothing any more. */
  async close(): Promise<void> {
    this.#isClosed = true;
    if (this.isCursorBehind) await this.#writeCursors();
  }

  /** All that are behind. */
  async #writeCursors(): Promise<void> {
    const { cursor, outputs } = this.#spool;
    if (cursor.isBehind) await cursor.write();
    await outputs.writeCursors(cursor);
    this.#cursorAtMs = this.#world.clock.monotonicMs();
  }

  /** An output has not got all of it. */
  #isWaitedFor(segment: Segment | undefined): boolean {
    return segment !== undefined && this.#spool.outputs.lowest < segment.lastPosition;
  }

  #isPastHorizon(segment: Segment | undefined, horizonMs = this.#options.replayHorizonMs): boolean {
    const { segment: written } = this.#spool.writer;
    if (segment === undefined || segment === written || segment.forwardedAtMs === undefined) return false;
    return this.#world.clock.monotonicMs() - segment.forwardedAtMs >= horizonMs;
  }
}
