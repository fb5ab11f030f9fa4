import type { ProcessLog } from "../../host/log.ts";
import { STREAM_LOSS } from "../../protocol/entry.ts";
import { KeyedQueue } from "../keyed-queue.ts";
import { type Batch, type BatchSource, readBatch } from "./batch-record.ts";
import { CHECKED_HEAD_BYTES, openValue, sealValue, ValueKind } from "./checked-value.ts";
import { DamageReporter } from "./damage-reporter.ts";
import { Deletions } from "./deletions.ts";
import { DiskRoom } from "./disk-room.ts";
import type { ByteFile } from "./durable-file.ts";
import { clockOfCode, RowView } from "./entry-record.ts";
import { IndexRepair } from "./index-repair.ts";
import { StoreUnavailable } from "./log-store.ts";
import { Memtable, messageOf } from "./memtable.ts";
import { type KvChange, KvForm, type OrderedKv } from "./ordered-kv.ts";
import { ReaderGate } from "./reader-gate.ts";
import { openSegment, type Segment } from "./segment.ts";
import { SegmentReader } from "./segment-reader.ts";
import { SourceRepair } from "./source-repair.ts";
import { addToTotals, type SourceState } from "./source-state.ts";
import { SourceTable } from "./source-table.ts";
import { SpoolPositions } from "./spool-positions.ts";
import { type ChunkedStoreOptions, type StoreCore, type StoreDeps, StoreHealth } from "./store-core.ts";
import { batchKeys, batchOfKey, chunkKeys, isBatchKey, projectIndexKeys } from "./store-keys.ts";
import {
  decodeState,
  encodeState,
  floorOf,
  HEAD_NAME,
  isOldState,
  logName,
  numberOfName,
  positionsMissing,
  SECRET_KEY,
  type SegmentState,
  STATE_EMPTY,
  STATE_KEY,
  type StoreState,
  segmentName,
} from "./store-state.ts";

/** Bytes of the secret that tokens are tagged with. */
const SECRET_BYTES = 32;
const POSITION_MAX = Number.MAX_SAFE_INTEGER - 1;

/** Values removed in one transaction. */
const REMOVE_MAX = 1000;

/**
 * Opens what is on the disk: the head, the segments its state names, and the log, which is replayed into a table. Sealed
 * values are not looked at, so the time depends on the unsealed bytes only. Doing it twice, or crashing on the way and doing
 * it again, gives the same.
 * @throws StoreUnavailable where the head is damaged.
 */
export async function openCore(
  deps: StoreDeps & { newSecret: (size: number) => Uint8Array },
  options: ChunkedStoreOptions,
): Promise<StoreCore> {
  const { space } = deps;
  const names = await space.names();
  const isOthers = names.some((name) => name !== HEAD_NAME);
  if (isOthers && !names.includes(HEAD_NAME)) throw headless();
  const head = await space.open(HEAD_NAME);
  const { state, secret } = await readHead(head, isOthers, deps.newSecret);
  await removeUnnamedSegments(deps, state, names);
  const segments: Segment[] = [];
  for (const segment of state.segments) {
    if (!names.includes(segmentName(segment.number))) {
      throw new StoreUnavailable(`the segment ${segmentName(segment.number)} is missing`);
    }
    const files = await openSegment(space, segment.number);
    assertPack(files.pack, segment, deps.log);
    segments.push({ state: segment, ...files });
  }
  const damages = new DamageReporter();
  const core: StoreCore = {
    deps,
    options,
    head,
    sources: new SourceTable({ head, counters: deps.counters, secret }, state, options),
    spools: new SpoolPositions(deps.counters),
    segments,
    reader: new SegmentReader({ ...deps, segments, damages }, options),
    sealedPosition: state.sealedPosition,
    lastPosition: state.sealedPosition,
    active: new Memtable(),
    frozen: undefined,
    deletions: new Deletions(),
    changes: new KeyedQueue(),
    compaction: undefined,
    gate: new ReaderGate(),
    damages,
    nextSegmentNumber: Math.max(0, ...state.segments.map(({ number }) => number)) + 1,
    nextLogNumber: 1,
    health: new StoreHealth(deps.onFailure),
    room: new DiskRoom(deps, options.reserveBytes ?? 0),
  };
  core.active.lastPosition = state.sealedPosition;
  core.reader.repairWith(new IndexRepair(core));
  core.sources.repairWith(new SourceRepair(core), (source) => damages.add({ type: "source", source }));
  core.spools.read(head);
  const damagedDeletions = core.deletions.read(head);
  if (damagedDeletions > 0) deps.counters.add("store_corrupt_deletions_total", damagedDeletions);
  await replayLogs(core, names);
  core.lastPosition = Math.max(core.lastPosition, floorOf(head));
  core.active.lastPosition = core.lastPosition;
  if (state.sealing) await removeUnfinishedSeal(core, state);
  return core;
}

