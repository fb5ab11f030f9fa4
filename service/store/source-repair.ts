import { STREAM_LOSS } from "../../protocol/entry.ts";
import { BootMark } from "./boot-mark.ts";
import type { SourceDeletions } from "./deletions.ts";
import { clockOfCode } from "./entry-record.ts";
import { addLoss } from "./loss-count.ts";
import { ChunkRow, type OpenChunk } from "./open-chunk.ts";
import type { FoundChunk } from "./segment-reader.ts";
import { SeqRanges } from "./seq-ranges.ts";
import { noTotals, type SourceTotals, type StoredSource } from "./source-state.ts";
import type { StoreCore } from "./store-core.ts";
import { chunkKey, chunkKeysAll, markKeys, numberOfKey } from "./store-keys.ts";

/** Places read in one go. */
const PLACES_MAX = 256;

type RepairCore = Pick<StoreCore, "segments" | "reader" | "head" | "deletions" | "sealedPosition">;

/** What a chunk says of the source whose number it has. */
interface NamedNumber {
  readonly number: number;
  readonly project: string;
  readonly src: string;
}

/**
 * Finds again what damaged rows of the head said: each chunk names its source and project beside the number that it is kept under. All
 * in one go, for readers of the source wait for it; it comes once, since the row is then written anew.
 */
export class SourceRepair {
  readonly #core: RepairCore;

  constructor(core: RepairCore) {
    this.#core = core;
  }

  /**
   * The source as far as its sealed entries tell, undefined where there are none.
   * @param isNamed whether a row that is good has the number
   */
  source(project: string, src: string, isNamed: (number: number) => boolean): StoredSource | undefined {
    for (const named of this.#names(isNamed)) {
      if (named.project !== project || named.src !== src) continue;
      const { sealedPosition } = this.#core;
      return { number: named.number, throughPosition: sealedPosition, totals: this.#totals(named.number) };
    }
    return undefined;
  }

  /**
   * The mark of a boot, undefined where nothing sealed has a seq of it. What is missing between those is open; what came before the
   * oldest is not, where the oldest entries may have gone.
   */
  mark(sourceNumber: number, boot: string): BootMark | undefined {
    const { reader, segments, deletions } = this.#core;
    const seqs = new SeqRanges();
    for (const found of this.#chunks(sourceNumber)) {
      const { seqRanges = [], streams = [] } = found.content ?? {};
      const isOfBoot = seqRanges.some((range) => range.boot === boot) || streams.includes(STREAM_LOSS);
      const chunk = isOfBoot ? reader.read(found) : undefined;
      for (let index = 0; index < (chunk?.positions.length ?? 0); index++) {
        const facts = chunk?.factsAt(index);
        if (facts?.seq !== undefined && facts.boot === boot) seqs.add(facts.seq);
        if (facts?.lost?.boot === boot) seqs.addRange(facts.lost.first, facts.lost.last);
      }
    }
    const oldest = seqs.list()[0]?.first;
    if (oldest === undefined) return undefined;
    const mark = new BootMark();
    const mayHaveGone = (segments[0]?.state.first ?? 1) > 1 || deletions.of(sourceNumber) !== undefined;
    if (oldest > 1 && mayHaveGone) mark.accept(1, oldest - 1);
    for (const { first, last } of seqs.list()) mark.accept(first, last);
    return mark;
  }

  /** The name of the project that a source of this number belongs to. */
  projectOf(sourceNumber: number): string | undefined {
    return this.#nameOf(sourceNumber)?.project;
  }

  *#names(isNamed: (number: number) => boolean): Generator<NamedNumber> {
    const seen = new Set<number>();
    const { end } = chunkKeysAll();
    for (const { kv } of this.#core.segments) {
      for (let next = 0; ; ) {
        const [first] = [...kv.range({ start: chunkKey(next, 0), end, limit: 1 })];
        if (first === undefined) break;
        const number = numberOfKey(first.key);
        next = number + 1;
        if (seen.has(number) || isNamed(number)) continue;
        seen.add(number);
        const named = this.#nameOf(number);
        if (named !== undefined) yield named;
      }
    }
  }

  #nameOf(number: number): NamedNumber | undefined {
    for (const found of this.#chunks(number)) {
      const head = this.#core.reader.read(found)?.head;
      if (head !== undefined) return { number, project: head.project, src: head.src };
    }
    return undefined;
  }

  *#chunks(number: number): Generator<FoundChunk> {
    const { reader, segments, sealedPosition } = this.#core;
    const range = {
      sinceMs: 0,
      untilMs: Number.POSITIVE_INFINITY,
      through: sealedPosition,
      limit: PLACES_MAX,
    };
    for (let after = 0; ; ) {
      const some = reader.chunksAfter(segments, number, after, range);
      yield* some;
      if (some.length < PLACES_MAX) return;
      after = some.at(-1)?.lastPosition ?? after;
    }
  }

  #totals(number: number): SourceTotals {
    const { head, deletions, reader } = this.#core;
    const totals = noTotals();
    totals.bootCount = [...head.range(markKeys(number))].length;
    const gone = deletions.of(number);
    let last: FoundChunk | undefined;
    for (const found of this.#chunks(number)) {
      const place = found.content;
      if (place === undefined) continue;
      last = found;
      const isWhole = (gone?.highest ?? 0) < place.firstPosition && !place.streams.includes(STREAM_LOSS);
      const chunk = isWhole ? undefined : reader.read(found);
      if (chunk === undefined) totals.entryCount += isWhole ? place.entryCount : 0;
      else addChunk(totals, chunk, gone);
    }
    const newest = last && reader.read(last);
    if (newest !== undefined) addNewest(totals, newest);
    return totals;
  }
}

/** Counts what was not deleted, and losses in any case, as totals do. */
function addChunk(totals: SourceTotals, chunk: OpenChunk, gone: SourceDeletions | undefined): void {
  for (const [index, position] of chunk.positions.entries()) {
    const stream = chunk.streamAt(index);
    if (!gone?.hides(stream, position)) totals.entryCount++;
    addLoss(totals.lossCounts, { stream, msg: chunk.columns.messageAt(index) });
  }
}

function addNewest(totals: SourceTotals, chunk: OpenChunk): void {
  const row = new ChunkRow();
  for (let index = 0; index < chunk.positions.length; index++) {
    chunk.readRow(index, row);
    totals.lastBoot = row.boot ?? totals.lastBoot;
  }
  totals.lastReceived = row.received;
  totals.clock = clockOfCode(row.clockCode);
  totals.clockError = row.clockError;
}
