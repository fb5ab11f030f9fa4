import { type Uplink, type UplinkBatch, UplinkUnavailable } from "../../gateway/uplink.ts";
import type { NewEntry } from "../../protocol/entry.ts";

/** A log service in memory, with the marks of the real one; away, slow or stuck on demand. */
export class MemoryUplink implements Uplink {
  readonly entries: NewEntry[] = [];
  readonly projects: string[] = [];
  /** One for each call that stored something. */
  readonly commits: (readonly UplinkBatch[])[] = [];
  /** Entries with a `(src, boot, seq)` that was stored before. */
  duplicateCount = 0;
  isAway = false;
  /** Awaited before a commit stores anything. */
  gate: () => Promise<void> = async () => {};
  readonly #marks = new Map<string, number>();
  readonly #seqs = new Set<string>();

  async commit(batches: readonly UplinkBatch[]): Promise<void> {
    await this.gate();
    if (this.isAway) throw new UplinkUnavailable("told to be away");
    this.commits.push(batches);
    for (const { project, entries } of batches) for (const entry of entries) this.#store(project, entry);
  }

  async mark(project: string, src: string, boot: string): Promise<number> {
    if (this.isAway) throw new UplinkUnavailable("told to be away");
    return this.#marks.get(JSON.stringify([project, src, boot])) ?? 0;
  }

  /** Stored texts of one stream, strings as they are. */
  texts(src: string, stream = "console"): readonly string[] {
    return this.entries
      .filter((entry) => entry.src === src && entry.stream === stream)
      .map(({ msg }) => (msg.startsWith('"') ? (JSON.parse(msg) as string) : msg));
  }

  #store(project: string, entry: NewEntry): void {
    const { src, boot, seq, lost } = entry;
    if (boot !== undefined && seq !== undefined) {
      const key = JSON.stringify([project, src, boot, seq]);
      if (this.#seqs.has(key)) {
        this.duplicateCount += 1;
        return;
      }
      this.#seqs.add(key);
    }
    const last = lost?.last ?? seq;
    if (boot !== undefined && last !== undefined) {
      const key = JSON.stringify([project, src, boot]);
      this.#marks.set(key, Math.max(last, this.#marks.get(key) ?? 0));
    }
    this.entries.push(entry);
    this.projects.push(project);
  }
}
