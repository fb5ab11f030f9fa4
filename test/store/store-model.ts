import type { NewEntry, StoredEntry } from "../../protocol/entry.ts";

/** The plainest store there could be: a list, and per boot the set of seqs it knows of. */
export class StoreModel {
  readonly entries: { readonly project: string; readonly entry: NewEntry }[] = [];
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
    this.entries.push({ project, entry });
    return true;
  }

  mark(project: string, src: string, boot: string): number {
    return Math.max(0, ...this.#knownOf(project, src, boot));
  }

  of(project: string, src?: string, stream?: string): NewEntry[] {
    return this.entries
      .filter((one) => one.project === project && (src === undefined || one.entry.src === src))
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
