import { ByteReader } from "./byte-reader.ts";
import { ByteWriter } from "./byte-writer.ts";
import { CHECKED_HEAD_BYTES, openValue, sealValue, ValueKind } from "./checked-value.ts";
import { StoreUnavailable } from "./log-store.ts";
import type { OrderedKv } from "./ordered-kv.ts";
import { metaKey } from "./store-keys.ts";

export const STATE_KEY = metaKey("state");
export const SECRET_KEY = metaKey("secret");
export const FLOOR_KEY = metaKey("floor");

/** What the store knows of a segment. */
export interface SegmentState {
  readonly number: number;
  /** Positions of its entries; `last` below `first` where there are none yet. */
  readonly first: number;
  readonly last: number;
  /** Bytes of its values, places and pack. */
  readonly bytes: number;
  readonly entryCount: number;
  /** Of its entries; `timestampMax` below `timestampMin` where there are none yet. */
  readonly timestampMin: number;
  readonly timestampMax: number;
  /** When it was last sealed into, UTC ms: about when its newest entry was received. */
  readonly sealedMs: number;
  /** It was written anew by a compaction. */
  readonly isCompact: boolean;
  /** Of its pack; what is behind them belongs to a seal that was not finished. */
  readonly packBytes: number;
  /** UTC ms. */
  readonly created: number;
}

/** The store's own record: what is sealed, and where. Changing it is what makes sealed entries take their tables' place. */
export interface StoreState {
  /** Entries up to this position are read from the segments, later ones from the log. */
  readonly sealedPosition: number;
  /** Ascending. */
  readonly segments: readonly SegmentState[];
  /** A seal was begun and not finished: the newest segment may hold values past `sealedPosition`. */
  readonly sealing: boolean;
  /** Numbers below these are taken by sources and projects that the head knows. */
  readonly nextSourceNumber: number;
  readonly nextProjectNumber: number;
}

export const STATE_EMPTY: StoreState = {
  sealedPosition: 0,
  segments: [],
  sealing: false,
  nextSourceNumber: 1,
  nextProjectNumber: 1,
};

export function encodeState(state: StoreState): Uint8Array {
  const writer = new ByteWriter(256);
  writer.varint(state.sealedPosition);
  writer.u8(state.sealing ? 1 : 0);
  writer.varint(state.nextSourceNumber);
  writer.varint(state.nextProjectNumber);
  writer.varint(state.segments.length);
  for (const segment of state.segments) {
    writer.varint(segment.number);
    writer.varint(segment.first);
    writer.varint(segment.last);
    writer.varint(segment.bytes);
    writer.varint(segment.entryCount);
    writer.varint(segment.timestampMin);
    writer.varint(segment.timestampMax);
    writer.varint(segment.sealedMs);
    writer.u8(segment.isCompact ? 1 : 0);
    writer.varint(segment.packBytes);
    writer.varint(segment.created);
  }
  return sealValue(ValueKind.State, writer.view());
}

/** The states of stores written before places told times and levels, and before segments had packs; such stores are not read any more. */
const OLD_STATE_KINDS: readonly unknown[] = [1, 12];

export function isOldState(stored: Uint8Array): boolean {
  return OLD_STATE_KINDS.includes(stored[4]);
}

/** Undefined where the checksum fails. */
export function decodeState(stored: Uint8Array): StoreState | undefined {
  const value = openValue(ValueKind.State, stored);
  if (value === undefined) return undefined;
  const reader = new ByteReader(value, CHECKED_HEAD_BYTES);
  const sealedPosition = reader.varint();
  const sealing = reader.u8() === 1;
  const nextSourceNumber = reader.varint();
  const nextProjectNumber = reader.varint();
  const segments: SegmentState[] = [];
  for (let left = reader.varint(); left > 0; left--) {
    segments.push({
      number: reader.varint(),
      first: reader.varint(),
      last: reader.varint(),
      bytes: reader.varint(),
      entryCount: reader.varint(),
      timestampMin: reader.varint(),
      timestampMax: reader.varint(),
      sealedMs: reader.varint(),
      isCompact: reader.u8() === 1,
      packBytes: reader.varint(),
      created: reader.varint(),
    });
  }
  return { sealedPosition, sealing, nextSourceNumber, nextProjectNumber, segments };
}

/**
 * Positions that a copy leaves out: a store that is started from it gives ids above all that the original has given since, at
 * 100,000 entries a second for a hundred days. A reader's token from after the copy then passes nothing over. There is room for
 * 8,000 copies of copies.
 */
export const POSITIONS_LEFT_OUT = 2 ** 40;

/** How many positions that entries had are missing between these two; what copies left out is a multiple of the above. */
export function positionsMissing(last: number, next: number): number {
  return Math.max(0, next - last - 1) % POSITIONS_LEFT_OUT;
}

/** A position below which no entry gets one any more: a copy of a store does not know which ones the original gave since. */
export function encodeFloor(position: number): Uint8Array {
  const writer = new ByteWriter(8);
  writer.varint(position);
  return sealValue(ValueKind.PositionFloor, writer.view());
}

/** Undefined where the checksum fails. */
export function decodeFloor(stored: Uint8Array): number | undefined {
  const value = openValue(ValueKind.PositionFloor, stored);
  return value && new ByteReader(value, CHECKED_HEAD_BYTES).varint();
}

/** 0 where there is none. @throws StoreUnavailable where it is damaged */
export function floorOf(head: Pick<OrderedKv, "get">): number {
  const stored = head.get(FLOOR_KEY);
  if (stored === undefined) return 0;
  const floor = decodeFloor(stored);
  if (floor === undefined) throw new StoreUnavailable("the record of its positions is damaged");
  return floor;
}

/** A segment that nothing was sealed into yet. */
export function emptySegment(number: number, sealedPosition: number, wallMs: number): SegmentState {
  return {
    number,
    first: sealedPosition + 1,
    last: sealedPosition,
    bytes: 0,
    entryCount: 0,
    timestampMin: Number.MAX_SAFE_INTEGER,
    timestampMax: 0,
    sealedMs: wallMs,
    isCompact: false,
    packBytes: 0,
    created: wallMs,
  };
}

/** Names of engines sort as their numbers do. */
export function logName(number: number): string {
  return `log-${String(number).padStart(10, "0")}`;
}

export function segmentName(number: number): string {
  return `seg-${String(number).padStart(10, "0")}`;
}

export const HEAD_NAME = "head";

/** The number in an engine's name, or undefined where it is no such engine's. */
export function numberOfName(kind: "log" | "seg", name: string): number | undefined {
  const match = /^(log|seg)-(\d{10})$/.exec(name);
  return match?.[1] === kind ? Number(match[2]) : undefined;
}
