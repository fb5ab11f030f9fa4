import { type ClockQuality, STREAM_LOSS } from "../../protocol/entry.ts";
import type { SourceSummary } from "../../protocol/source-summary.ts";
import { type BatchMember, NOT_IN_BATCH } from "./batch-record.ts";
import { BootMark } from "./boot-mark.ts";
import { ByteReader } from "./byte-reader.ts";
import { ByteWriter } from "./byte-writer.ts";
import { CHECKED_HEAD_BYTES, openValue, sealValue, ValueKind } from "./checked-value.ts";
import type { IdMaker } from "./entry-id.ts";
import { CLOCK_CODE, clockOfCode } from "./entry-record.ts";
import { addLoss, LOSS_PLACES, type LossCounts, noLosses } from "./loss-count.ts";
import type { SourceTail } from "./memtable.ts";

/** A project as the store knows it. */
export interface Project {
  readonly name: string;
  readonly number: number;
  readonly ids: IdMaker;
}

/** What is told of a source, as of some position. */
export interface SourceTotals {
  entryCount: number;
  bootCount: number;
  lastReceived: number;
  lastBoot: string | undefined;
  clock: ClockQuality;
  clockError: number | undefined;
  readonly lossCounts: LossCounts;
}

/** What of an entry its source's totals need. */
export interface TotalledEntry {
  readonly received: number;
  readonly clock: ClockQuality;
  readonly clockError?: number | undefined;
  readonly boot?: string | undefined;
  readonly stream: string;
  readonly msg: string;
}

export function noTotals(): SourceTotals {
  return {
    entryCount: 0,
    bootCount: 0,
    lastReceived: 0,
    lastBoot: undefined,
    clock: "server",
    clockError: undefined,
    lossCounts: noLosses(),
  };
}

/** Counts one more entry. */
export function addToTotals(totals: SourceTotals, entry: TotalledEntry): void {
  totals.entryCount++;
  totals.lastReceived = entry.received;
  totals.clock = entry.clock;
  totals.clockError = entry.clockError;
  if (entry.boot !== undefined) totals.lastBoot = entry.boot;
  addLoss(totals.lossCounts, entry);
}

export function summaryOf(src: string, totals: SourceTotals): SourceSummary {
  const { entryCount, bootCount, lastReceived, lastBoot, clock, clockError } = totals;
  return {
    src,
    lastReceived,
    entryCount,
    bootCount,
    ...(lastBoot !== undefined && { lastBoot }),
    clock,
    ...(clockError !== undefined && { clockError }),
    lossCounts: { ...totals.lossCounts },
  };
}

/** What the store holds in memory of a source: its totals and the marks of its boots that were met lately. */
export class SourceState implements BatchMember {
  readonly project: Project;
  readonly src: string;
  readonly number: number;
  totals = noTotals();
  /** Entries up to this position are in the totals that the head has. */
  throughPosition = 0;
  /** Unsealed tables that hold entries of it; not forgotten while there are any. */
  pinCount = 0;
  batchIndex = NOT_IN_BATCH;
  /** Its entries in the table that takes new ones. */
  tail: SourceTail | undefined;
  /** Of the transaction under way: how many entries, and what the totals need of the last and of losses. Not in an object: most are lone. */
  #pendingCount = 0;
  #pendingReceived = 0;
  #pendingClock: ClockQuality = "server";
  #pendingClockError: number | undefined;
  #pendingBoot: string | undefined;
  #pendingLosses: TotalledEntry[] | undefined;
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

  /** True once anything of it was ever durable. */
  get isKnown(): boolean {
    return this.totals.lastReceived > 0 || this.totals.entryCount > 0 || this.throughPosition > 0;
  }

  addPending(entry: TotalledEntry): void {
    this.#pendingCount += 1;
    this.#pendingReceived = entry.received;
    this.#pendingClock = entry.clock;
    this.#pendingClockError = entry.clockError;
    if (entry.boot !== undefined) this.#pendingBoot = entry.boot;
    if (entry.stream !== STREAM_LOSS) return;
    this.#pendingLosses ??= [];
    this.#pendingLosses.push(entry);
  }

  /** The same for so many that came together, none of them a loss record. */
  addPendingRun(count: number, received: number, clock: ClockQuality, boot?: string): void {
    this.#pendingCount += count;
    this.#pendingReceived = received;
    this.#pendingClock = clock;
    this.#pendingClockError = undefined;
    if (boot !== undefined) this.#pendingBoot = boot;
  }

  /** The transaction under way is durable. */
  settlePending(): void {
    const { totals } = this;
    if (this.#pendingCount === 0) return;
    totals.entryCount += this.#pendingCount;
    totals.lastReceived = this.#pendingReceived;
    totals.clock = this.#pendingClock;
    totals.clockError = this.#pendingClockError;
    totals.lastBoot = this.#pendingBoot ?? totals.lastBoot;
    if (this.#pendingLosses !== undefined)
      for (const loss of this.#pendingLosses) addLoss(totals.lossCounts, loss);
    this.#pendingCount = 0;
    this.#pendingBoot = this.#pendingLosses = undefined;
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

  /** @param writer anything in it is gone. */
  encode(throughPosition: number, writer: ByteWriter): Uint8Array {
    const { entryCount, bootCount, lastReceived, lastBoot, clock, clockError, lossCounts } = this.totals;
    writer.clear();
    writer.varint(this.number);
    writer.varint(throughPosition);
    writer.varint(entryCount);
    writer.varint(bootCount);
    writer.varint(lastReceived);
    writer.text(lastBoot ?? "");
    writer.u8(CLOCK_CODE[clock]);
    // 0 is none.
    writer.varint(clockError === undefined ? 0 : Math.min(clockError, Number.MAX_SAFE_INTEGER - 1) + 1);
    for (const place of LOSS_PLACES) writer.varint(lossCounts[place]);
    return sealValue(ValueKind.Source, writer.view());
  }
}

/** A source as the head knows it. */
export interface StoredSource {
  readonly number: number;
  readonly throughPosition: number;
  readonly totals: SourceTotals;
}

export function decodeSource(stored: Uint8Array): StoredSource | undefined {
  const value = openValue(ValueKind.Source, stored);
  if (value === undefined) return undefined;
  const reader = new ByteReader(value, CHECKED_HEAD_BYTES);
  const number = reader.varint();
  const throughPosition = reader.varint();
  const totals = noTotals();
  totals.entryCount = reader.varint();
  totals.bootCount = reader.varint();
  totals.lastReceived = reader.varint();
  const lastBoot = reader.text();
  totals.lastBoot = lastBoot === "" ? undefined : lastBoot;
  totals.clock = clockOfCode(reader.u8());
  const clockError = reader.varint();
  totals.clockError = clockError === 0 ? undefined : clockError - 1;
  for (const place of LOSS_PLACES) totals.lossCounts[place] = reader.varint();
  return { number, throughPosition, totals };
}

/** @param writer anything in it is gone. */
export function encodeMark(mark: BootMark, writer: ByteWriter): Uint8Array {
  writer.clear();
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
