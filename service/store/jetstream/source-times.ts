import type { ProjectLog } from "./project-log.ts";
import { SuccessionWatch } from "./succession.ts";

/** Messages of all sources that are remembered, at about 40 bytes each. */
const ROWS_MAX = 1_000_000;

/** Which times the entries of one message have, UTC ms, both inclusive. */
export interface MessageTimes {
  readonly seq: number;
  readonly earliestMs: number;
  readonly latestMs: number;
}

interface Known {
  readonly rows: MessageTimes[];
  readonly watch: SuccessionWatch;
  throughSeq: number;
  reading: Promise<void>;
}

/**
 * The times of the messages of sources that somebody asked for by time: read once by each process, and then only what came since. The
 * sources asked for last are kept.
 */
export class SourceTimes {
  readonly #log: ProjectLog;
  readonly #sources = new Map<string, Known>();

  constructor(log: ProjectLog) {
    this.#log = log;
  }

  /**
   * Messages of a source with entries that may lie in a span, UTC ms, `untilMs` exclusive, in the order of their seqs.
   * @throws StoreUnavailable
   */
  async within(src: string, sinceMs: number, untilMs: number): Promise<MessageTimes[]> {
    const standing = await this.#log.standing(src);
    if (standing === undefined || standing.seq === 0) return [];
    const known = this.#obtain(src);
    // One after the other: who comes second reads on from there.
    known.reading = known.reading.catch(() => {}).then(() => this.#readOn(src, known, standing.seq));
    await known.reading;
    const floorSeq = standing.head.baseSeq;
    return known.rows.filter(
      ({ seq, earliestMs, latestMs }) => seq >= floorSeq && latestMs >= sinceMs && earliestMs < untilMs,
    );
  }

  /** The cluster may be another one than before. */
  forget(): void {
    this.#sources.clear();
  }

  #obtain(src: string): Known {
    const known = this.#sources.get(src) ?? {
      rows: [],
      watch: new SuccessionWatch(),
      throughSeq: 0,
      reading: Promise.resolve(),
    };
    this.#sources.delete(src);
    this.#sources.set(src, known);
    return known;
  }

  async #readOn(src: string, known: Known, throughSeq: number): Promise<void> {
    if (throughSeq <= known.throughSeq) return;
    const { engine, stream, names } = this.#log;
    const from = { seq: known.throughSeq + 1 };
    for await (const messages of engine.scan(stream, names.source(src), from, throughSeq)) {
      for (const message of messages) {
        // Also where the scan is ended by an error: what was taken is not taken again.
        known.throughSeq = message.seq;
        const read = this.#log.read(message);
        if (read === undefined || known.watch.isVoid(read) || read.entryCount === 0) continue;
        const { seq, earliestMs, latestMs } = read;
        known.rows.push({ seq, earliestMs, latestMs });
      }
    }
    known.throughSeq = throughSeq;
    this.#makeRoom(src);
  }

  #makeRoom(asked: string): void {
    let rowCount = 0;
    for (const { rows } of this.#sources.values()) rowCount += rows.length;
    for (const [src, { rows }] of this.#sources) {
      if (rowCount <= ROWS_MAX) return;
      if (src === asked) continue;
      rowCount -= rows.length;
      this.#sources.delete(src);
    }
  }
}
