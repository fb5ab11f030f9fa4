import { BootMark } from "./boot-mark.ts";
import { ByteReader } from "./byte-reader.ts";
import { ByteWriter } from "./byte-writer.ts";
import { CHECKED_HEAD_BYTES, openValue, sealValue, ValueKind } from "./checked-value.ts";
import type { IdMaker } from "./entry-id.ts";

/** A project as the store knows it. */
export interface Project {
  readonly name: string;
  readonly number: number;
  readonly ids: IdMaker;
}

/** Totals of a source. */
export interface SourceTotals {
  readonly number: number;
  readonly entryCount: number;
  readonly lastReceived: number;
  /** Entries up to this position are in the totals. */
  readonly throughPosition: number;
}

/** What the store holds in memory of a source: its totals and the marks of its boots that were met lately. */
export class SourceState {
  readonly project: Project;
  readonly src: string;
  readonly number: number;
  entryCount = 0;
  lastReceived = 0;
  throughPosition = 0;
  /** Unsealed tables that hold entries of it; not forgotten while there are any. */
  pinCount = 0;
  readonly marks = new Map<string, BootMark>();
  /** Boots whose mark is newer than the one in the head. */
  readonly dirtyBoots = new Set<string>();

  constructor(project: Project, src: string, number: number) {
    this.project = project;
    this.src = src;
    this.number = number;
  }

  encode(throughPosition: number): Uint8Array {
    const writer = new ByteWriter(32);
    writer.varint(this.number);
    writer.varint(this.entryCount);
    writer.varint(this.lastReceived);
    writer.varint(throughPosition);
    return sealValue(ValueKind.Source, writer.view());
  }
}

export function decodeSource(stored: Uint8Array): SourceTotals | undefined {
  const value = openValue(ValueKind.Source, stored);
  if (value === undefined) return undefined;
  const reader = new ByteReader(value, CHECKED_HEAD_BYTES);
  return {
    number: reader.varint(),
    entryCount: reader.varint(),
    lastReceived: reader.varint(),
    throughPosition: reader.varint(),
  };
}

export function encodeMark(mark: BootMark): Uint8Array {
  const writer = new ByteWriter(32);
  mark.encode(writer);
  return sealValue(ValueKind.Mark, writer.view());
}

export function decodeMark(stored: Uint8Array): BootMark | undefined {
  const value = openValue(ValueKind.Mark, stored);
  return value && BootMark.decode(new ByteReader(value, CHECKED_HEAD_BYTES));
}

export function encodeProject(number: number): Uint8Array {
  const writer = new ByteWriter(8);
  writer.varint(number);
  return sealValue(ValueKind.Project, writer.view());
}

export function decodeProject(stored: Uint8Array): number | undefined {
  const value = openValue(ValueKind.Project, stored);
  return value && new ByteReader(value, CHECKED_HEAD_BYTES).varint();
}
