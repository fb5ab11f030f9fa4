import type { ExtraField } from "../../protocol/methods.ts";
import { type ByteWriter, wordsOf } from "./byte-writer.ts";
import { ID_CHARACTERS, type IdMaker } from "./entry-id.ts";
import { clockOfCode, levelOfCode } from "./entry-record.ts";
import { digitCount, putDigits } from "./json-digits.ts";

/** An entry but for its message, as chunks and tables tell it. */
export interface StencilRow {
  readonly stream: string;
  readonly module: string | undefined;
  readonly boot: string | undefined;
  readonly levelCode: number;
  readonly clockCode: number;
  readonly timestamp: number;
  readonly received: number;
  readonly seq: number | undefined;
  readonly uptime: number | undefined;
  readonly clockError: number | undefined;
}

/** By code; 0 is no level. */
const LEVEL_MEMBERS = Array.from({ length: 8 }, (_, code) => memberOf("level", levelOfCode(code)));
const CLOCK_MEMBERS = Array.from({ length: 4 }, (_, code) => memberOf("clock", clockOfCode(code)));
const ID_BLANK = `,"id":"${" ".repeat(ID_CHARACTERS)}"`;
const ID_START = ',"id":"'.length;

const QUOTE = 34;
const BACKSLASH = 92;

type NameField = "src" | "module" | "boot";
type NumberField = "timestamp" | "received" | "seq" | "uptime" | "clockError";

/** Of a number, so many digits are mostly another in the next entry. */
const LOW_DIGITS = 4;
const LOW = 10 ** LOW_DIGITS;

/** A number in the text. Where one has another count of digits, the text does not fit. */
class NumberSlot {
  /** Where it begins: a field may be asked for more than once. */
  readonly #places: number[] = [];
  readonly #digits: number;
  readonly #min: number;
  /** Exclusive. */
  readonly #max: number;
  #value: number;
  #high: number;

  constructor(value: number) {
    this.#digits = digitCount(value);
    this.#min = this.#digits === 1 ? 0 : 10 ** (this.#digits - 1);
    this.#max = 10 ** this.#digits;
    this.#value = value;
    this.#high = Math.floor(value / LOW);
  }

  addPlace(at: number): void {
    this.#places.push(at);
  }

  fits(value: number): boolean {
    return value >= this.#min && value < this.#max;
  }

