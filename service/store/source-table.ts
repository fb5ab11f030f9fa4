import type { Counters } from "../../host/counters.ts";
import type { BatchSource } from "./batch-record.ts";
import { BootMark } from "./boot-mark.ts";
import { ByteWriter } from "./byte-writer.ts";
import { IdMaker } from "./entry-id.ts";
import type { KvChange, OrderedKv } from "./ordered-kv.ts";
import type { SourceRepair } from "./source-repair.ts";
import {
  decodeMark,
  decodeProject,
  decodeSource,
  encodeMark,
  encodeProject,
  type Project,
  SourceState,
  type StoredSource,
} from "./source-state.ts";
import { NAME_BYTES_MAX } from "./storable.ts";
import {
  markKey,
  namedOfKey,
  nameOfKey,
  projectKey,
  projectKeysAll,
  sourceKey,
  sourceKeys,
  sourceKeysAll,
} from "./store-keys.ts";

export interface SourceTableOptions {
  /** Sources kept in memory beside those with unsealed entries; about 500 bytes each. */
  readonly cachedSourcesMax: number;
  /** Boots of one source whose marks stay in memory once they are written. */
  readonly cachedBootsMax: number;
}

interface ProjectEntry {
  readonly project: Project;
  /** True while no row of the head names it. */
  unwritten: boolean;
  recent: Map<string, SourceState>;
  older: Map<string, SourceState>;
}

interface SourceName {
  readonly project: string;
  readonly src: string;
}

/** Projects, sources and marks: in memory what is in use, the rest in the head. */
export class SourceTable {
  readonly #head: OrderedKv;
  readonly #counters: Counters;
  readonly #secret: Uint8Array;
  readonly #options: SourceTableOptions;
  #repair: SourceRepair | undefined;
  /** Damaged rows of which nothing sealed tells any more: not to be looked for each time. Bounded by the damage. */
  readonly #unknown = new Set<string>();
  #onRepaired: (source: SourceState) => void = () => {};
  readonly #projects = new Map<string, ProjectEntry>();
  readonly #values = new ByteWriter(256);
  #recentCount = 0;
  #namesByNumber: Map<number, SourceName> | undefined;
  nextSourceNumber: number;
  nextProjectNumber: number;

  constructor(
    deps: { head: OrderedKv; counters: Counters; secret: Uint8Array },
    next: { nextSourceNumber: number; nextProjectNumber: number },
    options: SourceTableOptions,
  ) {
    this.#head = deps.head;
    this.#counters = deps.counters;
    this.#secret = deps.secret;
    this.#options = options;
    this.nextSourceNumber = next.nextSourceNumber;
    this.nextProjectNumber = next.nextProjectNumber;
  }

  /**
   * Damaged rows are made anew from now on, as far as sealed entries tell.
   * @param onRepaired called with each source whose row must be written again
   */
  repairWith(repair: SourceRepair, onRepaired: (source: SourceState) => void): void {
    this.#repair = repair;
    this.#onRepaired = onRepaired;
  }

  /** The project where it has ever stored something. */
  findProject(name: string): Project | undefined {
    return this.#findProject(name)?.project;
  }

