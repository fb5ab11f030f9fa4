import { type Batch, type BatchRead, type BatchSource, readBatch } from "./batch-record.ts";
import { ByteReader } from "./byte-reader.ts";
import { type CheckReport, Findings } from "./check-report.ts";
import { brotliCompressor, type Compressor } from "./compressor.ts";
import { RowView } from "./entry-record.ts";
import { type CheckedHead, checkHead, checkSpools } from "./head-check.ts";
import { SegmentCheck } from "./segment-check.ts";
import { SourceLedger } from "./source-ledger.ts";
import { batchKeys, batchOfKey, everyKey, isLogKey } from "./store-keys.ts";
import { positionsMissing } from "./store-state.ts";
import type { NamedView, StoreView } from "./store-view.ts";

export interface CheckProgress {
  readonly entryCount: number;
  /** About. */
  readonly entryTotal: number;
}

/**
 * Reads every value of a store and holds all of it against the rest: checksums of all values, what a chunk's place says against
 * the chunk, the project index against the chunks, marks and totals of the head against the entries; and that no seq is there twice.
 * @param turn called with the progress every few hundred values.
 * @param compressor what the store's chunks were written with.
 */
export async function checkStore(
  view: StoreView,
  turn: (progress: CheckProgress) => Promise<void>,
  compressor: Compressor = brotliCompressor,
): Promise<CheckReport> {
  const findings = new Findings();
  const head = checkHead(view.head, findings);
  const ledgers = new Map<number, SourceLedger>();
  const ledgerOf = (sourceNumber: number): SourceLedger => {
    let ledger = ledgers.get(sourceNumber);
    if (ledger === undefined) {
      ledger = new SourceLedger(head.sources.get(sourceNumber), view.state.sealedPosition);
      ledgers.set(sourceNumber, ledger);
    }
    return ledger;
  };
  const entryTotal = view.segments.reduce((sum, { state }) => sum + state.entryCount, 0);
  let entryCount = 0;
  const { sealedPosition } = view.state;
  const deps = {
    compressor,
    head,
    findings,
    ledgerOf,
    turn: async (read: number) => {
      entryCount += read;
      await turn({ entryCount, entryTotal });
    },
  };
  let last = 0;
  for (const segment of view.segments) {
    if (segment.state.first <= last)
      findings.problem(segment.name, "it begins before the one before it ends");
    last = segment.state.last;
    await new SegmentCheck(deps, segment, sealedPosition).run();
  }
  if (last > sealedPosition) findings.problem(view.head.name, "segments reach further than what is sealed");
  let next = sealedPosition + 1;
  for (const log of view.logs) {
    next = checkLog(log, { head, findings, ledgerOf, sealedPosition, next });
    await deps.turn(0);
  }
  for (const sourceNumber of head.sources.keys())
    ledgerOf(sourceNumber).compare(head.marks.get(sourceNumber), findings);
  findings.counts.sourceCount = ledgers.size;
  return findings.report();
}

interface LogCheck {
  readonly head: CheckedHead;
  readonly findings: Findings;
  readonly ledgerOf: (sourceNumber: number) => SourceLedger;
  readonly sealedPosition: number;
  /** Position that the log must go on with. */
  readonly next: number;
}

/** Returns the position after its last entry. */
function checkLog(log: NamedView, { head, findings, ledgerOf, sealedPosition, next }: LogCheck): number {
  let expected = next;
  if (log.view.damage !== undefined) findings.problem(log.name, log.view.damage.text);
  for (const { key, value } of log.view.range(everyKey())) {
    findings.value(value);
    if (!isLogKey(key)) findings.problem(log.name, "it holds a value of an unknown kind");
  }
  checkSpools(log, findings);
  for (const { key, value } of log.view.range(batchKeys())) {
    const { firstPosition, entryCount } = batchOfKey(key);
    // Sealed already: the log was about to go.
    if (firstPosition <= sealedPosition) continue;
    // A store that was restored leaves places out; none comes twice.
    if (firstPosition < expected)
      findings.problem(log.name, `two batches stand at one place (${firstPosition})`);
    if (positionsMissing(expected - 1, firstPosition) > 0)
      findings.problem(log.name, `no batch holds the positions from ${expected} to ${firstPosition - 1}`);
    expected = firstPosition + entryCount;
    findings.counts.unsealedEntryCount += entryCount;
    const read = readSafely(firstPosition, value);
    if (read.type === "batch") {
      checkRows(read.batch, log.name, { head, findings, ledgerOf });
      continue;
    }
    if (read.sources.length === 0)
      findings.problem(log.name, `a batch of ${entryCount} entries is damaged; they are lost`);
    for (const { source, entryCount: count } of read.sources) {
      const named = { project: source.project.name, src: source.src };
      findings.problem(log.name, `a batch is damaged; ${count} entries of it are lost`, named);
    }
  }
  return expected;
}

function readSafely(firstPosition: number, value: Uint8Array): BatchRead<BatchSource> {
  try {
    return readBatch(firstPosition, value, (source) => source);
  } catch {
    return { type: "damaged", sources: [] };
  }
}

function checkRows(
  batch: Batch<BatchSource>,
  where: string,
  { head, findings, ledgerOf }: Pick<LogCheck, "head" | "findings" | "ledgerOf">,
): void {
  const row = new RowView();
  for (let index = 0; index < batch.entryCount; index++) {
    const source = batch.sources[batch.rowSources[index] ?? 0];
    if (source === undefined) continue;
    const named = head.sources.get(source.number);
    if (named !== undefined && named.src !== source.src)
      findings.problem(where, `source number ${source.number} is another one's, ${source.src}`, named);
    row.read(new ByteReader(batch.value, batch.rowStarts[index]));
    const position = batch.firstPosition + index;
    const { stream, boot, seq, lost } = row;
    const isHidden = head.deletions.of(source.number)?.hides(stream, position) ?? false;
    ledgerOf(source.number).add({ position, stream, boot, seq, lost, isHidden }, where, findings);
  }
}
