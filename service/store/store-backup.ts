import { type KvChange, KvForm, type KvSpace } from "./ordered-kv.ts";
import { batchKeys, batchOfKey, everyKey } from "./store-keys.ts";
import {
  encodeFloor,
  encodeState,
  FLOOR_KEY,
  floorOf,
  POSITIONS_LEFT_OUT,
  STATE_KEY,
} from "./store-state.ts";
import { isUnfinished, type NamedView, type SegmentView, type StoreView } from "./store-view.ts";

/** Bytes, and values, of one transaction of a copy. */
const WRITE_BYTES_MAX = 4 << 20;
const WRITE_VALUES_MAX = 2000;

export interface BackupSummary {
  readonly entryCount: number;
  readonly valueCount: number;
  readonly bytes: number;
}

/**
 * Copies a store as it was at the moment of the view: values as they are, so that a damaged one stays what it is. What changes in
 * the original while it is looked at is copied first; each engine is let go as soon as it is copied.
 * @param turn called after each transaction with the bytes copied so far; what it throws ends the copy
 */
export async function copyStore(
  view: StoreView,
  to: KvSpace,
  turn: (bytes: number) => Promise<void>,
): Promise<BackupSummary> {
  const copy = new StoreCopy(to, turn);
  const { state, head, segments, logs } = view;
  let last = Math.max(state.sealedPosition, floorOf(head.view));
  let unsealedCount = 0;
  for (const { view: log } of logs) {
    for (const { key } of log.range(batchKeys())) {
      const { firstPosition, entryCount } = batchOfKey(key);
      if (firstPosition <= state.sealedPosition) continue;
      last = Math.max(last, firstPosition + entryCount - 1);
      unsealedCount += entryCount;
    }
  }
  await copy.engine(head, () => true, {
    instead: [
      { type: "put", key: STATE_KEY, value: encodeState({ ...state, sealing: false }) },
      { type: "put", key: FLOOR_KEY, value: encodeFloor(last + POSITIONS_LEFT_OUT) },
    ],
  });
  for (const log of logs) await copy.engine(log, () => true, { form: KvForm.Journal });
  for (const segment of segments.toReversed()) {
    await copy.engine(segment, (key) => !isUnfinished(key, state.sealedPosition));
    await copy.pack(segment);
  }
  const sealedCount = state.segments.reduce((sum, segment) => sum + segment.entryCount, 0);
  return { entryCount: sealedCount + unsealedCount, valueCount: copy.valueCount, bytes: copy.bytes };
}

class StoreCopy {
  readonly #to: KvSpace;
  readonly #turn: (bytes: number) => Promise<void>;
  bytes = 0;
  valueCount = 0;

  constructor(to: KvSpace, turn: (bytes: number) => Promise<void>) {
    this.#to = to;
    this.#turn = turn;
  }

  /** @param instead written at the end, over what was copied */
  async engine(
    { name, view }: NamedView,
    isPart: (key: Uint8Array) => boolean,
    {
      form = KvForm.Tree,
      instead = [],
    }: { readonly form?: KvForm; readonly instead?: readonly KvChange[] } = {},
  ): Promise<void> {
    const kv = await this.#to.open(name, form);
    try {
      const every = everyKey();
      for (let start = every.start; ; ) {
        const { changes, bytes, lastKey } = someOf(view, start, isPart);
        await kv.commit(changes);
        this.bytes += bytes;
        this.valueCount += changes.length;
        await this.#turn(this.bytes);
        if (lastKey === undefined) break;
        start = Buffer.concat([lastKey, Buffer.of(0)]);
      }
      await kv.commit(instead);
    } finally {
      await kv.close();
    }
    await view.close();
  }

  /** Of a segment whose engine is copied. */
  async pack({ name, pack, state }: SegmentView): Promise<void> {
    const file = await this.#to.openPack(name);
    try {
      for (let at = 0; at < state.packBytes; ) {
        const bytes = pack.read(at, Math.min(WRITE_BYTES_MAX, state.packBytes - at));
        // One that is cut off stays what it is.
        if (bytes.length === 0) break;
        await file.write([bytes], at);
        at += bytes.length;
        this.bytes += bytes.length;
        await this.#turn(this.bytes);
      }
    } finally {
      await file.close();
    }
    await pack.close();
  }
}

/** As much as one transaction takes; `lastKey` where there may be more. */
function someOf(
  view: NamedView["view"],
  start: Uint8Array,
  isPart: (key: Uint8Array) => boolean,
): { readonly changes: KvChange[]; readonly bytes: number; readonly lastKey: Uint8Array | undefined } {
  const changes: KvChange[] = [];
  let bytes = 0;
  for (const { key, value } of view.range({ start, end: everyKey().end })) {
    if (isPart(key)) {
      changes.push({ type: "put", key, value });
      bytes += key.length + value.length;
    }
    if (bytes >= WRITE_BYTES_MAX || changes.length >= WRITE_VALUES_MAX)
      return { changes, bytes, lastKey: key };
  }
  return { changes, bytes, lastKey: undefined };
}
