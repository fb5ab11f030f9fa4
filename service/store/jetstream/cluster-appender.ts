import type { NewEntry, StoredEntry } from "../../../protocol/entry.ts";
import {
  type AppendResult,
  type SpoolPosition,
  type StoreBatch,
  StoreBusy,
  StoreUnavailable,
} from "../log-store.ts";
import { assertProject, assertStorable } from "../storable.ts";
import { positionOf } from "./cluster-value.ts";
import type { ProjectLog } from "./project-log.ts";
import type { SpoolPlace } from "./source-head.ts";
import { SourceWriter, type WriterWorld, type WrittenPart } from "./source-writer.ts";

/** Entries, and characters of their messages, that may wait for the cluster; past it append() throws StoreBusy. */
const QUEUE_ENTRIES_MAX = 100_000;
const QUEUE_CHARACTERS_MAX = 64 << 20;
/** Sources whose standing is kept; beyond, those that do nothing are forgotten. */
const WRITERS_MAX = 20_000;

export type AppenderWorld = Omit<WriterWorld, "onStored" | "beforeLoss" | "onLoss"> & {
  readonly projectOf: (name: string) => ProjectLog;
  readonly onStored: (project: string, seq: number) => void;
  readonly beforeLoss: (project: string) => Promise<void>;
  readonly onLoss: (project: string, src: string) => void;
};

/** Appends: each source of a call on its own, then the position of the spool that it came from. */
export class ClusterAppender {
  readonly #world: AppenderWorld;
  readonly #writers = new Map<string, SourceWriter>();
  #waitingEntries = 0;
  #waitingCharacters = 0;
  #waitingCalls = 0;
  #onIdle: (() => void)[] = [];

  constructor(world: AppenderWorld) {
    this.#world = world;
  }

