import type { Answer } from "./answer.ts";
import { Status } from "./decoded.ts";
import { LossPlace, type NewEntry } from "./entry.ts";
import { type EntryOrigin, entryFromLog, lossEntry } from "./entry-builder.ts";
import type { Verdict } from "./sequencing.ts";

/** Who carries a verdict out, and for whom. */
export interface VerdictOrigin extends EntryOrigin {
  readonly boot: string;
  /** Where a line is lost that is refused here. */
  readonly place: typeof LossPlace.Gateway | typeof LossPlace.Service;
}

/** What a verdict has stored (docs/protocol.md 6), or undefined where it stores nothing. */
export function entryOfVerdict(verdict: Verdict, origin: VerdictOrigin): NewEntry | undefined {
  const { src, received } = origin;
  switch (verdict.type) {
    case "entry":
      return entryFromLog(verdict.args, origin, verdict.id);
    case "drop": {
      const reason = { where: LossPlace.Agent, why: verdict.why };
      return lossEntry(src, verdict.lost, reason, received, verdict.id);
    }
    case "lost":
      return lossEntry(src, verdict.lost, { where: verdict.where, why: verdict.why }, received);
    case "refused": {
      // Its seq is used up, so the mark must move past it durably.
      const lost = { boot: origin.boot, first: verdict.id, last: verdict.id };
      const reason = { where: origin.place, why: `refused: ${verdict.problem.text}` };
      return lossEntry(src, lost, reason, received, verdict.id);
    }
    default:
      return undefined;
  }
}

/** What the command of a verdict is answered (docs/protocol.md 3.4, 5.4); undefined for `lost`, which belongs to none. */
export function answerOfVerdict(verdict: Verdict, boot: string): Answer | undefined {
  switch (verdict.type) {
    case "entry":
    case "drop":
    case "duplicate":
      return { id: verdict.id, status: Status.Ok };
    case "refused":
    case "aside": {
      const { id, problem } = verdict;
      return { ...(id !== undefined && { id }), status: problem.status, text: problem.text };
    }
    case "gap":
      return {
        id: verdict.id,
        status: Status.Gap,
        text: `id: after a gap; seq ${verdict.expected} of boot ${boot} is expected next`,
      };
    case "lost":
      return undefined;
  }
}
