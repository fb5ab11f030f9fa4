import type { NewEntry, StoredEntry } from "../../protocol/entry.ts";
import {
  type EntryPart,
  type EntryRun,
  entriesOfPart,
  isRun,
  PartedEntries,
  TextRun,
} from "../../protocol/entry-run.ts";
import { type Batch, BatchBuilder } from "./batch-record.ts";
import { acceptEntry, NO_LOSSES } from "./boot-mark.ts";
import {
  type AppendResult,
  type SpoolPosition,
  type StoreBatch,
  StoreBusy,
  type StoredBatch,
  StoreFull,
} from "./log-store.ts";
import type { Memtable } from "./memtable.ts";
import type { Project, SourceState } from "./source-state.ts";
import { assertProject, assertRunStorable, assertStorable, assertTextsStorable } from "./storable.ts";
import type { StoreCore } from "./store-core.ts";
import { batchKey } from "./store-keys.ts";

/** What became of one batch of a call. Its entries have consecutive positions. */
export class BatchResult implements AppendResult, StoredBatch {
  readonly project: string;
  readonly duplicateCount: number;
  readonly #accepted: PartedEntries;
  readonly #firstPosition: number;
  readonly #ids: Project["ids"] | undefined;
  #stored: readonly StoredEntry[] | undefined;

  constructor(
    project: string,
    accepted: { parts: readonly EntryPart[]; firstPosition: number; ids: Project["ids"] | undefined },
    duplicateCount: number,
  ) {
    this.project = project;
    this.#accepted = new PartedEntries(accepted.parts);
    this.#firstPosition = accepted.firstPosition;
    this.#ids = accepted.ids;
    this.duplicateCount = duplicateCount;
  }

  get entries(): readonly NewEntry[] {
    return this.#accepted.entries;
  }

  get storedCount(): number {
    return this.#accepted.entryCount;
  }

  idAt(index: number): string {
    return this.#ids?.make(this.#firstPosition + index) ?? "";
  }

  get stored(): readonly StoredEntry[] {
    this.#stored ??= this.entries.map((entry, index) => ({ ...entry, id: this.idAt(index) }));
    return this.#stored;
  }
}

interface Request {
  readonly batches: readonly StoreBatch[];
  readonly entryCount: number;
  readonly characterCount: number;
  readonly position: SpoolPosition | undefined;
  readonly resolve: (results: readonly BatchResult[]) => void;
  readonly reject: (error: Error) => void;
}

interface Prepared {
  readonly results: readonly (readonly BatchResult[])[];
  readonly batch: Batch<SourceState> | undefined;
  readonly positions: readonly SpoolPosition[];
}

/**
 * Group commit: calls that come while a transaction is under way are joined into the next one. Marks are raised before the
 * transaction is durable, so what writes marks elsewhere, or tells them, waits for `quiet`.
 */
export class Committer {
  readonly #core: StoreCore;
  /** Sees that the active table has room. */
  readonly #makeRoom: () => Promise<void> | undefined;
  /** Told of what is durable and listable, in order. */
  readonly #deliver: (results: readonly BatchResult[]) => void;
  readonly #queue: Request[] = [];
  #queuedEntries = 0;
  #queuedCharacters = 0;
  #running: Promise<void> | undefined;
  #busy = false;
  #quietActions: (() => void)[] = [];
  readonly #builder = new BatchBuilder<SourceState>();

  constructor(
    core: StoreCore,
    hooks: { makeRoom: () => Promise<void> | undefined; deliver: (results: readonly BatchResult[]) => void },
  ) {
    this.#core = core;
    this.#makeRoom = hooks.makeRoom;
    this.#deliver = hooks.deliver;
  }

  append(batches: readonly StoreBatch[], position?: SpoolPosition): Promise<readonly BatchResult[]> {
    let entryCount = 0;
    let characterCount = 0;
    for (const batch of batches) {
      assertProject(batch.project);
      for (const part of partsOf(batch)) {
        entryCount += part.length;
        characterCount += isRun(part) ? assertedRun(part) : assertedEntries(part);
      }
    }
    if (entryCount > 0 && this.#core.room.isShort) {
      this.#core.deps.counters.add("store_full_total");
      return Promise.reject(new StoreFull());
    }
    const { queueEntriesMax, queueCharactersMax } = this.#core.options;
    // A call larger than the bound is taken when nothing else waits, else it could never be.
    const full =
      this.#queuedEntries + entryCount > queueEntriesMax ||
      this.#queuedCharacters + characterCount > queueCharactersMax;
    if (full && this.#queue.length > 0) {
      this.#core.deps.counters.add("store_busy_total");
      return Promise.reject(new StoreBusy());
    }
    this.#queuedEntries += entryCount;
    this.#queuedCharacters += characterCount;
    return new Promise((resolve, reject) => {
      this.#queue.push({ batches, entryCount, characterCount, position, resolve, reject });
      this.#running ??= this.#run();
    });
  }

