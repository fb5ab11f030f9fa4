import { LossPlace, STREAM_LOSS } from "../../protocol/entry.ts";

/** Lines missing, by the place they were lost. */
export type LossCounts = Record<LossPlace, number>;

export const LOSS_PLACES: readonly LossPlace[] = Object.values(LossPlace);

export function noLosses(): LossCounts {
  return { agent: 0, link: 0, gateway: 0, service: 0 };
}

/** Adds what an entry says is missing (docs/protocol.md 1.8); one that is no loss record adds nothing. */
export function addLoss(
  counts: LossCounts,
  { stream, msg }: { readonly stream: string; readonly msg: string },
): void {
  if (stream !== STREAM_LOSS) return;
  let loss: unknown;
  try {
    loss = JSON.parse(msg);
  } catch {
    return;
  }
  if (typeof loss !== "object" || loss === null || !("where" in loss) || !("count" in loss)) return;
  const { where, count } = loss;
  const place = LOSS_PLACES.find((known) => known === where);
  if (place === undefined || typeof count !== "number" || !Number.isSafeInteger(count) || count < 1) return;
  counts[place] = Math.min(Number.MAX_SAFE_INTEGER, counts[place] + count);
}
