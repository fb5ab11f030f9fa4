import type { Counters } from "../../host/counters.ts";
import type { Disk } from "../../host/disk.ts";
import type { Cursor } from "./cursor.ts";
import { insist } from "./insist.ts";
import type { PositionRange } from "./spool-loss.ts";

/** What a greeting asks of the spool. */
interface GreetedSpool {
  readonly cursor: Cursor & {
    /** @param through the last position that belongs to the epoch before. */
    startEpoch(through: number): Promise<void>;
  };
  /** The oldest that is there; behind the newest where there is none. */
  readonly oldestPosition: number;
  exclusive(task: () => Promise<void>): Promise<void>;
  /** What is written from now on stands in another segment. */
  endSegment(): Promise<void>;
  /** The service had these and lost them, and they are here no more. */
  noteGone(range: PositionRange): Promise<void>;
  confirm(position: number): Promise<void>;
}

/** Holds the position behind which entries were written since the service was last heard; is not there once it was. */
function pathOf(folder: string): string {
  return `${folder}/unheard`;
}

/** What was sent or may have been, in this life or before, beside what the service says that it has. */
export class ServiceGreeting {
  readonly #world: { readonly disk: Disk; readonly counters: Counters };
  readonly #spool: GreetedSpool;
  readonly #path: string;
  /** The last position given before it was opened. */
  readonly #openedAt: number;
  /** What stands behind this position was never sent: it was written since the service was last heard, in this life or before. */
  readonly #unheardAfter: number;
  /** Earlier lives may have sent up to here under this epoch, and the service may be committing it still. */
  #sentBefore: number;
  #hasFile: boolean;
  /** The service has said what it has since the opening. */
  #isGreeted = false;
  /** The last entry that was given out to be sent: it may be on its way. */
  #attempted: number;

  /** @param unheard what `readUnheard` gave. */
  constructor(
    world: { readonly disk: Disk; readonly counters: Counters },
    spool: GreetedSpool,
    state: { readonly folder: string; readonly openedAt: number; readonly unheard: Unheard },
  ) {
    this.#world = world;
    this.#spool = spool;
    this.#path = pathOf(state.folder);
    this.#openedAt = state.openedAt;
    this.#hasFile = state.unheard.after !== undefined;
    this.#unheardAfter = Math.min(state.openedAt, state.unheard.after ?? Number.POSITIVE_INFINITY);
    this.#sentBefore = this.#unheardAfter;
    this.#attempted = spool.cursor.forwarded;
  }

  /** Nothing behind it was ever sent. Until the service says so, nobody knows what was on its way when the last life ended. */
  get maySentThrough(): number {
    return Math.max(this.#attempted, this.#isGreeted ? 0 : this.#openedAt);
  }

  /** Everything up to here was given out to be sent. */
  noteAttempted(position: number): void {
    this.#attempted = Math.max(this.#attempted, position);
  }

  /**
   * What the service answered on connect: up to where it has this epoch, 0 for none of it. More than was ever sent from here
   * means that this disk is an older copy. What it held when it was opened the service has then, and what came since gets an
   * epoch of its own, for its positions were given to other entries before. So does what was written in earlier lives that never
   * heard the service.
   */
  async greet(servicePosition: number): Promise<void> {
    const spool = this.#spool;
    const sent = this.#isGreeted ? Math.max(this.#attempted, this.#sentBefore) : this.#unheardAfter;
    if (servicePosition > sent) {
      await spool.exclusive(() =>
        this.#startEpoch(this.#isGreeted ? spool.cursor.forwarded : this.#unheardAfter),
      );
      await this.#heard();
      return;
    }
    await this.#heard();
    this.noteAttempted(servicePosition);
    // What was sent under an earlier epoch is never sent under this one.
    const oldest = Math.max(spool.cursor.epochStart, spool.oldestPosition);
    if (servicePosition < spool.cursor.forwarded) {
      this.#world.counters.add("spool_rewinds_total");
      await spool.noteGone({
        first: Math.max(servicePosition + 1, spool.cursor.epochStart),
        last: Math.min(oldest - 1, spool.cursor.forwarded),
      });
    }
    await spool.confirm(Math.max(servicePosition, oldest - 1));
  }

  /** An older copy of the disk must be known for one also in the lives after this one: to be called before anything is written. */
  async noteUnheard(): Promise<void> {
    if (this.#isGreeted || this.#hasFile) return;
    await this.#world.disk.replace(this.#path, Buffer.from(`${this.#unheardAfter}\n`));
    this.#hasFile = true;
  }

  async #startEpoch(through: number): Promise<void> {
    await this.#spool.cursor.startEpoch(through);
    this.#attempted = through;
    this.#sentBefore = through;
    await this.#spool.endSegment();
  }

  /** Before anything is sent of what the file speaks of. */
  async #heard(): Promise<void> {
    await this.#spool.exclusive(async () => {
      if (this.#hasFile) await this.#world.disk.remove(this.#path);
      this.#hasFile = false;
      this.#isGreeted = true;
    });
  }
}

/** What earlier lives left that never heard the service. */
export interface Unheard {
  /** Behind this position stands what they wrote. */
  readonly after: number | undefined;
}

/** @throws what the disk throws. */
export async function readUnheard(disk: Disk, folder: string): Promise<Unheard> {
  const file = await insist(() => disk.read(pathOf(folder)));
  return { after: file && positionIn(file) };
}

/** What stands in the file; a damaged one says nothing. */
function positionIn(file: Uint8Array): number | undefined {
  const digits = /^(\d{1,15})\n$/.exec(Buffer.from(file).toString("latin1"))?.[1];
  return digits === undefined ? undefined : Number(digits);
}