  /** The project of a number where it is known. */
  projectName(number: number): string | undefined {
    for (const [name, { project }] of this.#projects) if (project.number === number) return name;
    return this.projectNames().find((name) => this.#findProject(name)?.project.number === number);
  }

  /** Names of the projects that have ever stored something, the oldest first. */
  projectNames(): string[] {
    const numbers = new Map<string, number>();
    for (const { key, value } of this.#head.range(projectKeysAll())) {
      const number = decodeProject(value);
      if (number !== undefined) numbers.set(nameOfKey(key), number);
    }
    for (const [name, { project }] of this.#projects) numbers.set(name, project.number);
    return [...numbers].sort(([, left], [, right]) => left - right).map(([name]) => name);
  }

  /** The source where it has ever stored something. */
  find(projectName: string, src: string): SourceState | undefined {
    const entry = this.#findProject(projectName);
    return entry && this.#findSource(entry, src);
  }

  /** Finds sources of a project, and makes those that are missing. */
  obtainer(projectName: string): (src: string) => SourceState {
    const entry = this.#findProject(projectName) ?? this.#addProject(projectName, this.nextProjectNumber);
    return (src) => this.#findSource(entry, src) ?? this.#addSource(entry, src, this.nextSourceNumber);
  }

  /** The source that a batch of the log names. */
  recover(source: BatchSource): SourceState {
    const name = source.project.name;
    const entry = this.#findProject(name) ?? this.#addProject(name, source.project.number);
    const state = this.#findSource(entry, source.src) ?? this.#addSource(entry, source.src, source.number);
    // The head may have rows of sources that its state does not count yet.
    this.nextProjectNumber = Math.max(this.nextProjectNumber, source.project.number + 1);
    this.nextSourceNumber = Math.max(this.nextSourceNumber, source.number + 1);
    if (state.number !== source.number) throw new Error("the log and the head disagree on a source's number");
    return state;
  }

  /** The mark of a boot where it was ever met. */
  findMark(source: SourceState, boot: string): BootMark | undefined {
    const known = source.markOf(boot);
    if (known !== undefined) return known;
    const stored = this.#head.get(markKey(source.number, boot));
    if (stored === undefined) return undefined;
    const mark = decodeMark(stored);
    if (mark !== undefined) return mark;
    this.#counters.add("store_corrupt_marks_total");
    const repaired = this.#repair?.mark(source.number, boot);
    if (repaired === undefined) return undefined;
    this.#counters.add("store_repaired_marks_total");
    source.keepMark(boot, repaired);
    source.markChanged(boot, repaired);
    this.#onRepaired(source);
    return repaired;
  }

  obtainMark(source: SourceState, boot: string): BootMark {
    let mark = source.markOf(boot);
    if (mark === undefined) {
      mark = this.findMark(source, boot);
      if (mark === undefined) {
        mark = new BootMark();
        source.totals.bootCount++;
      }
      source.keepMark(boot, mark);
    }
    return mark;
  }

  /** What the head must hold of sources that were sealed, as of now; may be written before the seal is finished. */
  changesOf(sources: Iterable<SourceState>, throughPosition: number): KvChange[] {
    const changes: KvChange[] = [];
    for (const source of sources) {
      const entry = this.#projects.get(source.project.name);
      if (entry?.unwritten) {
        entry.unwritten = false;
        changes.push({
          type: "put",
          key: projectKey(source.project.name),
          value: encodeProject(source.project.number),
        });
      }
      changes.push({
        type: "put",
        key: sourceKey(source.project.number, source.src),
        value: source.encode(throughPosition, this.#values),
      });
      for (const { boot, mark } of source.takeDirtyMarks()) {
        changes.push({
          type: "put",
          key: markKey(source.number, boot),
          value: encodeMark(mark, this.#values),
        });
      }
    }
    return changes;
  }

  /** The changes of these sources are durable: marks beyond the latest few boots need not stay in memory. */
  written(sources: Iterable<SourceState>): void {
    for (const source of sources) source.forgetMarks(this.#options.cachedBootsMax);
  }

  /** The source of a number. The head's rows are walked, once for many. */
  findByNumber(number: number): SourceState | undefined {
    if (this.#namesByNumber?.get(number) === undefined) this.#namesByNumber = this.#readNames();
    const name = this.#namesByNumber.get(number);
    return name && this.find(name.project, name.src);
  }

  /** Lets go of what `findByNumber` needed. */
  forgetNumbers(): void {
    this.#namesByNumber = undefined;
  }

  #readNames(): Map<number, SourceName> {
    const projects = new Map<number, string>();
    for (const { key, value } of this.#head.range(projectKeysAll())) {
      const number = decodeProject(value);
      if (number !== undefined) projects.set(number, nameOfKey(key));
    }
    // One whose row was damaged.
    for (const { project } of this.#projects.values()) projects.set(project.number, project.name);
    const names = new Map<number, SourceName>();
    for (const { key, value } of this.#head.range(sourceKeysAll())) {
      const { number: projectNumber, name: src } = namedOfKey(key);
      const project = projects.get(projectNumber);
      const known = decodeSource(value);
      if (project !== undefined && known !== undefined) names.set(known.number, { project, src });
    }
    return names;
  }

  /** Up to `limit` sources that the head has after the one named, in the order of their keys; new objects, as of the head. */
  writtenSources(project: Project, after: string | undefined, limit: number): SourceState[] {
    const all = sourceKeys(project.number);
    const start =
      after === undefined ? all.start : Buffer.concat([sourceKey(project.number, after), Buffer.of(0)]);
    const sources: SourceState[] = [];
    for (const { key, value } of this.#head.range({ start, end: all.end, limit })) {
      const known = decodeSource(value);
      const src = namedOfKey(key).name;
      const repaired = known === undefined ? this.find(project.name, src) : undefined;
      // A damaged row has a place in the walk all the same.
      sources.push(
        repaired ?? (known === undefined ? new SourceState(project, src, 0) : sourceOf(project, src, known)),
      );
    }
    return sources;
  }

  /** The sources in memory that anything of is durable; what they say is newer than what the head says. */
  liveSources(project: Project): SourceState[] {
    const entry = this.#projects.get(project.name);
    if (entry === undefined) return [];
    return [entry.older, entry.recent].flatMap((sources) =>
      [...sources.values()].filter((source) => source.isKnown),
    );
  }

  #findProject(name: string): ProjectEntry | undefined {
    const known = this.#projects.get(name);
    if (known !== undefined) return known;
    if (name.length === 0 || name.length > NAME_BYTES_MAX / 3) return undefined;
    const stored = this.#head.get(projectKey(name));
    if (stored === undefined) return undefined;
    const number = decodeProject(stored);
    if (number !== undefined) return this.#keepProject(name, number, false);
    this.#counters.add("store_corrupt_projects_total");
    const repaired = this.#repairedProject(name);
    return repaired === undefined ? undefined : this.#keepProject(name, repaired, true);
  }

  #addProject(name: string, number: number): ProjectEntry {
    this.nextProjectNumber = Math.max(this.nextProjectNumber, number + 1);
    return this.#keepProject(name, number, true);
  }

  #keepProject(name: string, number: number, unwritten: boolean): ProjectEntry {
    const project = { name, number, ids: new IdMaker(this.#secret, name) };
    const entry = { project, unwritten, recent: new Map(), older: new Map() };
    this.#projects.set(name, entry);
    return entry;
  }

  #findSource(entry: ProjectEntry, src: string): SourceState | undefined {
    const recent = entry.recent.get(src);
    if (recent !== undefined) return recent;
    const older = entry.older.get(src);
    if (older !== undefined) {
      entry.older.delete(src);
      this.#keepSource(entry, older);
      return older;
    }
    if (src.length > NAME_BYTES_MAX / 3) return undefined;
    const stored = this.#head.get(sourceKey(entry.project.number, src));
    if (stored === undefined) return undefined;
    const known = decodeSource(stored);
    if (known === undefined) this.#counters.add("store_corrupt_sources_total");
    const found = known ?? this.#repairedSource(entry.project.name, src);
    if (found === undefined) return undefined;
    const source = sourceOf(entry.project, src, found);
    this.#keepSource(entry, source);
    if (known === undefined) {
      this.#counters.add("store_repaired_sources_total");
      this.#namesByNumber?.set(found.number, { project: entry.project.name, src });
      this.#onRepaired(source);
    }
    return source;
  }

  #repairedSource(project: string, src: string): StoredSource | undefined {
    const name = `${project} ${src}`;
    if (this.#unknown.has(name)) return undefined;
    const names = this.#readNames();
    const found = this.#repair?.source(project, src, (number) => names.has(number));
    if (found === undefined) this.#unknown.add(name);
    return found;
  }

  /** The number of a project is that of the rows of its sources, whose chunks name it. */
  #repairedProject(name: string): number | undefined {
    if (this.#unknown.has(name)) return undefined;
    const known = new Set<number>();
    for (const { value } of this.#head.range(projectKeysAll())) known.add(decodeProject(value) ?? 0);
    for (const { key, value } of this.#head.range(sourceKeysAll())) {
      const { number } = namedOfKey(key);
      const source = known.has(number) ? undefined : decodeSource(value);
      if (source !== undefined && this.#repair?.projectOf(source.number) === name) return number;
    }
    this.#unknown.add(name);
    return undefined;
  }

  #addSource(entry: ProjectEntry, src: string, number: number): SourceState {
    this.nextSourceNumber = Math.max(this.nextSourceNumber, number + 1);
    const source = new SourceState(entry.project, src, number);
    this.#keepSource(entry, source);
    return source;
  }

  #keepSource(entry: ProjectEntry, source: SourceState): void {
    if (++this.#recentCount > this.#options.cachedSourcesMax / 2) this.#age();
    entry.recent.set(source.src, source);
  }

  /** What was not met since the last time is forgotten, unless unsealed entries hold it. */
  #age(): void {
    this.#recentCount = 0;
    for (const entry of this.#projects.values()) {
      const forgotten = entry.older;
      entry.older = entry.recent;
      entry.recent = new Map();
      for (const source of forgotten.values()) {
        if (source.pinCount > 0) entry.older.set(source.src, source);
      }
    }
  }
}

function sourceOf(project: Project, src: string, known: StoredSource): SourceState {
  const source = new SourceState(project, src, known.number);
  source.totals = known.totals;
  source.throughPosition = known.throughPosition;
  return source;
}
