import type { SeqRange } from "../protocol/entry.ts";

/** Seqs of a boot, both ends included. */
export type SeqSpan = Omit<SeqRange, "boot">;

/**
 * What a service has not got of the seqs of a boot below one, from its answer about the boot's mark (docs/protocol.md 13.5).
 * @returns undefined where the answer does not say: an older service.
 */
export function missingBelow(
  below: number,
  { mark, gaps }: { readonly mark?: unknown; readonly gaps?: unknown },
): readonly SeqSpan[] | undefined {
  if (typeof mark !== "number" || !Array.isArray(gaps)) return undefined;
  const spans: SeqSpan[] = [];
  for (const gap of gaps as readonly unknown[]) {
    const [first, last] = Array.isArray(gap) ? (gap as readonly unknown[]) : [];
    if (!isSeq(first) || !isSeq(last)) return undefined;
    if (first < below) spans.push({ first, last: Math.min(last, below - 1) });
  }
  if (mark < below - 1) spans.push({ first: mark + 1, last: below - 1 });
  return spans;
}

function isSeq(value: unknown): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 1;
}