  async append(
    batches: readonly StoreBatch[],
    position: SpoolPosition | undefined,
    generation: number | undefined,
  ): Promise<readonly AppendResult[]> {
    const { entryCount, characterCount } = check(batches);
    const isFull =
      this.#waitingEntries + entryCount > QUEUE_ENTRIES_MAX ||
      this.#waitingCharacters + characterCount > QUEUE_CHARACTERS_MAX;
    // A call larger than the bound is taken when nothing else waits, else it could never be.
    if (isFull && this.#waitingCalls > 0) {
      this.#world.counters.add("store_busy_total");
      throw new StoreBusy();
    }
    this.#waitingCalls++;
    this.#waitingEntries += entryCount;
    this.#waitingCharacters += characterCount;
    try {
      const writing = batches.map((batch) => this.#appendBatch(batch, position, generation));
      // All of them have ended before this does, whatever becomes of one: nothing is written behind an answer.
      const results = await Promise.allSettled(writing);
      const failed = results.find((result) => result.status === "rejected");
      if (failed !== undefined) throw failed.reason;
      if (position !== undefined) await this.#writePosition(position, generation);
      return await Promise.all(writing);
    } finally {
      this.#waitingCalls--;
      this.#waitingEntries -= entryCount;
      this.#waitingCharacters -= characterCount;
      if (this.#waitingCalls === 0) for (const onIdle of this.#onIdle.splice(0)) onIdle();
    }
  }

  /** The writer of a source in this process. */
  writerOf(project: ProjectLog, src: string): SourceWriter {
    const key = `${project.name}\n${src}`;
    let writer = this.#writers.get(key);
    if (writer === undefined) {
      const { onStored, beforeLoss, onLoss } = this.#world;
      writer = new SourceWriter(project, src, {
        ...this.#world,
        onStored: (seq) => onStored(project.name, seq),
        beforeLoss: () => beforeLoss(project.name),
        onLoss: (lossSrc) => onLoss(project.name, lossSrc),
      });
    } else this.#writers.delete(key);
    this.#writers.set(key, writer);
    if (this.#writers.size > WRITERS_MAX) this.#forgetOldest();
    return writer;
  }

  /** What is known of all sources may be old. */
  forget(): void {
    for (const writer of this.#writers.values()) writer.forget();
  }

  /** Resolves when no call waits. */
  async settled(): Promise<void> {
    if (this.#waitingCalls > 0) await new Promise<void>((resolve) => this.#onIdle.push(resolve));
  }

  async #appendBatch(
    { project: name, entries, spoolPositions }: StoreBatch,
    position: SpoolPosition | undefined,
    generation: number | undefined,
  ): Promise<AppendResult> {
    const bySource = new Map<string, { entries: NewEntry[]; spools: SpoolPlace[] }>();
    const project = this.#world.projectOf(name);
    for (const [index, entry] of entries.entries()) {
      const group = bySource.get(entry.src) ?? { entries: [], spools: [] };
      if (group.entries.length === 0) bySource.set(entry.src, group);
      group.entries.push(entry);
      const place = spoolPositions?.[index];
      if (place !== undefined && position !== undefined) {
        group.spools.push({ gateway: position.gateway, epoch: position.epoch, position: place });
      }
    }
    // Begun in this turn: calls for one source keep their order.
    const writing = Array.from(bySource, ([src, { entries: given, spools }]) =>
      this.writerOf(project, src).write({
        entries: given,
        spools: spools.length === given.length ? spools : undefined,
        generation,
      }),
    );
    const parts = await Promise.allSettled(writing);
    const failed = parts.find((part) => part.status === "rejected");
    if (failed !== undefined) throw failed.reason;
    const result = new ClusterAppendResult(project, await Promise.all(writing));
    if (result.duplicateCount > 0) this.#world.counters.add("store_duplicates_total", result.duplicateCount);
    return result;
  }

  /** Only now that everything up to it is durable: it may come late, and then entries come again; it must never lead. */
  async #writePosition(
    { project: name, gateway, epoch, position }: SpoolPosition,
    generation: number | undefined,
  ): Promise<void> {
    const project = this.#world.projectOf(name);
    await project.ensure();
    await project.spool(gateway, epoch).update((known) => {
      if (generation !== undefined && generation !== project.engine.generation)
        throw new StoreUnavailable("the connection to the cluster was lost meanwhile");
      return known >= position ? undefined : position;
    });
  }

  #forgetOldest(): void {
    for (const [key, writer] of this.#writers) {
      if (this.#writers.size <= WRITERS_MAX) return;
      if (writer.isIdle) this.#writers.delete(key);
    }
  }
}

/** What became of one batch. */
class ClusterAppendResult implements AppendResult {
  readonly storedCount: number;
  readonly duplicateCount: number;
  readonly #project: ProjectLog;
  readonly #parts: readonly WrittenPart[];
  #stored: readonly StoredEntry[] | undefined;

  constructor(project: ProjectLog, parts: readonly WrittenPart[]) {
    this.#project = project;
    this.#parts = parts;
    this.storedCount = parts
      .flatMap(({ pieces }) => pieces)
      .reduce((sum, piece) => sum + piece.entries.length, 0);
    this.duplicateCount = parts.reduce((sum, part) => sum + part.duplicateCount, 0);
  }

  /** In the order of their ids. */
  get stored(): readonly StoredEntry[] {
    this.#stored ??= this.#parts
      .flatMap(({ pieces }) => pieces)
      .toSorted((left, right) => left.seq - right.seq || left.firstIndex - right.firstIndex)
      .flatMap(({ seq, firstIndex, entries }) =>
        entries.map((entry, index) => ({
          ...entry,
          id: this.#project.ids.make(positionOf(seq, firstIndex + index)),
        })),
      );
    return this.#stored;
  }
}

function check(batches: readonly StoreBatch[]): {
  readonly entryCount: number;
  readonly characterCount: number;
} {
  let entryCount = 0;
  let characterCount = 0;
  for (const { project, entries } of batches) {
    assertProject(project);
    entryCount += entries.length;
    for (const entry of entries) {
      assertStorable(entry);
      characterCount += entry.msg.length;
    }
  }
  return { entryCount, characterCount };
}
