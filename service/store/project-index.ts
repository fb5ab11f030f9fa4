import { ByteReader } from "./byte-reader.ts";
import { ByteWriter } from "./byte-writer.ts";
import { CHECKED_HEAD_BYTES, openValue, sealValue, ValueKind } from "./checked-value.ts";
import type { Compressor } from "./compressor.ts";
import type { ByteFile } from "./durable-file.ts";
import { type PackPlace, type PackReader, readPackPlace, writePackPlace } from "./pack.ts";

/** Entries a row of the project index stands for: a row expands in well under 1 ms. */
export const INDEX_ROW_ENTRIES_MAX = 4096;

/** Which source has which position of a project, for positions that are sealed. */
export class ProjectIndexBuilder {
  readonly #head = new ByteWriter(32);
  readonly #positions = new ByteWriter(1024);
  readonly #sources = new ByteWriter(4096);
  #count = 0;
  #last = 0;
  #first = 0;

  get entryCount(): number {
    return this.#count;
  }

  add(position: number, sourceNumber: number): void {
    if (this.#count === 0) this.#first = position;
    else this.#positions.varint(position - this.#last - 1);
    this.#sources.varint(sourceNumber);
    this.#last = position;
    this.#count++;
  }

  /** The row, whose parts are good until the next is begun; the builder is empty again. */
  finish(): UnsealedIndexRow {
    const head = this.#head;
    head.clear();
    this.#positions.append(this.#sources);
    const body = this.#positions.view();
    head.varint(this.#first);
    head.varint(this.#count);
    head.varint(body.length);
    const row = { head: head.view(), body, lastPosition: this.#last };
    this.#positions.clear();
    this.#sources.clear();
    this.#count = 0;
    return row;
  }
}

export interface UnsealedIndexRow {
  readonly head: Buffer;
  readonly body: Buffer;
  readonly lastPosition: number;
}

export function sealIndexRow(row: UnsealedIndexRow, compressor: Compressor): Buffer {
  return sealValue(ValueKind.ProjectIndex, row.head, compressor.compress(row.body));
}

/** Where a sealed row is. */
export function encodeIndexPlace(writer: ByteWriter, place: PackPlace): Buffer {
  writer.clear();
  writePackPlace(writer, place);
  return sealValue(ValueKind.IndexPlace, writer.view());
}

/**
 * The sealed row that a value of a segment stands for: in the pack, or the value itself where it was made anew.
 * @returns good until `packs` reads the next; undefined where the place is damaged or the row is not there
 */
export function sealedIndexRow(
  stored: Uint8Array,
  pack: ByteFile,
  packs: PackReader,
): Uint8Array | undefined {
  if (isOwnRow(stored)) return stored;
  const place = readIndexPlace(stored);
  return place && packs.read(pack, place);
}

/** True where the row was made anew, and is the value itself. */
export function isOwnRow(stored: Uint8Array): boolean {
  return stored[CHECKED_HEAD_BYTES - 1] === ValueKind.ProjectIndex;
}

/** Undefined where the checksum fails. */
export function readIndexPlace(stored: Uint8Array): PackPlace | undefined {
  const value = openValue(ValueKind.IndexPlace, stored);
  return value && readPackPlace(new ByteReader(value, CHECKED_HEAD_BYTES));
}

export interface IndexRow {
  readonly positions: Float64Array;
  readonly sourceNumbers: Uint32Array;
}

/** Undefined where the checksum fails. */
export function readIndexRow(sealed: Uint8Array, compressor: Compressor): IndexRow | undefined {
  const value = openValue(ValueKind.ProjectIndex, sealed);
  if (value === undefined) return undefined;
  const reader = new ByteReader(value, CHECKED_HEAD_BYTES);
  let position = reader.varint();
  const count = reader.varint();
  const bodyBytes = reader.varint();
  const body = new ByteReader(compressor.expand(value.subarray(reader.position), bodyBytes));
  const positions = new Float64Array(count);
  for (let index = 0; index < count; index++) {
    if (index > 0) position += body.varint() + 1;
    positions[index] = position;
  }
  const sourceNumbers = new Uint32Array(count);
  for (let index = 0; index < count; index++) sourceNumbers[index] = body.varint();
  return { positions, sourceNumbers };
}
