import { type Counters, CounterTable } from "../../host/counters.ts";
import type { Disk } from "../../host/disk.ts";
import type { ProcessLog } from "../../host/log.ts";
import type { NewEntry } from "../../protocol/entry.ts";
import type { Cursor } from "./cursor.ts";
import { MarkTable } from "./mark-table.ts";
import { type LossEvent, lossOfCount, lossOfRange, type PositionRange } from "./spool-loss.ts";
import { type Recovered, recoverAll, without } from "./spool-recovery.ts";

interface DamageWorld {
  readonly disk: Disk;
  readonly counters: Counters;
  readonly log: ProcessLog;
}

/** What writing damage down asks of the rest of the spool. */
interface DamagedSpool {
  readonly folder: string;
  readonly cursor: Cursor;
  /** Of the oldest segment, the first; 0 where there is none. */
  readonly oldestPosition: number;
  exclusive(task: () => Promise<void>): Promise<void>;
  lossEvent(why: string): LossEvent;
  /** Durable when it resolves. */
  writeLosses(losses: readonly NewEntry[], notes: readonly PositionRange[]): Promise<void>;
}

/** What has no entry any more, and the loss records that say so, once for each. */
export class SpoolDamage {
  readonly #world: DamageWorld;
  readonly #spool: DamagedSpool;
  readonly #known: PositionRange[];
  /** Up to here it is written down that the service lost what the spool no longer holds. */
  #goneThrough = 0;

  /** @param known positions that have no entry, and of which that is written down. */
  constructor(world: DamageWorld, spool: DamagedSpool, known: readonly PositionRange[]) {
    this.#world = world;
    this.#spool = spool;
    this.#known = [...known];
  }

  /** Positions that have no entry, and of which that is written down. */
  get known(): readonly PositionRange[] {
    return this.#known;
  }

  /** Is, or is about to be, written down. */
  add(ranges: readonly PositionRange[]): void {
    const { oldestPosition } = this.#spool;
    const standing = this.#known.filter(({ last }) => last >= oldestPosition);
    this.#known.splice(0, this.#known.length, ...standing, ...ranges);
  }

  /** Found damaged: becomes loss records. */
  async note({ damages, holes }: Pick<Recovered, "damages" | "holes">): Promise<void> {
    if (damages.length === 0) return;
    const event = this.#spool.lossEvent("damaged in the spool");
    const losses: NewEntry[] = [];
    let restCount = 0;
    const all = [...this.#known, ...damages];
    for (const range of damages) {
      const explained = holes.explain(range, all);
      for (const { src, lost } of explained.holes) losses.push(lossOfRange(src, lost, event));
      restCount += explained.restCount;
    }
    if (restCount > 0) losses.push(lossOfCount(event.gatewaySrc, restCount, event));
    this.#world.counters.add("spool_damaged_entries_total", countOf(damages));
    this.#world.log.error({ entries: countOf(damages) }, "entries in the spool are damaged and lost");
    this.add(damages);
    await this.#spool.writeLosses(losses, damages);
  }

  /** Entries that were there when the spool was opened, or were written since, and cannot be read now. */
  async noteUnreadable(missing: readonly PositionRange[]): Promise<void> {
    const unknown = missing.flatMap((range) => without(range, this.#known));
    if (unknown.length === 0) return;
    // What the service has is not lost, though an output will not get it.
    const hadByService = { first: 0, last: this.#spool.cursor.forwarded };
    const news = unknown.flatMap((range) => without(range, [hadByService]));
    const onlyMissed = unknown.flatMap((range) => without(range, news));
    if (onlyMissed.length > 0) {
      this.add(onlyMissed);
      this.#world.counters.add("spool_damaged_entries_total", countOf(onlyMissed));
      this.#world.log.error(
        { entries: countOf(onlyMissed) },
        "entries that an output has not got are damaged",
      );
    }
    if (news.length === 0) return;
    // Slow, and seldom: which seqs stood there is told by what stands around them.
    const quiet = { ...this.#world, counters: new CounterTable() };
    const { folder, cursor } = this.#spool;
    const { holes } = await recoverAll(quiet, folder, cursor, new MarkTable());
    await this.note({ damages: news, holes });
  }

  /** What the service had and lost, and the spool let go of in the meantime. */
  async noteGone({ first, last }: PositionRange): Promise<void> {
    if (last < first || last <= this.#goneThrough) return;
    const event = this.#spool.lossEvent(
      "the service lost these after it had them, and the spool no longer holds them",
    );
    const count = last - first + 1;
    this.#world.counters.add("spool_gone_entries_total", count);
    this.#world.log.error({ entries: count }, "the service lost entries that the spool no longer holds");
    const loss = lossOfCount(event.gatewaySrc, count, event);
    await this.#spool.exclusive(() => this.#spool.writeLosses([loss], []));
    this.#goneThrough = last;
  }
}

function countOf(ranges: readonly PositionRange[]): number {
  return ranges.reduce((sum, { first, last }) => sum + last - first + 1, 0);
}