  /** Writes what is another than in the text. */
  put(value: number, text: Buffer): void {
    if (value === this.#value) return;
    this.#value = value;
    const high = Math.floor(value / LOW);
    const isNear = high === this.#high && this.#digits > LOW_DIGITS;
    this.#high = high;
    for (const at of this.#places) {
      if (isNear) putDigits(text, at + this.#digits - LOW_DIGITS, value - high * LOW, LOW_DIGITS);
      else putDigits(text, at, value, this.#digits);
    }
  }
}

/** A name in the text. Another one of as many characters fits where both stand in JSON as they are. */
class NameSlot {
  readonly #places: number[] = [];
  #name: string;

  constructor(name: string) {
    this.#name = name;
  }

  addPlace(at: number): void {
    this.#places.push(at);
  }

  fits(name: string): boolean {
    const own = this.#name;
    return name === own || (name.length === own.length && isPlain(name) && isPlain(own));
  }

  put(name: string, text: Buffer): void {
    if (name === this.#name) return;
    this.#name = name;
    for (const at of this.#places)
      for (let index = 0; index < name.length; index++) text[at + index] = name.charCodeAt(index);
  }
}

/**
 * The text of an entry from its message on (docs/protocol.md 4.2), as `entriesText` writes it (protocol/answer.ts). Neighbours in a
 * log are mostly as long, number by number and name by name: what is another than in the entry before is put over it, then all of
 * it is copied.
 */
export class EntryStencil {
  /** From the message to the comma behind the entry that was put last. */
  readonly #tail: Buffer;
  readonly #words: DataView;
  readonly #idAt: number;
  readonly #src: NameSlot | undefined;
  readonly #module: NameSlot | undefined;
  readonly #boot: NameSlot | undefined;
  readonly #timestamp: NumberSlot;
  readonly #received: NumberSlot | undefined;
  readonly #seq: NumberSlot | undefined;
  readonly #uptime: NumberSlot | undefined;
  readonly #clockError: NumberSlot | undefined;

  constructor(row: StencilRow, src: string, fields: readonly ExtraField[]) {
    const numbers: Partial<Record<NumberField, NumberSlot>> = {};
    const names: Partial<Record<NameField, NameSlot>> = {};
    let text = "";
    const number = (slot: NumberSlot, field: NumberField, value: number): NumberSlot => {
      text += `,"${field}":`;
      slot.addPlace(Buffer.byteLength(text));
      text += value;
      return slot;
    };
    this.#timestamp = number(new NumberSlot(row.timestamp), "timestamp", row.timestamp);
    this.#idAt = text.length + ID_START;
    text += ID_BLANK;
    for (const field of fields) {
      if (field === "src" || field === "module" || field === "boot") {
        const name = field === "src" ? src : row[field];
        if (name === undefined) continue;
        text += `,"${field}":`;
        names[field] ??= new NameSlot(name);
        names[field].addPlace(Buffer.byteLength(text) + 1);
        text += JSON.stringify(name);
      } else if (field === "level") text += LEVEL_MEMBERS[row.levelCode] ?? "";
      else if (field === "clock") text += CLOCK_MEMBERS[row.clockCode] ?? "";
      else {
        const value = row[field];
        if (value !== undefined)
          numbers[field] = number(numbers[field] ?? new NumberSlot(value), field, value);
      }
    }
    this.#tail = Buffer.from(`${text}},`);
    this.#words = wordsOf(this.#tail);
    this.#src = names.src;
    this.#module = names.module;
    this.#boot = names.boot;
    this.#received = numbers.received;
    this.#seq = numbers.seq;
    this.#uptime = numbers.uptime;
    this.#clockError = numbers.clockError;
  }

  /** @param row has the numbers, names, level and clock that the stencil was made of, though other ones. */
  fits(row: StencilRow, src: string): boolean {
    return (
      this.#timestamp.fits(row.timestamp) &&
      (this.#src?.fits(src) ?? true) &&
      (this.#module?.fits(row.module ?? "") ?? true) &&
      (this.#boot?.fits(row.boot ?? "") ?? true) &&
      (this.#received?.fits(row.received) ?? true) &&
      (this.#seq?.fits(row.seq ?? 0) ?? true) &&
      (this.#uptime?.fits(row.uptime ?? 0) ?? true) &&
      (this.#clockError?.fits(row.clockError ?? 0) ?? true)
    );
  }

  /** Writes the text of an entry which it fits, from its message on. */
  write(row: StencilRow, src: string, position: number, ids: IdMaker, to: ByteWriter): void {
    const tail = this.#tail;
    this.#timestamp.put(row.timestamp, tail);
    this.#src?.put(src, tail);
    this.#module?.put(row.module ?? "", tail);
    this.#boot?.put(row.boot ?? "", tail);
    this.#received?.put(row.received, tail);
    this.#seq?.put(row.seq ?? 0, tail);
    this.#uptime?.put(row.uptime ?? 0, tail);
    this.#clockError?.put(row.clockError ?? 0, tail);
    ids.put(position, tail, this.#idAt);
    to.copyWords(this.#words, 0, tail.length);
  }
}

function memberOf(name: string, value: string | undefined): string {
  return value === undefined ? "" : `,"${name}":${JSON.stringify(value)}`;
}

/** ASCII that stands in JSON as it is. */
function isPlain(name: string): boolean {
  for (let index = 0; index < name.length; index++) {
    const code = name.charCodeAt(index);
    if (code < 32 || code > 126 || code === QUOTE || code === BACKSLASH) return false;
  }
  return true;
}
