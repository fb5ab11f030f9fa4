import type { ExtraField } from "../../protocol/methods.ts";
import { ID_CHARACTERS } from "./entry-id.ts";
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

/** A number in the text. Where one has another count of digits, the text does not fit. */
interface Slot {
  readonly field: NumberField;
  readonly at: number;
  readonly digits: number;
  readonly min: number;
  /** Exclusive. */
  readonly max: number;
}

/** A name in the text. */
interface NameSlot {
  readonly field: NameField;
  readonly at: number;
  readonly name: string;
}

/**
 * The text of an entry from its message on (docs/protocol.md 4.2), as `entriesText` writes it (protocol/answer.ts). Neighbours in a
 * log are mostly as long, number by number and name by name: it is copied, and what is another put over its own.
 */
export class EntryStencil {
  /** From the message to the comma behind the entry. */
  readonly tail: Buffer;
  /** Where in the tail the id is. */
  readonly idAt: number;
  readonly #slots: readonly Slot[];
  readonly #names: readonly NameSlot[];

  constructor(row: StencilRow, src: string, fields: readonly ExtraField[]) {
    const slots: Slot[] = [];
    const names: NameSlot[] = [];
    let text = "";
    const number = (field: NumberField, value: number): void => {
      text += `,"${field}":`;
      const digits = digitCount(value);
      const min = digits === 1 ? 0 : 10 ** (digits - 1);
      slots.push({ field, at: Buffer.byteLength(text), digits, min, max: 10 ** digits });
      text += value;
    };
    number("timestamp", row.timestamp);
    this.idAt = text.length + ID_START;
    text += ID_BLANK;
    for (const field of fields) {
      if (field === "src" || field === "module" || field === "boot") {
        const name = nameOf(row, src, field);
        if (name === undefined) continue;
        text += `,"${field}":`;
        names.push({ field, at: Buffer.byteLength(text) + 1, name });
        text += JSON.stringify(name);
      } else if (field === "level") text += LEVEL_MEMBERS[row.levelCode] ?? "";
      else if (field === "clock") text += CLOCK_MEMBERS[row.clockCode] ?? "";
      else {
        const value = numberOf(row, field);
        if (value !== undefined) number(field, value);
      }
    }
    this.tail = Buffer.from(`${text}},`);
    this.#slots = slots;
    this.#names = names;
  }

  /** @param row has the numbers, names, level and clock that the stencil was made of, though other ones. */
  fits(row: StencilRow, src: string): boolean {
    for (const { field, name } of this.#names) {
      const other = nameOf(row, src, field) ?? "";
      if (other !== name && !(other.length === name.length && isPlain(other) && isPlain(name))) return false;
    }
    for (const { field, min, max } of this.#slots) {
      const value = numberOf(row, field) ?? 0;
      if (value < min || value >= max) return false;
    }
    return true;
  }

  /** Makes a copy of the tail that of another entry, which it fits; but for its id. */
  put(row: StencilRow, src: string, bytes: Buffer, tailAt: number): void {
    for (const { field, at, name } of this.#names) {
      const other = nameOf(row, src, field) ?? "";
      if (other === name) continue;
      for (let index = 0; index < other.length; index++) bytes[tailAt + at + index] = other.charCodeAt(index);
    }
    for (const { field, at, digits } of this.#slots)
      putDigits(bytes, tailAt + at, numberOf(row, field) ?? 0, digits);
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

function nameOf(row: StencilRow, src: string, field: NameField): string | undefined {
  return field === "src" ? src : field === "boot" ? row.boot : row.module;
}

/** Each field by its own name: the engine finds one that is named by a variable anew each time. */
function numberOf(row: StencilRow, field: NumberField): number | undefined {
  switch (field) {
    case "timestamp":
      return row.timestamp;
    case "received":
      return row.received;
    case "seq":
      return row.seq;
    case "uptime":
      return row.uptime;
    case "clockError":
      return row.clockError;
  }
}
