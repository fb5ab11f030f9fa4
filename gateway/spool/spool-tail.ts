import type { SpoolRecord } from "./spool-record.ts";

/**
 * The newest entries, so that what is forwarded as it comes is never read from the disk. Bounded by bytes: beyond it the oldest
 * are let go here, and read from their segment instead.
 */
export class SpoolTail {
  readonly #bytesMax: number;
  #records: SpoolRecord[] = [];
  #bytes = 0;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  /** Records with consecutive positions, behind those that were pushed before. */
  push(records: readonly SpoolRecord[]): void {
    const last = this.#records.at(-1);
    if (last !== undefined && records[0]?.position !== last.position + 1) this.clear();
    for (const record of records) {
      this.#records.push(record);
      this.#bytes += record.payload.length;
    }
    let count = 0;
    while (this.#bytes > this.#bytesMax && count < this.#records.length) {
      this.#bytes -= this.#records[count]?.payload.length ?? 0;
      count += 1;
    }
    if (count > 0) this.#records = this.#records.slice(count);
  }

  /** At most so many entries from this position on; undefined where they do not begin here. */
  from(position: number, countMax: number): readonly SpoolRecord[] | undefined {
    const first = this.#records[0];
    if (first === undefined || position < first.position) return undefined;
    const index = position - first.position;
    return index > this.#records.length ? undefined : this.#records.slice(index, index + countMax);
  }

  /** Forgets what the service has. */
  dropThrough(position: number): void {
    const first = this.#records[0];
    if (first === undefined || position < first.position) return;
    const gone = this.#records.splice(0, position - first.position + 1);
    for (const { payload } of gone) this.#bytes -= payload.length;
  }

  clear(): void {
    this.#records = [];
    this.#bytes = 0;
  }
}
