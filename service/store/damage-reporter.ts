import { LossPlace, type NewEntry, type SeqRange } from "../../protocol/entry.ts";
import { countLossEntry, lossEntry } from "../../protocol/entry-builder.ts";
import { PROJECT_DEFAULT } from "../../protocol/names.ts";
import type { DamagedRows } from "./batch-record.ts";
import type { ChunkPlace } from "./chunk-place.ts";
import type { Committer } from "./committer.ts";
import type { RepairedRow } from "./index-repair.ts";
import type { StoreBatch } from "./log-store.ts";
import type { SourceState } from "./source-state.ts";
import type { StoreCore } from "./store-core.ts";

/** A chunk that is not what was written. */
export interface DamagedChunk {
  readonly type: "chunk";
  readonly segmentNumber: number;
  readonly sourceNumber: number;
  readonly lastPosition: number;
  /** Undefined where its place is damaged too. */
  readonly place: ChunkPlace | undefined;
}

/** A batch of the log that is not what was written, met when the store was opened. */
export interface DamagedBatch {
  readonly type: "batch";
  readonly firstPosition: number;
  readonly sources: readonly DamagedRows[];
}

/** Positions of the log of which nobody can tell any more whose entries had them. */
export interface DamagedStretch {
  readonly type: "stretch";
  readonly firstPosition: number;
  /** Undefined where that is not known either. */
  readonly entryCount: number | undefined;
}

/** A source whose row of the head was damaged, or a mark of it, and is known again. */
export interface RepairedSource {
  readonly type: "source";
  readonly source: SourceState;
}

type Damage = DamagedChunk | DamagedBatch | DamagedStretch | RepairedSource | RepairedRow;

/** Under whose name a loss is filed of which nobody knows whose entries they were. */
export const SERVICE_SRC = "boardlog-service";

/** Damages waiting to be reported; past it they are counted only, and reported when met again after a restart. */
const WAITING_MAX = 1000;

/** The name under which a report stands among the positions of spools, which makes it exactly once (`spool-positions.ts`). */
const REPORTER = "store-damage";

const WHY = "a stored value is damaged";

/** Turns damaged values into loss records of their sources (docs/protocol.md 1.8), each once, however often it is met. */
export class DamageReporter {
  readonly #waiting: Damage[] = [];
  #core: StoreCore | undefined;
  #committer: Committer | undefined;
  #running: Promise<void> | undefined;

  /** What was met before is reported from now on. */
  start(core: StoreCore, committer: Committer): void {
    this.#core = core;
    this.#committer = committer;
    if (this.#waiting.length > 0) this.#running ??= this.#run();
  }

  add(damage: Damage): void {
    if (this.#waiting.length >= WAITING_MAX) return;
    // Not to be forgotten, and another made of the same row, before it is written.
    if (damage.type === "source") damage.source.pinCount++;
    this.#waiting.push(damage);
    if (this.#core !== undefined) this.#running ??= this.#run();
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
        if (next.type === "chunk") await this.#reportChunk(this.#core, next);
        else if (next.type === "batch") await this.#reportBatch(this.#core, next);
        else if (next.type === "stretch") await this.#reportStretch(this.#core, next);
        else if (next.type === "source") await this.#rewriteSource(this.#core, next);
        else await this.#rewriteRow(this.#core, next);
      }
    } catch (error) {
      this.#waiting.length = 0;
      this.#core?.deps.log.warn({ err: error }, "damage in the store could not be reported yet");
    } finally {
      this.#running = undefined;
    }
  }

  async #reportChunk(
    core: StoreCore,
    { segmentNumber, sourceNumber, lastPosition, place }: DamagedChunk,
  ): Promise<void> {
    const source = core.sources.findByNumber(sourceNumber);
    if (source === undefined) return;
    const losses = lossesOf(source.src, place?.seqRanges ?? [], core.deps.clock.wallMs());
    const known = losses.reduce(
      (sum, { lost }) => sum + (lost === undefined ? 0 : lost.last - lost.first + 1),
      0,
    );
    // What they say is missing was stored once: the marks account for it.
    const entries = losses.map(withoutLost);
    const count = place === undefined ? 1 : place.entryCount - known;
    if (count > 0) {
      const why = place === undefined ? `${WHY}; at least one entry is missing` : WHY;
      entries.push(countLoss(source.src, count, why, core.deps.clock.wallMs()));
    }
    const epoch = `${segmentNumber}-${sourceNumber}-${lastPosition}`;
    await this.#append(core, [{ project: source.project.name, entries }], epoch);
  }

