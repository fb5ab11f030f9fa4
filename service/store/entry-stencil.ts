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

/** The names of an entry as JSON, which its neighbours mostly share. */
export class EntryNames {
  readonly #of: Pick<StencilRow, "stream" | "module" | "boot"> & { readonly src: string };
  /** An entry up to its message. */
  readonly head: Buffer;
  /** Members with the comma before them; empty where there is none. */
  readonly src: string;
  readonly module: string;
  readonly boot: string;

  constructor({ stream, module, boot }: StencilRow, src: string) {
    this.#of = { stream, module, boot, src };
    this.head = Buffer.from(`{"stream":${JSON.stringify(stream)},"msg":`);
    this.src = memberOf("src", src);
    this.module = memberOf("module", module);
    this.boot = memberOf("boot", boot);
  }

  areOf(row: StencilRow, src: string): boolean {
    const own = this.#of;
    return src === own.src && row.boot === own.boot && row.stream === own.stream && row.module === own.module;
  }
}

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

/**
 * The text of an entry around its message and its numbers (docs/protocol.md 4.2), as `entriesText` writes it (protocol/answer.ts).
 * Neighbours in a log mostly share one: it is copied, and their numbers put over its own.
 */
export class EntryStencil {
  /** From the message to the comma behind the entry. */
  readonly tail: Buffer;
  /** Where in the tail the id is. */
  readonly idAt: number;
  readonly #slots: readonly Slot[];

  constructor(row: StencilRow, names: EntryNames, fields: readonly ExtraField[]) {
    const slots: Slot[] = [];
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
      if (field === "src" || field === "module" || field === "boot") text += names[field];
      else if (field === "level") text += LEVEL_MEMBERS[row.levelCode] ?? "";
      else if (field === "clock") text += CLOCK_MEMBERS[row.clockCode] ?? "";
      else {
        const value = numberOf(row, field);
        if (value !== undefined) number(field, value);
      }
    }
    this.tail = Buffer.from(`${text}},`);
    this.#slots = slots;
  }

  fits(row: StencilRow): boolean {
    for (const { field, min, max } of this.#slots) {
      const value = numberOf(row, field) ?? 0;
      if (value < min || value >= max) return false;
    }
    return true;
  }

  /** Over those in a copy of the tail. */
  putNumbers(row: StencilRow, bytes: Buffer, tailAt: number): void {
    for (const { field, at, digits } of this.#slots)
      putDigits(bytes, tailAt + at, numberOf(row, field) ?? 0, digits);
  }
}

function memberOf(name: string, value: string | undefined): string {
  return value === undefined ? "" : `,"${name}":${JSON.stringify(value)}`;
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
