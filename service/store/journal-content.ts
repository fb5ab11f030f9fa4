import { crc32 } from "node:zlib";
import type { ByteFile } from "./durable-file.ts";
import {
  endOfRecord,
  headBytesAt,
  JOURNAL_STEP,
  type JournalRecord,
  nextMark,
  readRecord,
} from "./journal-record.ts";
import { keysWithin, textOf } from "./key-text.ts";
import type { KvDamage, KvPair, KvRange } from "./ordered-kv.ts";

/** Read at a time. */
const PART_BYTES = 64 << 10;
const ZEROS = Buffer.alloc(PART_BYTES);

export interface ValuePlace {
  readonly at: number;
  readonly size: number;
}

type ReadFile = Pick<ByteFile, "sizeBytes" | "read">;

/**
 * What a journal holds. A last transaction that is not as it was written was cut short by a power cut: nobody was told that it is
 * durable, and it is left out. One that another follows was durable, since none is begun before: where its values are damaged it is
 * taken as it is, and their checksums tell; where its head is, it is left out, and `damage` says so.
 */
export class JournalContent {
  readonly #file: ReadFile;
  /** By key, as binary strings, which order as their bytes do. */
  readonly #places = new Map<string, ValuePlace>();
  #keys: string[] | undefined;
  /** Where the next transaction belongs. */
  readonly end: number;
  /** There is nothing but zeros behind `end`. */
  readonly isClean: boolean;
  readonly damage: KvDamage | undefined;

  constructor(file: ReadFile) {
    this.#file = file;
    let at = 0;
    let damage: { text: string; bytes: number; keysAfter: Buffer[] } | undefined;
    for (;;) {
      const record = recordAt(file, at);
      if (record === undefined) {
        const next = nextRecord(file, at + JOURNAL_STEP);
        if (next === undefined) break;
        // Another process may have written both meanwhile.
        if (recordAt(file, at) !== undefined) continue;
        const text = damage?.text ?? `what stands from byte ${at} to ${next} is damaged`;
        damage = { text, bytes: (damage?.bytes ?? 0) + next - at, keysAfter: [] };
        at = next;
        continue;
      }
      const end = endOfRecord(at, record);
      if (!isBodyGood(file, at, record) && nextRecord(file, end) === undefined) break;
      this.#take(at, record);
      for (const { key, size } of damage === undefined ? [] : record.changes)
        if (size !== undefined) damage?.keysAfter.push(key);
      at = end;
    }
    this.damage = damage;
    this.end = at;
    this.isClean = isZero(file, at);
  }

  get(key: Uint8Array): Uint8Array | undefined {
    const place = this.#places.get(textOf(key));
    return place && this.#file.read(place.at, place.size);
  }

  *range(range: KvRange): Generator<KvPair> {
    for (const key of keysWithin(this.keys(), range)) {
      const place = this.#places.get(key);
      if (place !== undefined)
        yield { key: Buffer.from(key, "latin1"), value: this.#file.read(place.at, place.size) };
    }
  }

  /** Ascending, as binary strings. */
  keys(): readonly string[] {
    this.#keys ??= [...this.#places.keys()].sort();
    return this.#keys;
  }

  /** Where in the file the value of a key stands, given as a binary string. */
  placeOf(key: string): ValuePlace | undefined {
    return this.#places.get(key);
  }

  #take(at: number, { headBytes, changes }: JournalRecord): void {
    let valueAt = at + headBytes;
    for (const { key, size } of changes) {
      const name = textOf(key);
      if (size === undefined) {
        this.#places.delete(name);
        continue;
      }
      this.#places.set(name, { at: valueAt, size });
      valueAt += size;
    }
  }
}

function recordAt(file: ReadFile, at: number): JournalRecord | undefined {
  const bytes = file.read(at, 4096);
  const headBytes = headBytesAt(bytes) ?? 0;
  if (headBytes > file.sizeBytes - at) return undefined;
  return readRecord(headBytes <= bytes.length ? bytes : file.read(at, headBytes), at);
}

/** Where the first transaction from `from` on stands, if any. */
function nextRecord(file: ReadFile, from: number): number | undefined {
  for (let start = from; ; start += PART_BYTES) {
    const part = file.read(start, PART_BYTES);
    for (let mark = nextMark(part, 0); mark !== -1; mark = nextMark(part, mark + 1))
      if (recordAt(file, start + mark) !== undefined) return start + mark;
    if (part.length < PART_BYTES) return undefined;
  }
}

function isBodyGood(file: ReadFile, at: number, { headBytes, bodyBytes, bodySum }: JournalRecord): boolean {
  const body = file.read(at + headBytes, bodyBytes);
  return body.length === bodyBytes && crc32(body) === bodySum;
}

function isZero(file: ReadFile, from: number): boolean {
  for (let start = from; ; start += PART_BYTES) {
    const part = file.read(start, PART_BYTES);
    if (!isAllZero(part)) return false;
    if (part.length < PART_BYTES) return true;
  }
}

function isAllZero(bytes: Buffer): boolean {
  return bytes.equals(ZEROS.subarray(0, bytes.length));
}
