import Type, { type Static } from "typebox";
import type { Clock, Timer, Timers } from "../host/clock.ts";
import type { Counters } from "../host/counters.ts";
import type { Disk } from "../host/disk.ts";
import type { ProcessLog } from "../host/log.ts";
import type { NewEntry } from "../protocol/entry.ts";
import { LossPlace } from "../protocol/entry.ts";
import { lossEntry } from "../protocol/entry-builder.ts";
import { schemaDecoder } from "../protocol/schema-check.ts";
import type { SeqSpan } from "./missing-seqs.ts";
import { StateFile } from "./state-file.ts";

/** Some 60 bytes each in the file; of one more the oldest is forgotten, and its gap stays one that no record tells of. */
const BOOTS_MAX = 1_000;
const LOOK_MS = 3_600_000;
/** Another gateway may have these lines, and be offline; a week later nobody waits for it. */
const HORIZON_MS = 7 * 86_400_000;

export const WHY_NEVER_CAME = "acked to the board, and not brought by any gateway within a week";

const FileSchema = Type.Object({
  version: Type.Literal(1),
  /** Source, boot, the seq that it was begun at, and how long ago, ms. */
  boots: Type.Array(
    Type.Tuple([Type.String(), Type.String(), Type.Integer({ minimum: 2 }), Type.Number({ minimum: 0 })]),
  ),
});
const decodeFile = schemaDecoder(FileSchema);

interface Begun {
  readonly src: string;
  readonly boot: string;
  readonly first: number;
  /** Monotonic ms; below 0 where that was before the machine started. */
  readonly sinceMs: number;
}

interface UnaskedWorld {
  readonly clock: Clock;
  readonly timers: Timers;
  readonly counters: Counters;
  readonly log: ProcessLog;
  readonly disk: Disk;
  readonly spool: { giveUp(entries: readonly NewEntry[], why: string): Promise<void> };
  readonly client: {
    /** What the service lacks of the seqs below one; undefined where it cannot say. @throws UplinkUnavailable */
    missing(src: string, boot: string, below: number): Promise<readonly SeqSpan[] | undefined>;
  };
  readonly isConnected: () => boolean;
}

/**
 * Boots that were begun at the oldest line their board still held, since the service was away and nobody could say what it has of those
 * below (docs/protocol.md 6.12). Once it answers it is asked, and what never comes becomes a loss record. Outlives the gateway.
 */
export class UnaskedBoots {
  readonly #world: UnaskedWorld;
  readonly #file: StateFile<Static<typeof FileSchema>>;
  readonly #begun = new Map<string, Begun>();
  #timer: Timer | undefined;
  #looking: Promise<void> | undefined;

  private constructor(world: UnaskedWorld) {
    this.#world = world;
    this.#file = new StateFile(world, {
      name: "unasked-boots.json",
      decode: decodeFile,
      state: () => this.#state(),
      unreadable: "gaps of boards that were met while the service was away are not called lost",
      unwritable: "gaps of boards that were met while the service was away are not called lost",
    });
  }

  static async open(world: UnaskedWorld): Promise<UnaskedBoots> {
    const boots = new UnaskedBoots(world);
    const now = world.clock.monotonicMs();
    for (const [src, boot, first, ageMs] of (await boots.#file.read())?.boots ?? [])
      boots.#add({ src, boot, first, sinceMs: now - ageMs });
    return boots;
  }

  /** The boot is begun at this seq. Resolves when that is on the disk, or cannot be written: then it is good for this run. */
  async begin(src: string, boot: string, first: number): Promise<void> {
    // Nothing is below the first of all.
    if (first <= 1) return;
    this.#add({ src, boot, first, sinceMs: this.#world.clock.monotonicMs() });
    await this.#file.save();
  }

  /** Resolves when it is written how long they have waited. */
  async stop(): Promise<void> {
    this.#timer?.cancel();
    this.#timer = undefined;
    if (this.#begun.size > 0) await this.#file.save();
  }

  #add(begun: Begun): void {
    this.#begun.set(`${begun.boot}\n${begun.src}`, begun);
    if (this.#begun.size > BOOTS_MAX) {
      const oldest = this.#begun.keys().next();
      if (!oldest.done) this.#begun.delete(oldest.value);
      this.#world.counters.add("gateway_forgotten_gaps_total");
    }
    this.#timer ??= this.#world.timers.every(LOOK_MS, () => {
      this.#looking ??= this.#look().finally(() => {
        this.#looking = undefined;
      });
    });
  }

  async #look(): Promise<void> {
    const { log } = this.#world;
    for (const [key, begun] of [...this.#begun]) {
      if (!this.#world.isConnected() || this.#timer === undefined) break;
      try {
        if (await this.#isSettled(begun)) this.#begun.delete(key);
      } catch (error) {
        // A service that goes away, a disk that is full: there is another look.
        log.debug({ src: begun.src, error }, "what the service lacks of a boot could not be settled");
        break;
      }
    }
    // Also how long they have waited.
    await this.#file.save();
    if (this.#begun.size > 0) return;
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  /** Whether nothing is missing any more, or what is has its loss record. */
  async #isSettled({ src, boot, first, sinceMs }: Begun): Promise<boolean> {
    const { client, clock, spool } = this.#world;
    const missing = await client.missing(src, boot, first);
    if (missing === undefined) return false;
    if (missing.length === 0) return true;
    if (clock.monotonicMs() - sinceMs < HORIZON_MS) return false;
    const reason = { where: LossPlace.Gateway, why: WHY_NEVER_CAME };
    const lost = missing.map((span) => lossEntry(src, { boot, ...span }, reason, clock.wallMs()));
    await spool.giveUp(lost, WHY_NEVER_CAME);
    const seqCount = missing.reduce((sum, span) => sum + span.last - span.first + 1, 0);
    this.#world.counters.add("gateway_never_came_seqs_total", seqCount);
    return true;
  }

  #state(): Static<typeof FileSchema> {
    const now = this.#world.clock.monotonicMs();
    const boots = Array.from(
      this.#begun.values(),
      ({ src, boot, first, sinceMs }): [string, string, number, number] => [src, boot, first, now - sinceMs],
    );
    return { version: 1, boots };
  }
}