  /**
   * Runs `action` at once, or as soon as the transaction under way is durable.
   * @throws StoreUnavailable once the store has failed: marks may then be ahead of what is durable.
   */
  quiet<T>(action: () => T): Promise<T> {
    return new Promise((resolve, reject) => {
      const run = (): void => {
        try {
          this.#core.health.assertUsable();
          resolve(action());
        } catch (error) {
          reject(error);
        }
      };
      if (this.#busy) this.#quietActions.push(run);
      else run();
    });
  }

  /** The memory of a sealed table goes to batches to come; to be called where nobody reads it any more. */
  useAgain(table: Memtable): void {
    table.giveBack(this.#builder.memory);
  }

  /** Resolves when nothing waits any more. */
  async settled(): Promise<void> {
    await this.#running;
  }

  async #run(): Promise<void> {
    // Calls of the same turn go into the same transaction: those of all sockets that had something to read.
    await this.#core.deps.yieldTurn();
    let group: readonly Request[] = [];
    try {
      while (this.#queue.length > 0) {
        await this.#makeRoom();
        group = this.#takeGroup();
        const prepared = this.#prepare(group);
        await this.#commit(prepared);
        this.#finish(group, prepared);
        group = [];
      }
    } catch (error) {
      const reason = this.#core.health.failed(error);
      for (const request of [...group, ...this.#queue.splice(0)]) request.reject(reason);
      this.#busy = false;
      this.#runQuietActions();
    } finally {
      this.#running = undefined;
    }
  }

  #takeGroup(): Request[] {
    const group: Request[] = [];
    const { groupEntriesMax, groupCharactersMax } = this.#core.options;
    let entryCount = 0;
    let characterCount = 0;
    for (const request of this.#queue) {
      entryCount += request.entryCount;
      characterCount += request.characterCount;
      if (group.length > 0 && (entryCount > groupEntriesMax || characterCount > groupCharactersMax)) break;
      group.push(request);
      this.#queuedEntries -= request.entryCount;
      this.#queuedCharacters -= request.characterCount;
    }
    this.#queue.splice(0, group.length);
    return group;
  }

  /** Raises marks, leaves duplicates out, and builds the transaction. */
  #prepare(group: readonly Request[]): Prepared {
    this.#busy = true;
    const firstPosition = this.#core.lastPosition + 1;
    const results = group.map((request) =>
      request.batches.map((batch) => this.#addBatch(batch, firstPosition)),
    );
    return {
      results,
      batch: this.#builder.entryCount === 0 ? undefined : this.#builder.finish(firstPosition),
      positions: group.flatMap(({ position }) => (position === undefined ? [] : [position])),
    };
  }

  #addBatch(batch: StoreBatch, firstPosition: number): BatchResult {
    const first = firstPosition + this.#builder.entryCount;
    const accepted: EntryPart[] = [];
    const parts = partsOf(batch);
    const duplicateCount = parts.some(({ length }) => length > 0)
      ? this.#addParts(parts, this.#core.sources.obtainer(batch.project), accepted)
      : 0;
    if (duplicateCount > 0) this.#core.deps.counters.add("store_duplicates_total", duplicateCount);
    const ids = accepted.length === 0 ? undefined : this.#core.sources.findProject(batch.project)?.ids;
    return new BatchResult(batch.project, { parts: accepted, firstPosition: first, ids }, duplicateCount);
  }

  /** @returns how many were there already; the others are in `accepted`, and losses behind those that led to them. */
  #addParts(
    parts: readonly EntryPart[],
    obtain: (src: string) => SourceState,
    accepted: EntryPart[],
  ): number {
    let duplicateCount = 0;
    for (const part of parts) {
      if (isRun(part) && part.length > 0 && this.#addRun(obtain(part.src), part)) {
        accepted.push(part);
        continue;
      }
      const stored = this.#addEntries(entriesOfPart(part), obtain);
      duplicateCount += stored.duplicateCount;
      accepted.push(stored.entries);
    }
    return duplicateCount;
  }

