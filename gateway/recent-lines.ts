/** Lines that are remembered; a board's ring holds fewer, so what it sends again is among them. 512 bytes a boot. */
const LINES_MAX = 128;
const NOT_KNOWN = 0;

/** Hashes of the lines (`hashOfLine`) that a boot sent last. */
export class RecentLines {
  /** By seq modulo its length. Seqs are taken one after the other, so a slot is that of the newest. */
  #hashes: Uint32Array | undefined;

  take(seq: number, hash: number): void {
    this.#hashes ??= new Uint32Array(LINES_MAX);
    this.#hashes[seq % LINES_MAX] = hash;
  }

  /** Seqs that no line was stored under. */
  skip(first: number, last: number): void {
    if (this.#hashes === undefined) return;
    for (let seq = Math.max(first, last - LINES_MAX + 1); seq <= last; seq++)
      this.#hashes[seq % LINES_MAX] = NOT_KNOWN;
  }

  /** Whether another line is known under the seq. @param mark the highest seq taken or skipped. */
  isOther(seq: number, hash: number, mark: number): boolean {
    if (this.#hashes === undefined || seq <= mark - LINES_MAX) return false;
    const known = this.#hashes[seq % LINES_MAX];
    return known !== NOT_KNOWN && known !== hash;
  }
}
