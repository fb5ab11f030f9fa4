import type { Findings } from "./check-report.ts";
import { readSealedChunk } from "./chunk-head.ts";
import { type ChunkPlace, readChunkPlace } from "./chunk-place.ts";
import type { Compressor } from "./compressor.ts";
import type { CheckedHead } from "./head-check.ts";
import { IndexTally } from "./index-tally.ts";
import { OpenChunk } from "./open-chunk.ts";
import { type PackPlace, PackReader } from "./pack.ts";
import { type IndexRow, isOwnRow, readIndexPlace, readIndexRow } from "./project-index.ts";
import type { SourceLedger } from "./source-ledger.ts";
import {
  chunkKeysAll,
  everyKey,
  isSegmentKey,
  lastPositionOfKey,
  numberOfKey,
  projectIndexKeysAll,
} from "./store-keys.ts";
import { isUnfinished, type SegmentView } from "./store-view.ts";

/** Values read in one turn. */
const TURN_VALUES = 200;

export interface SegmentCheckDeps {
  readonly compressor: Compressor;
  readonly head: CheckedHead;
  readonly findings: Findings;
  readonly ledgerOf: (sourceNumber: number) => SourceLedger;
  /** Called now and then with how many entries were read since, to show progress and let other work have its turn. */
  readonly turn: (entryCount: number) => Promise<void>;
}

/** Reads every value of one segment, and holds what it says of itself against what is in it. */
export class SegmentCheck {
  readonly #deps: SegmentCheckDeps;
  readonly #segment: SegmentView;
  readonly #sealedPosition: number;
  readonly #packs = new PackReader();
  /** Bytes of the pack that places name. */
  #placedBytes = 0;
  readonly #tally = new IndexTally();
  #entryCount = 0;
  #timestampMin = Number.MAX_SAFE_INTEGER;
  #timestampMax = 0;
  /** Damage was found that makes sums differ. */
  #isDamaged = false;
  /** A row of the project index was made anew; what it was before is in the pack still. */
  #isRepaired = false;

  constructor(deps: SegmentCheckDeps, segment: SegmentView, sealedPosition: number) {
    this.#deps = deps;
    this.#segment = segment;
    this.#sealedPosition = sealedPosition;
  }

  async run(): Promise<void> {
    const { view } = this.#segment;
    const { findings, turn } = this.#deps;
    await this.#checkChunks();
    await this.#checkIndex();
    let bytes = 0;
    for (let start = everyKey().start; ; ) {
      const some = [...view.range({ ...everyKey(), start, limit: TURN_VALUES })];
      for (const { key, value } of some) {
        if (!isSegmentKey(key)) this.#problem("it holds a value of an unknown kind");
        if (this.#isUnfinished(key)) continue;
        findings.value(value);
        bytes += value.length;
      }
      const last = some.at(-1)?.key;
      if (last === undefined || some.length < TURN_VALUES) break;
      start = after(last);
      await turn(0);
    }
    this.#checkPack();
    this.#compareState(bytes + this.#segment.state.packBytes);
    findings.counts.segmentCount++;
    findings.counts.sealedEntryCount += this.#entryCount;
  }

  #isUnfinished(key: Uint8Array): boolean {
    return isUnfinished(key, this.#sealedPosition);
  }

  async #checkChunks(): Promise<void> {
    const { view } = this.#segment;
    const all = chunkKeysAll();
    for (let start = all.start; ; ) {
      const some = [...view.range({ start, end: all.end, limit: TURN_VALUES })];
      let entryCount = 0;
      for (const { key, value } of some) {
        if (this.#isUnfinished(key)) continue;
        entryCount += this.#checkChunk(numberOfKey(key), lastPositionOfKey(key), value);
      }
      await this.#deps.turn(entryCount);
      const last = some.at(-1)?.key;
      if (last === undefined || some.length < TURN_VALUES) return;
      start = after(last);
    }
  }

  /** Returns how many entries it says it has. */
  #checkChunk(sourceNumber: number, lastPosition: number, value: Uint8Array): number {
    const ledger = this.#deps.ledgerOf(sourceNumber);
    const named = this.#deps.head.sources.get(sourceNumber);
    const damaged = (what: string): void => {
      ledger.isDamaged = true;
      this.#isDamaged = true;
      this.#problem(what, named);
    };
    const place = readChunkPlace(value, lastPosition);
    if (place === undefined) {
      damaged("the place of a chunk is damaged; its entries are lost");
      return 0;
    }
    this.#placedBytes += place.size;
    if (named === undefined) damaged(`the head has no source number ${sourceNumber}, which a chunk is of`);
    const chunk = this.#open(place);
    if (chunk === undefined) {
      damaged(`a chunk is damaged: ${wordsOf(place)}`);
      return place.entryCount;
    }
    try {
      const wrong = this.#readChunk(sourceNumber, place, chunk, ledger);
      if (wrong !== undefined) damaged(`a chunk ${wrong}: ${wordsOf(place)}`);
    } catch (error) {
      damaged(
        `a chunk cannot be read (${error instanceof Error ? error.message : error}): ${wordsOf(place)}`,
      );
    }
    return place.entryCount;
  }

  #open(place: ChunkPlace): OpenChunk | undefined {
    const bytes = this.#readPack(place);
    try {
      const sealed = bytes && readSealedChunk(bytes);
      return sealed && new OpenChunk(sealed, this.#deps.compressor);
    } catch {
      return undefined;
    }
  }

