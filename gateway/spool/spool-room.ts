import type { Counters } from "../../host/counters.ts";
import type { ProcessLog } from "../../host/log.ts";
import type { NewEntry } from "../../protocol/entry.ts";
import { decodeIngestEntry } from "../../protocol/ingest-entry.ts";
import type { Segment } from "./segment.ts";
import type { Sweep } from "./segment-sweep.ts";
import { SpoolFull, SpoolUnavailable } from "./spool-errors.ts";
import { type LossEvent, lossesOf, type PositionRange } from "./spool-loss.ts";
import type { SpoolRecord } from "./spool-record.ts";

export interface RoomOptions {
  readonly bytesMax: number;
  readonly reserveBytes: number;
  readonly whenFull: "wait" | "evict";
}

/** What making room asks of the rest of the spool. */
interface RoomySpool {
  readonly list: {
    readonly all: readonly Segment[];
    readonly bytes: number;
    lastOf(index: number): number;
    entriesOf(index: number): AsyncIterable<SpoolRecord>;
  };
  readonly sweep: {
    run(writesCursors: boolean, sweep: Sweep): Promise<void>;
    remove(segment: Segment): Promise<void>;
  };
  /** Nothing behind it was ever sent. */
  readonly sentThrough: number;
  /** It is written to, or the service reads it. */
  isInUse(segment: Segment): boolean;
  readonly tail: { dropThrough(position: number): void };
  readonly damage: { add(ranges: readonly PositionRange[]): void };
  readonly outputs: { noteEvicted(range: PositionRange, isTold: boolean): void };
  lossEvent(why: string): LossEvent;
  /** Durable when it resolves. */
  writeLosses(losses: readonly NewEntry[], notes: readonly PositionRange[]): Promise<void>;
}

/** Keeps the spool within its bound, and within what the disk has. */
export class SpoolRoom {
  readonly #world: { readonly counters: Counters; readonly log: ProcessLog };
  readonly #spool: RoomySpool;
  readonly #options: RoomOptions;

  constructor(
    world: { readonly counters: Counters; readonly log: ProcessLog },
    spool: RoomySpool,
    options: RoomOptions,
  ) {
    this.#world = world;
    this.#spool = spool;
    this.#options = options;
  }

  /** @throws SpoolUnavailable also where the disk fails on the way: what came is offered again. */
  async make(neededBytes: number): Promise<void> {
    try {
      await this.#make(neededBytes);
    } catch (error) {
      if (error instanceof SpoolUnavailable) throw error;
      throw new SpoolUnavailable(error instanceof Error ? error.message : String(error), { cause: error });
    }
  }

  /** For a full disk: what the service has goes, and where outputs wait for all of that, the oldest segment. */
  async shrink(): Promise<void> {
    const { list, sweep } = this.#spool;
    const before = list.all.length;
    await sweep.run(true, { horizonMs: 0 });
    let left = list.all.length < before ? 0 : 1;
    await sweep.run(false, { horizonMs: 0, waits: false, isWanted: () => left-- > 0 });
  }

  /** For what is written a second time: what the service has goes for it. False: there is none. */
  async hasBeside(neededBytes: number): Promise<boolean> {
    const isOver = (): boolean => this.#spool.list.bytes + neededBytes > this.#options.bytesMax;
    if (isOver()) await this.#spool.sweep.run(false, { horizonMs: 0, waits: false, isWanted: isOver });
    return !isOver();
  }

  /** @throws SpoolFull, and what the disk throws. */
  async #make(neededBytes: number): Promise<void> {
    const { bytesMax, reserveBytes, whenFull } = this.#options;
    const { list, sweep } = this.#spool;
    const isOver = (): boolean => list.bytes + neededBytes > bytesMax - reserveBytes;
    if (!isOver()) return;
    await sweep.run(false, { horizonMs: 0, waits: false, isWanted: isOver });
    // Loss records take room too: evicting ends where it would only turn them over.
    for (let evictionsLeft = list.all.length; isOver(); evictionsLeft--) {
      if (evictionsLeft === 0 || whenFull !== "evict" || !(await this.#evictOldest())) {
        this.#world.counters.add("spool_full_commits_total");
        throw new SpoolFull(bytesMax);
      }
    }
  }

  /** The oldest segment of which nothing was ever sent becomes loss records. False: there is none. */
  async #evictOldest(): Promise<boolean> {
    const { list, sentThrough } = this.#spool;
    const index = list.all.findIndex(
      (each) => !this.#spool.isInUse(each) && each.header.firstPosition > sentThrough,
    );
    const segment = list.all[index];
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
    const { list, tail, outputs, damage, sweep } = this.#spool;
    const range = { first: segment.header.firstPosition, last: list.lastOf(index) };
    tail.dropThrough(range.last);
    let entryCount = 0;
    const entries = async function* (): AsyncGenerator<NewEntry> {
      for await (const { payload } of list.entriesOf(index)) {
        const entry = decodeIngestEntry(payload);
        if (!entry.ok) continue;
        entryCount += 1;
        yield entry.value;
      }
    };
    const losses = await lossesOf(entries(), this.#spool.lossEvent("evicted: the spool was full"));
    await this.#spool.writeLosses(losses, range.last >= range.first ? [range] : []);
    damage.add([range]);
    // The loss records tell it to the outputs too.
    outputs.noteEvicted(range, false);
    await sweep.remove(segment);
    this.#world.counters.add("spool_evicted_entries_total", entryCount);
    this.#world.log.warn({ entries: entryCount }, "the spool is full: the oldest entries were given up");
  }
}
