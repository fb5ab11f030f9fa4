import type { SeqRange } from "../../protocol/entry.ts";
import type { EntryIdentity } from "../../protocol/ingest-entry.ts";
import type { PositionRange } from "./spool-loss.ts";

interface Hole {
  readonly src: string;
  readonly lost: SeqRange;
  /** Positions of the entries of the boot on either side. */
  readonly after: number;
  readonly before: number;
}

interface FollowedBoot {
  next: number;
  position: number;
  /** Those of `#holes` that are this boot's: a loss record is looked up here, and not among the holes of all boards. */
  holes: Hole[];
}

/** Boots followed at a time; of others a damage is told by its count alone. */
const BOOTS_MAX = 10_000;

/**
 * Says which seqs stood in damaged positions: entries of a boot stand in the spool without a gap, so a hole around a damage is
 * what was lost.
 */
export class HoleFinder {
  readonly #boots = new Map<string, FollowedBoot>();
  /** In the order of the entries behind them. */
  readonly #holes = new Set<Hole>();

  /** Entries in the order of their positions. @param markBefore what is known of the boot from before the spool. */
  add(entry: EntryIdentity, position: number, markBefore: number | undefined): void {
    const { src, lost } = entry;
    const boot = lost?.boot ?? entry.boot;
    const first = lost?.first ?? entry.seq;
    const last = lost?.last ?? entry.seq;
    if (boot === undefined || first === undefined || last === undefined) return;
    const key = `${boot}\n${src}`;
    let state = this.#boots.get(key);
    if (state === undefined) {
      if (this.#boots.size >= BOOTS_MAX) return;
      state = { next: markBefore === undefined ? first : markBefore + 1, position: 0, holes: [] };
      this.#boots.set(key, state);
    }
    if (first > state.next) {
      const range = { boot, first: state.next, last: first - 1 };
      const hole: Hole = { src, lost: range, after: state.position, before: position };
      this.#holes.add(hole);
      state.holes.push(hole);
    } else if (lost !== undefined && state.holes.length > 0) {
      // A loss record written later fills the hole it speaks of.
      const isFilled = (hole: Hole): boolean => hole.lost.first >= first && hole.lost.last <= last;
      for (const hole of state.holes) if (isFilled(hole)) this.#holes.delete(hole);
      state.holes = state.holes.filter((hole) => !isFilled(hole));
    }
    state.next = Math.max(state.next, last + 1);
    state.position = position;
  }

  /**
   * The holes that a damage left, and how many of its positions they leave unexplained. A hole with more seqs than there are
   * positions had a loss record in one of them: that is certain where no other damage stands in it.
   * @param others all that is damaged; the range itself may be among it.
   */
  explain(
    { first, last }: PositionRange,
    others: readonly PositionRange[] = [],
  ): { readonly holes: readonly Hole[]; readonly restCount: number } {
    let restCount = last - first + 1;
    const holes: Hole[] = [];
    for (const hole of this.#holes) {
      const count = hole.lost.last - hole.lost.first + 1;
      if (hole.after >= first || hole.before <= last || restCount === 0) continue;
      const hasOther = others.some(
        (other) => other.first !== first && other.last > hole.after && other.first < hole.before,
      );
      if (count > restCount && hasOther) continue;
      holes.push(hole);
      restCount = Math.max(0, restCount - count);
    }
    for (const hole of holes) this.#holes.delete(hole);
    return { holes, restCount };
  }
}