  /** What is wrong with it, if anything. */
  #readChunk(
    sourceNumber: number,
    place: ChunkPlace,
    chunk: OpenChunk,
    ledger: SourceLedger,
  ): string | undefined {
    const { head, columns, positions } = chunk;
    const { findings, head: storeHead } = this.#deps;
    const named = storeHead.sources.get(sourceNumber);
    const gone = storeHead.deletions.of(sourceNumber);
    const levelCounts = place.levelCounts.map(() => 0);
    let low = Number.MAX_SAFE_INTEGER;
    let high = 0;
    for (let index = 0; index < positions.length; index++) {
      const position = positions[index] ?? 0;
      const { stream, boot, seq, lost, timestamp, levelRank } = chunk.factsAt(index);
      columns.messageAt(index);
      levelCounts[levelRank] = (levelCounts[levelRank] ?? 0) + 1;
      low = Math.min(low, timestamp);
      high = Math.max(high, timestamp);
      this.#tally.addEntry(position, sourceNumber);
      const isHidden = gone?.hides(stream, position) ?? false;
      ledger.add({ position, stream, boot, seq, lost, isHidden }, this.#segment.name, findings);
      if (!place.streams.includes(stream))
        return `has an entry of stream ${stream}, which its place does not name`;
    }
    this.#entryCount += positions.length;
    this.#timestampMin = Math.min(this.#timestampMin, low);
    this.#timestampMax = Math.max(this.#timestampMax, high);
    const isOther = named !== undefined && (head.src !== named.src || head.project !== named.project);
    if (isOther) return `is of another source, ${head.src}`;
    if (positions[0] !== place.firstPosition || positions.at(-1) !== place.lastPosition)
      return "holds other entries than its place says";
    const isAgreed =
      positions.length === place.entryCount &&
      low === place.timestampMin &&
      high === place.timestampMax &&
      levelCounts.every((count, rank) => count === place.levelCounts[rank]);
    return isAgreed ? undefined : "has other counts than its place says";
  }

  async #checkIndex(): Promise<void> {
    const { view, state } = this.#segment;
    const { head, turn } = this.#deps;
    const all = projectIndexKeysAll();
    for (let start = all.start; ; ) {
      const some = [...view.range({ start, end: all.end, limit: TURN_VALUES })];
      for (const { key, value } of some) {
        if (this.#isUnfinished(key)) continue;
        const row = this.#indexRow(value);
        const project = head.projectNames.get(numberOfKey(key)) ?? `number ${numberOfKey(key)}`;
        if (row === undefined) {
          this.#isDamaged = true;
          this.#problem(`a row of the index of project ${project} is damaged; no entry is lost by it`);
          continue;
        }
        if (row.positions.at(-1) !== lastPositionOfKey(key))
          this.#problem(`a row of the index of project ${project} ends elsewhere than it says`);
        this.#tally.addRow(row);
        await turn(0);
      }
      const last = some.at(-1)?.key;
      if (last === undefined || some.length < TURN_VALUES) break;
      start = after(last);
    }
    if (this.#isDamaged) return;
    // Compaction leaves deleted entries out and copies rows as they are.
    if (state.isCompact ? this.#tally.isMissingEntries : !this.#tally.agrees)
      this.#problem("the index of a project does not agree with the chunks");
  }

  #indexRow(value: Uint8Array): IndexRow | undefined {
    if (isOwnRow(value)) this.#isRepaired = true;
    const place = readIndexPlace(value);
    this.#placedBytes += place?.size ?? 0;
    const sealed = place === undefined ? value : this.#readPack(place);
    return sealed && readIndexRow(sealed, this.#deps.compressor);
  }

  #readPack(place: PackPlace): Buffer | undefined {
    const bytes = this.#packs.read(this.#segment.pack, place);
    if (bytes !== undefined) this.#deps.findings.value(bytes);
    return bytes;
  }

  #checkPack(): void {
    const { pack, state } = this.#segment;
    const { sizeBytes } = pack;
    if (sizeBytes < state.packBytes)
      this.#problem(`its pack is cut off: it has ${sizeBytes} bytes, the head says ${state.packBytes}`);
    if (this.#isDamaged || this.#isRepaired || state.packBytes === this.#placedBytes) return;
    this.#problem(`its pack holds ${state.packBytes} bytes, places name ${this.#placedBytes}`);
  }

  #compareState(bytes: number): void {
    if (this.#isDamaged) return;
    const { state } = this.#segment;
    const counts: [string, number, number][] = [
      ["entries", state.entryCount, this.#entryCount],
      // A row that was made anew takes other bytes than it took before.
      ["bytes", state.bytes, this.#isRepaired ? state.bytes : bytes],
      ["as its lowest timestamp", state.timestampMin, this.#timestampMin],
      ["as its highest timestamp", state.timestampMax, this.#timestampMax],
    ];
    for (const [what, said, found] of counts) {
      if (said !== found) this.#problem(`the head says ${said} ${what}, there is ${found}`);
    }
  }

  #problem(what: string, source?: { readonly project: string; readonly src: string }): void {
    this.#deps.findings.problem(this.#segment.name, what, source);
  }
}

function wordsOf({ entryCount, seqRanges, firstPosition, lastPosition }: ChunkPlace): string {
  const ranges = seqRanges.map(({ boot, first, last }) => `seqs ${first} to ${last} of boot ${boot}`);
  const where = ranges.length > 0 ? ranges.join(", ") : `places ${firstPosition} to ${lastPosition}`;
  return `${entryCount} entries, ${where}`;
}

/** The next key there can be. */
function after(key: Uint8Array): Uint8Array {
  return Buffer.concat([key, Buffer.of(0)]);
}