  /** The marks may or may not account for what a batch had: they were raised by it, and written at a seal if it came to that. */
  async #reportBatch(core: StoreCore, { firstPosition, sources }: DamagedBatch): Promise<void> {
    const batches = sources.map(({ source: named, ranges, otherCount }): StoreBatch => {
      const project = named.project.name;
      const source = core.sources.find(project, named.src);
      const entries = lossesOf(named.src, ranges, core.deps.clock.wallMs()).map((entry) => {
        const { lost } = entry;
        const mark = source && lost && core.sources.findMark(source, lost.boot);
        const isNew = lost !== undefined && (mark?.isNew(lost.first, lost.last) ?? true);
        return isNew ? entry : withoutLost(entry);
      });
      if (otherCount > 0) entries.push(countLoss(named.src, otherCount, WHY, core.deps.clock.wallMs()));
      return { project, entries };
    });
    await this.#append(core, batches, `log-${firstPosition}`);
  }

  /** In every project there is: each may have lost these, and none may be told of another. */
  async #reportStretch(core: StoreCore, { firstPosition, entryCount }: DamagedStretch): Promise<void> {
    const known = core.sources.projectNames();
    const projects = known.length === 0 ? [PROJECT_DEFAULT] : known;
    const many = entryCount === undefined ? "; at least one entry is missing" : "";
    const whose = projects.length === 1 ? "source" : "source and project";
    const why = `a part of the log is damaged${many}; of which ${whose} is not known`;
    const receivedMs = core.deps.clock.wallMs();
    const batches = projects.map((project): StoreBatch => {
      return { project, entries: [countLoss(SERVICE_SRC, entryCount ?? 1, why, receivedMs)] };
    });
    await this.#append(core, batches, `log-${firstPosition}`);
  }

  async #rewriteSource(core: StoreCore, { source }: RepairedSource): Promise<void> {
    try {
      await this.#committer?.quiet(() =>
        core.head.commit(core.sources.changesOf([source], core.lastPosition)),
      );
    } finally {
      source.pinCount--;
    }
    core.deps.log.warn(
      { project: source.project.name, src: source.src },
      "what was damaged of a source's totals or marks was made anew",
    );
  }

  async #rewriteRow(core: StoreCore, { segment, changes }: RepairedRow): Promise<void> {
    await core.changes.run("", async () => {
      if (core.segments.includes(segment)) await segment.kv.commit(changes);
    });
    core.deps.log.warn({ segment: segment.state.number }, "a row of a project's index was made anew");
  }

  async #append(core: StoreCore, batches: readonly StoreBatch[], epoch: string): Promise<void> {
    const project = batches[0]?.project;
    if (project === undefined || core.spools.get(project, REPORTER, epoch) > 0) return;
    await this.#committer?.append(batches, { project, gateway: REPORTER, epoch, position: 1 });
  }
}

function lossesOf(src: string, ranges: readonly SeqRange[], receivedMs: number): NewEntry[] {
  return ranges.map((range) => lossEntry(src, range, { where: LossPlace.Service, why: WHY }, receivedMs));
}

function withoutLost({ lost: _lost, ...entry }: NewEntry): NewEntry {
  return entry;
}

function countLoss(src: string, count: number, why: string, receivedMs: number): NewEntry {
  return countLossEntry(src, count, { where: LossPlace.Service, why }, receivedMs);
}
