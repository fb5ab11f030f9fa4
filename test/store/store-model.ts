import type { NewEntry, StoredEntry } from "../../protocol/entry.ts";
import type { SourceSummary } from "../../protocol/source-summary.ts";
import { addLoss, noLosses } from "../../service/store/loss-count.ts";

/** The plainest store there could be: a list, and per boot the set of seqs it knows of. */
export class StoreModel {
  readonly entries: { readonly project: string; readonly entry: NewEntry; isGone: boolean }[] = [];
  readonly #seqs = new Map<string, Set<number>>();

  /** True when the entry is stored. */
  append(project: string, entry: NewEntry): boolean {
    const boot = entry.lost?.boot ?? entry.boot;
    if (boot !== undefined && (entry.seq !== undefined || entry.lost !== undefined)) {
      const known = this.#knownOf(project, entry.src, boot);
      const wanted = seqsOf(entry);
      if (wanted.every((seq) => known.has(seq))) return false;
      for (const seq of wanted) known.add(seq);
    }
    this.entries.push({ project, entry, isGone: false });
    return true;
  }

  /** Entries that were not taken away again. */
  get keptCount(): number {
    return this.entries.filter(({ isGone }) => !isGone).length;
  }

  /** Returns how many there were. */
  delete(project: string, src: string, stream?: string): number {
    const found = this.entries.filter(
      (one) =>
        !one.isGone &&
        one.project === project &&
        one.entry.src === src &&
        (stream === undefined || one.entry.stream === stream),
    );
    for (const one of found) one.isGone = true;
    return found.length;
  }

  /** What is told of every source that ever stored anything. */
  sources(project: string): SourceSummary[] {
    const summaries = new Map<string, SourceSummary>();
    const boots = new Set<string>();
    for (const { entry, isGone } of this.entries.filter((one) => one.project === project)) {
      const { src, received, clock, clockError } = entry;
      const before = summaries.get(src);
      const boot = entry.lost?.boot ?? entry.boot;
      const isSequenced = boot !== undefined && (entry.seq !== undefined || entry.lost !== undefined);
      const isNewBoot = isSequenced && !boots.has(JSON.stringify([src, boot]));
      if (isSequenced) boots.add(JSON.stringify([src, boot]));
      const lossCounts = before?.lossCounts ?? noLosses();
      addLoss(lossCounts, entry);
      const lastBoot = entry.boot ?? before?.lastBoot;
      summaries.set(src, {
        src,
        lastReceived: received,
        entryCount: (before?.entryCount ?? 0) + (isGone ? 0 : 1),
        bootCount: (before?.bootCount ?? 0) + (isNewBoot ? 1 : 0),
        ...(lastBoot !== undefined && { lastBoot }),
        clock,
        ...(clockError !== undefined && { clockError }),
        lossCounts,
      });
    }
    return [...summaries.values()].sort((left, right) => (left.src < right.src ? -1 : 1));
  }

  mark(project: string, src: string, boot: string): number {
    return Math.max(0, ...this.#knownOf(project, src, boot));
  }

  of(project: string, src?: string, stream?: string): NewEntry[] {
    return this.entries
      .filter((one) => !one.isGone && one.project === project && (src === undefined || one.entry.src === src))
      .map((one) => one.entry)
      .filter((entry) => stream === undefined || entry.stream === stream);
  }

  /** The model that holds just these, as if nothing else had ever come. */
  static from(entries: readonly { readonly project: string; readonly entry: NewEntry }[]): StoreModel {
    const model = new StoreModel();
    for (const { project, entry } of entries) model.append(project, entry);
    return model;
  }

  #knownOf(project: string, src: string, boot: string): Set<number> {
    const name = JSON.stringify([project, src, boot]);
    let known = this.#seqs.get(name);
    if (known === undefined) {
      known = new Set();
      this.#seqs.set(name, known);
    }
    return known;
  }
}

function seqsOf({ seq, lost }: NewEntry): number[] {
  const seqs =
    lost === undefined ? [] : Array.from({ length: lost.last - lost.first + 1 }, (_, i) => lost.first + i);
  if (seq !== undefined) seqs.push(seq);
  return seqs;
}

/** An entry as it was before it had an id. */
export function withoutId({ id: _id, ...entry }: StoredEntry): NewEntry {
  return entry;
}
