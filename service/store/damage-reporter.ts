import { LossPlace, type NewEntry, STREAM_LOSS } from "../../protocol/entry.ts";
import { lossEntry } from "../../protocol/entry-builder.ts";
import type { ChunkPlace } from "./chunk-place.ts";
import type { Committer } from "./committer.ts";
import type { StoreCore } from "./store-core.ts";

/** A chunk that is not what was written. */
export interface DamagedChunk {
  readonly segmentNumber: number;
  readonly sourceNumber: number;
  readonly lastPosition: number;
  /** Undefined where its place is damaged too. */
  readonly place: ChunkPlace | undefined;
}

/** Damages waiting to be reported; past it they are counted only, and reported when met again after a restart. */
const WAITING_MAX = 1000;

/** The name under which a report stands among the positions of spools, which makes it exactly once (`spool-positions.ts`). */
const REPORTER = "store-damage";

/** Turns damaged values into loss records of their sources (docs/protocol.md 1.8), each once, however often it is met. */
export class DamageReporter {
  readonly #waiting: DamagedChunk[] = [];
  #core: StoreCore | undefined;
  #committer: Committer | undefined;
  #running: Promise<void> | undefined;

  start(core: StoreCore, committer: Committer): void {
    this.#core = core;
    this.#committer = committer;
  }

  add(damage: DamagedChunk): void {
    if (this.#waiting.length >= WAITING_MAX) return;
    this.#waiting.push(damage);
    this.#running ??= this.#run();
  }

  /** Resolves when nothing waits to be reported. */
  async settled(): Promise<void> {
    await this.#running;
  }

  async #run(): Promise<void> {
    // Not within the reading that met it.
    await undefined;
    try {
      for (let next = this.#waiting.shift(); next !== undefined; next = this.#waiting.shift()) {
        if (!this.#core?.health.usable) return;
        await this.#report(this.#core, next);
      }
    } catch (error) {
      this.#waiting.length = 0;
      this.#core?.deps.log.warn({ err: error }, "damage in the store could not be reported yet");
    } finally {
      this.#running = undefined;
    }
  }

  async #report(core: StoreCore, damage: DamagedChunk): Promise<void> {
    const source = core.sources.findByNumber(damage.sourceNumber);
    if (source === undefined) return;
    const project = source.project.name;
    const epoch = `${damage.segmentNumber}-${damage.sourceNumber}-${damage.lastPosition}`;
    if (core.spools.get(project, REPORTER, epoch) > 0) return;
    const entries = lossesOf(source.src, damage.place, core.deps.clock.wallMs());
    await this.#committer?.append([{ project, entries }], { project, gateway: REPORTER, epoch, position: 1 });
  }
}

/** Without `lost`: what they say is missing was stored once, and its seqs are accounted for. */
function lossesOf(src: string, place: ChunkPlace | undefined, receivedMs: number): NewEntry[] {
  const why = "a stored value is damaged";
  const entries: NewEntry[] = [];
  let known = 0;
  for (const range of place?.seqRanges ?? []) {
    const { lost: _lost, ...entry } = lossEntry(src, range, { where: LossPlace.Service, why }, receivedMs);
    entries.push(entry);
    known += range.last - range.first + 1;
  }
  const count = place === undefined ? 1 : place.entryCount - known;
  if (count < 1) return entries;
  const words = place === undefined ? `${why}; at least one entry is missing` : why;
  entries.push({
    src,
    stream: STREAM_LOSS,
    msg: JSON.stringify({ count, where: LossPlace.Service, why: words }),
    timestamp: receivedMs,
    level: "warn",
    received: receivedMs,
    clock: "server",
  });
  return entries;
}
