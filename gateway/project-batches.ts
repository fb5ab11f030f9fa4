import type { NewEntry } from "../protocol/entry.ts";
import { type EntryPart, isRun, PartedEntries } from "../protocol/entry-run.ts";
import type { UplinkBatch } from "./uplink.ts";

/** What a commit takes of one project. */
export class ProjectBatch extends PartedEntries implements UplinkBatch {
  readonly project: string;

  constructor(project: string, parts: readonly EntryPart[]) {
    super(parts);
    this.project = project;
  }
}

/** Puts entries together by project, in their order within each. */
export class ProjectBatches {
  readonly #byProject = new Map<string, PartList>();

  add(project: string, entries: EntryPart): void {
    if (entries.length === 0) return;
    let list = this.#byProject.get(project);
    if (list === undefined) {
      list = new PartList();
      this.#byProject.set(project, list);
    }
    list.add(entries);
  }

  list(): readonly ProjectBatch[] {
    return Array.from(this.#byProject, ([project, { parts }]) => new ProjectBatch(project, parts));
  }
}

class PartList {
  readonly parts: EntryPart[] = [];
  /** The last of them, where it is no run: it is our own and takes more. */
  #last: NewEntry[] | undefined;

  add(entries: EntryPart): void {
    if (isRun(entries)) {
      this.parts.push(entries);
      this.#last = undefined;
    } else if (this.#last === undefined) {
      this.#last = [...entries];
      this.parts.push(this.#last);
    } else {
      for (const entry of entries) this.#last.push(entry);
    }
  }
}