/** The head's first commit comes before any other file is made, and what no state names would be removed. */
function headless(): StoreUnavailable {
  return new StoreUnavailable(
    "its head is missing or empty while its other files are there; put the head back from a backup, or move the folder away to begin anew",
  );
}

async function readHead(
  head: OrderedKv,
  isOthers: boolean,
  newSecret: (size: number) => Uint8Array,
): Promise<{ state: StoreState; secret: Uint8Array }> {
  const storedState = head.get(STATE_KEY);
  const storedSecret = head.get(SECRET_KEY);
  if (storedState === undefined && storedSecret === undefined) {
    if (isOthers) throw headless();
    const secret = newSecret(SECRET_BYTES);
    await head.commit([
      { type: "put", key: SECRET_KEY, value: sealValue(ValueKind.Secret, secret) },
      { type: "put", key: STATE_KEY, value: encodeState(STATE_EMPTY) },
    ]);
    return { state: STATE_EMPTY, secret };
  }
  if (storedState !== undefined && isOldState(storedState)) {
    throw new StoreUnavailable("an earlier version of boardlog wrote it; move the folder away to begin anew");
  }
  const state = storedState && decodeState(storedState);
  const secret = storedSecret && openValue(ValueKind.Secret, storedSecret)?.subarray(CHECKED_HEAD_BYTES);
  if (state === undefined || secret === undefined)
    throw new StoreUnavailable("the record of its state is damaged");
  return { state, secret };
}

/** A segment is named before anything is written to it; one that no state names was being made at a crash. */
async function removeUnnamedSegments(
  deps: StoreDeps,
  state: StoreState,
  names: readonly string[],
): Promise<void> {
  const named = new Set(state.segments.map((segment) => segmentName(segment.number)));
  for (const name of names) {
    if (numberOfName("seg", name) !== undefined && !named.has(name)) await deps.space.remove(name);
  }
}

/** Chunks of a pack that was cut off are found damaged when they are read. @throws StoreUnavailable where there is none */
function assertPack({ sizeBytes }: ByteFile, { number, packBytes }: SegmentState, log: ProcessLog): void {
  const name = segmentName(number);
  if (sizeBytes === 0 && packBytes > 0)
    throw new StoreUnavailable(`the pack of the segment ${name} is missing`);
  if (sizeBytes < packBytes)
    log.error({ name, sizeBytes, packBytes }, "the pack of a segment is cut off; what was behind is lost");
}

async function replayLogs(core: StoreCore, names: readonly string[]): Promise<void> {
  const { space } = core.deps;
  /** Damaged, and behind the last batch so far: no position tells how many entries they held. */
  let tailBytes = 0;
  const numbers = names.map((name) => numberOfName("log", name)).filter((number) => number !== undefined);
  for (const number of numbers) {
    const name = logName(number);
    const kv = await space.open(name, KvForm.Journal);
    core.nextLogNumber = number + 1;
    const damage = isSealed(core, kv) ? undefined : kv.damage;
    if (damage !== undefined) {
      core.deps.counters.add("store_corrupt_batches_total");
      core.deps.log.error(
        { name, damage: damage.text },
        "a part of the log is damaged; its entries are lost",
      );
    }
    core.spools.read(kv);
    const count = replayLog(core, kv);
    if (count > 0) tailBytes = 0;
    if (damage !== undefined && !damage.keysAfter.some(isBatchKey)) tailBytes += damage.bytes;
    // One that is damaged stays until what it held is on record.
    if (count > 0 || damage !== undefined) {
      core.active.logs.push({ name, kv });
    } else {
      // Sealed already, or never written to; positions may stand in it alone.
      const positions = core.spools.changes();
      if (positions.length > 0) await core.head.commit(positions);
      await kv.close();
      await space.remove(name);
    }
  }
  if (tailBytes > 0) {
    core.damages.add({ type: "stretch", firstPosition: core.lastPosition + 1, entryCount: undefined });
    // An entry takes a byte at least: none of the ids that these may have had is given again.
    core.lastPosition += tailBytes;
    core.active.lastPosition = core.lastPosition;
  }
  if (core.active.logs.length === 0) {
    const name = logName(core.nextLogNumber++);
    core.active.logs.push({ name, kv: await space.open(name, KvForm.Journal) });
  }
}

