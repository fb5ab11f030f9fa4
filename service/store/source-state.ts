import { BootMark } from "./boot-mark.ts";
import { ByteReader } from "./byte-reader.ts";
import { ByteWriter } from "./byte-writer.ts";
import { CHECKED_HEAD_BYTES, openValue, sealValue, ValueKind } from "./checked-value.ts";
import type { IdMaker } from "./entry-id.ts";
import type { SourceTail } from "./memtable.ts";

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
  /** Its entries in the table that takes new ones. */
  tail: SourceTail | undefined;
  /** Entries of the transaction under way, and the received time of the last of them. */
  pendingCount = 0;
  pendingReceived = 0;
  readonly #marks = new Map<string, BootMark>();
  #lastBoot: string | undefined;
  #lastMark: BootMark | undefined;
  /** Boots whose mark is newer than the one in the head. */
  readonly #dirtyBoots: string[] = [];

  constructor(project: Project, src: string, number: number) {
    this.project = project;
    this.src = src;
    this.number = number;
  }

  /** The mark where it is in memory. */
  markOf(boot: string): BootMark | undefined {
    if (boot === this.#lastBoot) return this.#lastMark;
    const mark = this.#marks.get(boot);
    if (mark !== undefined) {
      this.#lastBoot = boot;
      this.#lastMark = mark;
    }
    return mark;
  }

  keepMark(boot: string, mark: BootMark): void {
    this.#marks.set(boot, mark);
  }

  markChanged(boot: string, mark: BootMark): void {
    if (mark.dirty) return;
    mark.dirty = true;
    this.#dirtyBoots.push(boot);
  }

  /** The marks that the head must be told of; from now on they count as told. */
  takeDirtyMarks(): { readonly boot: string; readonly mark: BootMark }[] {
    return this.#dirtyBoots.splice(0).map((boot) => {
      const mark = this.#marks.get(boot);
      if (mark === undefined) throw new Error("a mark was forgotten before it was written");
      mark.dirty = false;
      return { boot, mark };
    });
  }

  /** Forgets marks that the head holds, where there are more than `max`. */
  forgetMarks(max: number): void {
    if (this.#marks.size <= max) return;
    this.#lastBoot = this.#lastMark = undefined;
    for (const [boot, mark] of this.#marks) {
      if (!mark.dirty) this.#marks.delete(boot);
    }
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