  /** False where it is not all new: then each of its entries is to be looked at. */
  #addRun(source: SourceState, run: EntryRun | TextRun): boolean {
    return run instanceof TextRun ? this.#addTexts(source, run) : this.#addLines(source, run);
  }

  #addLines(source: SourceState, run: EntryRun): boolean {
    const { boot, received, lines } = run;
    const mark = this.#core.sources.obtainMark(source, boot);
    if (lines.seqFirst !== mark.top + 1) return false;
    mark.accept(lines.seqFirst, lines.seqFirst + lines.count - 1);
    source.markChanged(boot, mark);
    if (this.#builder.addRun(source, run)) source.pinCount++;
    source.addPendingRun(lines.count, received, "device", boot);
    return true;
  }

  /** Without seqs they are always new. */
  #addTexts(source: SourceState, run: TextRun): true {
    if (this.#builder.addTexts(source, run)) source.pinCount++;
    source.addPendingRun(run.length, run.received, run.clock);
    return true;
  }

  #addEntries(
    entries: readonly NewEntry[],
    obtain: (src: string) => SourceState,
  ): { readonly entries: readonly NewEntry[]; readonly duplicateCount: number } {
    // Only where there are duplicates or losses is another list needed.
    let accepted: NewEntry[] | undefined;
    let duplicateCount = 0;
    for (let index = 0; index < entries.length; index++) {
      const entry = entries[index];
      if (entry === undefined) break;
      const source = obtain(entry.src);
      const losses = this.#accept(source, entry);
      if (losses === undefined) {
        duplicateCount++;
        accepted ??= entries.slice(0, index);
        continue;
      }
      if (losses.length > 0) accepted ??= entries.slice(0, index);
      accepted?.push(entry, ...losses);
      this.#add(source, entry);
      for (const loss of losses) this.#add(source, loss);
    }
    return { entries: accepted ?? entries, duplicateCount };
  }

  #add(source: SourceState, entry: NewEntry): void {
    // Not to be forgotten before the table holds it.
    if (this.#builder.add(source, entry)) source.pinCount++;
    source.addPending(entry);
  }

  /** Loss records to be stored behind the entry; undefined where it says nothing new (docs/protocol.md 6.2, 6.9). */
  #accept(source: SourceState, entry: NewEntry): readonly NewEntry[] | undefined {
    const { lost, seq } = entry;
    const boot = lost?.boot ?? entry.boot;
    if (boot === undefined || (seq === undefined && lost === undefined)) return NO_LOSSES;
    const mark = this.#core.sources.obtainMark(source, boot);
    const isNew =
      (seq !== undefined && mark.isNew(seq, seq)) ||
      (lost !== undefined && mark.isNew(lost.first, lost.last));
    if (!isNew) return undefined;
    const losses = acceptEntry(mark, entry);
    if (losses.length > 0) this.#core.deps.counters.add("store_gaps_closed_total", losses.length);
    source.markChanged(boot, mark);
    return losses;
  }

  async #commit({ batch, positions }: Prepared): Promise<void> {
    const core = this.#core;
    const changes = positions.map((position) => core.spools.changeOf(position));
    if (batch === undefined && changes.length === 0) return;
    const log = core.active.logs.at(-1);
    if (log === undefined) throw new Error("the active table has no log");
    if (batch !== undefined) {
      const key = batchKey(batch.firstPosition, batch.entryCount);
      changes.push({ type: "put", key, value: batch.value });
    }
    await log.kv.commit(changes);
    for (const position of positions) core.spools.written(position);
    if (batch === undefined) return;
    core.active.add(batch);
    core.lastPosition = batch.firstPosition + batch.entryCount - 1;
    for (const source of batch.sources) {
      source.pinCount--;
      source.settlePending();
    }
  }

  #finish(group: readonly Request[], prepared: Prepared): void {
    this.#busy = false;
    this.#runQuietActions();
    for (const results of prepared.results) this.#deliver(results);
    for (const [index, request] of group.entries()) request.resolve(prepared.results[index] ?? []);
  }

  #runQuietActions(): void {
    const actions = this.#quietActions;
    this.#quietActions = [];
    for (const action of actions) action();
  }
}

/** Its list is not looked at where there are parts: it would be made then. */
function partsOf(batch: StoreBatch): readonly EntryPart[] {
  return batch.parts ?? [batch.entries];
}

/** Their characters. */
function assertedEntries(entries: readonly NewEntry[]): number {
  let characterCount = 0;
  for (const entry of entries) {
    assertStorable(entry);
    characterCount += entry.msg.length;
  }
  return characterCount;
}

function assertedRun(run: EntryRun | TextRun): number {
  if (run instanceof TextRun) assertTextsStorable(run);
  else assertRunStorable(run);
  return run.characterCount;
}
