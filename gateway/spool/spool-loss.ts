import { LossPlace, type NewEntry, type SeqRange, STREAM_LOSS } from "../../protocol/entry.ts";
import { countLossEntry, lossEntry } from "../../protocol/entry-builder.ts";
import { type JsonObject, parseJson } from "../../protocol/json-parser.ts";

/** Loss records written for one event; what is beyond them is summed up in one more. */
const LOSS_ENTRIES_MAX = 1_000;

/** Positions, both ends included. */
export interface PositionRange {
  readonly first: number;
  readonly last: number;
}

export interface LossEvent {
  readonly why: string;
  readonly receivedMs: number;
  /** Under whose name a loss is filed of which nobody knows whose entries they were. */
  readonly gatewaySrc: string;
}

/** The loss records (docs/protocol.md 1.8) for entries that are known and will never be sent. */
export async function lossesOf(
  entries: Iterable<NewEntry> | AsyncIterable<NewEntry>,
  event: LossEvent,
): Promise<NewEntry[]> {
  const ranges = new Map<
    string,
    { readonly src: string; first: number; last: number; readonly boot: string }[]
  >();
  const counts = new Map<string, number>();
  for await (const { src, boot, seq, lost, stream, msg } of entries) {
    const first = lost?.first ?? seq;
    const last = lost?.last ?? seq;
    const name = lost?.boot ?? boot;
    if (name === undefined || first === undefined || last === undefined) {
      const count = stream === STREAM_LOSS ? countIn(msg) : 1;
      counts.set(src, (counts.get(src) ?? 0) + count);
      continue;
    }
    const key = `${name}\n${src}`;
    const known = ranges.get(key) ?? [];
    if (known.length === 0) ranges.set(key, known);
    const open = known.at(-1);
    if (open !== undefined && open.last + 1 === first) open.last = last;
    else known.push({ src, boot: name, first, last });
  }
  const losses: NewEntry[] = [];
  let restCount = 0;
  for (const { src, boot, first, last } of [...ranges.values()].flat()) {
    if (losses.length < LOSS_ENTRIES_MAX) losses.push(lossOfRange(src, { boot, first, last }, event));
    else restCount += last - first + 1;
  }
  for (const [src, count] of counts) {
    if (losses.length < LOSS_ENTRIES_MAX) losses.push(lossOfCount(src, count, event));
    else restCount += count;
  }
  if (restCount > 0) losses.push(lossOfCount(event.gatewaySrc, restCount, event));
  return losses;
}

/** How many a loss record without seqs stands for. */
function countIn(msg: string): number {
  const parsed = parseJson(msg);
  const value = parsed.ok ? parsed.value : undefined;
  const count = typeof value === "object" && value !== null ? (value as JsonObject).count : undefined;
  return typeof count === "number" && Number.isSafeInteger(count) && count > 0 ? count : 1;
}

export function lossOfRange(src: string, lost: SeqRange, { why, receivedMs }: LossEvent): NewEntry {
  return lossEntry(src, lost, { where: LossPlace.Gateway, why }, receivedMs);
}

/** Entries without seq, or entries of which only the number is known. */
export function lossOfCount(
  src: string,
  count: number,
  { why, receivedMs }: Pick<LossEvent, "why" | "receivedMs">,
): NewEntry {
  return countLossEntry(src, count, { where: LossPlace.Gateway, why }, receivedMs);
}