/** A log is sealed whole; a crash may come before it goes. */
function isSealed(core: StoreCore, kv: OrderedKv): boolean {
  const [first] = [...kv.range({ ...batchKeys(), limit: 1 })];
  return first !== undefined && batchOfKey(first.key).firstPosition <= core.sealedPosition;
}

/** Returns how many batches past the sealed position it met. */
function replayLog(core: StoreCore, kv: OrderedKv): number {
  let count = 0;
  for (const { key, value } of kv.range(batchKeys())) {
    const { firstPosition, entryCount } = batchOfKey(key);
    if (firstPosition <= core.sealedPosition) continue;
    count++;
    const missing = positionsMissing(core.lastPosition, firstPosition);
    if (missing > 0) {
      const stretch = { firstPosition: core.lastPosition + 1, entryCount: missing };
      core.deps.log.error(stretch, "entries of the log are missing");
      core.damages.add({ type: "stretch", ...stretch });
    }
    core.lastPosition = firstPosition + entryCount - 1;
    core.active.lastPosition = core.lastPosition;
    const read = readBatch(firstPosition, value, (named: BatchSource) => {
      const source = core.sources.recover(named);
      // Not to be forgotten before the table holds it.
      source.pinCount++;
      return source;
    });
    if (read.type === "damaged") {
      core.deps.counters.add("store_corrupt_batches_total");
      core.deps.counters.add("store_corrupt_batch_entries_total", entryCount);
      core.deps.log.error(
        { firstPosition, entryCount },
        "a batch of the log is damaged; its entries are lost",
      );
      core.damages.add(
        read.sources.length === 0
          ? { type: "stretch", firstPosition, entryCount }
          : { type: "batch", firstPosition, sources: read.sources },
      );
      continue;
    }
    const { batch } = read;
    core.active.add(batch);
    for (const source of batch.sources) source.pinCount--;
    replayRows(core, batch);
  }
  return count;
}

/** Marks and totals as they were after the batch; what the head has of it already changes nothing. */
function replayRows(core: StoreCore, batch: Batch<SourceState>): void {
  const view = new RowView();
  const last = batch.firstPosition + batch.entryCount - 1;
  for (const { row, position, source } of core.active.rowsAfter(batch.firstPosition - 1, last)) {
    const value = core.active.readRow(row, view);
    if (position > source.throughPosition) {
      addToTotals(source.totals, {
        received: view.received,
        clock: clockOfCode(view.clockCode),
        clockError: view.clockError,
        boot: view.boot,
        stream: view.stream,
        msg: view.stream === STREAM_LOSS ? messageOf(value, view) : "",
      });
    }
    const boot = view.lost?.boot ?? view.boot;
    if (boot === undefined || (view.seq === undefined && view.lost === undefined)) continue;
    const mark = core.sources.obtainMark(source, boot);
    if (view.lost !== undefined) mark.accept(view.lost.first, view.lost.last);
    if (view.seq !== undefined) mark.accept(view.seq, view.seq);
    source.markChanged(boot, mark);
  }
}

/**
 * A seal that a crash cut short left places past the sealed position; sealing again would cut the chunks elsewhere. What it left in
 * the pack is written over.
 */
async function removeUnfinishedSeal(core: StoreCore, state: StoreState): Promise<void> {
  const newest = core.segments.at(-1);
  if (newest !== undefined) {
    const first = core.sealedPosition + 1;
    let changes: KvChange[] = [];
    const projects = new Set([...core.active.tails.keys()].map((source) => source.project.number));
    const ranges = [
      ...[...core.active.tails.keys()].map((source) => chunkKeys(source.number, first, POSITION_MAX)),
      ...[...projects].map((number) => projectIndexKeys(number, first, POSITION_MAX)),
    ];
    for (const range of ranges) {
      for (const { key } of newest.kv.range(range)) changes.push({ type: "remove", key });
      if (changes.length < REMOVE_MAX) continue;
      await newest.kv.commit(changes);
      changes = [];
    }
    if (changes.length > 0) await newest.kv.commit(changes);
  }
  await core.head.commit([{ type: "put", key: STATE_KEY, value: encodeState({ ...state, sealing: false }) }]);
}
