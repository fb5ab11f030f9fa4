import { type CompactElement, type CompactText, frameFromElements } from "./compact-frame.ts";
import { decodeCompactLinesText } from "./compact-lines.ts";
import { bad, type Decoded, good } from "./decoded.ts";
import type { Frame } from "./frame.ts";
import type { JsonValue } from "./json-parser.ts";

const UNMATCHED = "compact frame: brackets or quotes do not match";

/** How a compact frame begins; what comes before it on a serial line is console text (docs/protocol.md 12.9). */
export const COMPACT_STARTS = ['["@', '["!', '["~'] as const;
/** So much of a compact frame cannot be taken for console text any more. */
const COMPACT_HEAD = /^\["[@!~][ -~]{1,64}",(?:"[ -~]{1,300}",)?\d+,\d+,\d+,/;

const INTEGER = /^(?:0|-?[1-9][0-9]{0,15})$/;

/** Whether a text that is no whole frame began as one (docs/protocol.md 12.9). */
export function looksCompact(text: string): boolean {
  return COMPACT_HEAD.test(text);
}

/** What no string holds whose JSON is its text. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: the control characters are what it looks for.
const NOT_PLAIN = /[\\\u0000-\u001f]/;

const QUOTE = 0x22;
const COMMA = 0x2c;
const MINUS = 0x2d;
const DIGIT_0 = 0x30;
const DIGIT_9 = 0x39;
const BRACKET_CLOSE = 0x5d;
/** Surely below 2^53. */
const EASY_DIGITS_MAX = 15;

/** Decodes a compact frame written as a JSON array, without its checksum (docs/protocol.md 12). */
export function decodeCompactText(text: string): Decoded<Frame> {
  const frame = decodeCompactLinesText(text);
  return frame === undefined ? decodeCompactElements(text) : good(frame);
}

/** The same of one that is no whole lines: element by element. */
export function decodeCompactElements(text: string): Decoded<Frame> {
  if (!text.startsWith("[")) return bad(UNMATCHED);
  const elements: CompactElement[] = [];
  const reader = new ElementReader(text);
  for (;;) {
    const element = reader.next();
    if (reader.index >= text.length) return bad(UNMATCHED);
    if (element === undefined) return bad(`compact frame: element ${elements.length} is of no known kind`);
    elements.push(element);
    if (text.charCodeAt(reader.index) !== BRACKET_CLOSE) continue;
    return reader.index + 1 === text.length ? frameFromElements(elements) : bad(UNMATCHED);
  }
}

/** The same from a decoded CBOR array, in which every string is text (docs/protocol.md 12.10). */
export function decodeCompactValue(values: readonly JsonValue[]): Decoded<Frame> {
  const elements: CompactElement[] = [];
  for (const value of values) {
    if (typeof value === "string") elements.push({ isString: true, value, json: JSON.stringify(value) });
    else if (typeof value === "number" || typeof value === "boolean" || value === null) elements.push(value);
    else return bad(`compact frame: element ${elements.length} is of no known kind`);
  }
  return frameFromElements(elements);
}

/** Takes a text apart, element by element. This runs for each entry of each board. */
class ElementReader {
  readonly #text: string;
  readonly #isPlain: boolean;
  /** Of the bracket or comma before the next element; the text's length where there is none. */
  index = 0;

  constructor(text: string) {
    this.#text = text;
    this.#isPlain = !NOT_PLAIN.test(text);
  }

  /** The next element, or undefined where it is of no known kind. */
  next(): CompactElement | undefined {
    const start = this.index + 1;
    const first = this.#text.charCodeAt(start);
    const easy = first === QUOTE ? this.#plainString(start) : this.#easyNumber(start, first);
    return easy ?? this.#other(start);
  }

  #plainString(start: number): CompactText | undefined {
    const end = this.#text.indexOf('"', start + 1) + 1;
    if (end === 0 || !this.#endsAt(end)) return undefined;
    const json = this.#text.slice(start, end);
    return this.#isPlain || !NOT_PLAIN.test(json) ? new PlainString(json) : undefined;
  }

  #easyNumber(start: number, first: number): number | undefined {
    const digitsStart = first === MINUS ? start + 1 : start;
    let value = 0;
    let end = digitsStart;
    for (; end - digitsStart < EASY_DIGITS_MAX; end++) {
      const unit = this.#text.charCodeAt(end);
      if (!(unit >= DIGIT_0 && unit <= DIGIT_9)) break;
      value = value * 10 + unit - DIGIT_0;
    }
    const isInteger =
      value === 0 ? first === DIGIT_0 && end === start + 1 : this.#text.charCodeAt(digitsStart) !== DIGIT_0;
    if (!isInteger || !this.#endsAt(end)) return undefined;
    return first === MINUS ? -value : value;
  }

  #endsAt(end: number): boolean {
    const unit = this.#text.charCodeAt(end);
    if (unit !== COMMA && unit !== BRACKET_CLOSE) return false;
    this.index = end;
    return true;
  }

  #other(start: number): CompactElement | undefined {
    this.index = elementEnd(this.#text, start) ?? this.#text.length;
    return elementOf(this.#text.slice(start, this.index));
  }
}

/**
 * Index of the comma or bracket that ends the element starting at `start`, by brackets and quotes alone: what is inside one may
 * be no JSON (clause 12.7). Undefined where there is none.
 */
function elementEnd(text: string, start: number): number | undefined {
  let depth = 0;
  for (let index = start; index < text.length; index++) {
    const char = text[index];
    if (char === '"') {
      index = stringEnd(text, index);
    } else if (char === "[" || char === "{") depth += 1;
    else if (depth > 0 && (char === "]" || char === "}")) depth -= 1;
    else if (depth === 0 && (char === "," || char === "]")) return index;
  }
  return undefined;
}

function elementOf(text: string): CompactElement | undefined {
  const char = text[0];
  if (char === '"') return stringOf(text);
  if (char === "{" || char === "[") return { isString: false, json: text, value: text };
  if (text === "null") return null;
  if (text === "true" || text === "false") return text === "true";
  return INTEGER.test(text) ? Number(text) : undefined;
}

/** Index of the quote that ends the string starting at `start`; the text's length where there is none. */
function stringEnd(text: string, start: number): number {
  let index = start + 1;
  while (index < text.length && text[index] !== '"') index += text[index] === "\\" ? 2 : 1;
  return index;
}

function stringOf(json: string): CompactText | undefined {
  try {
    const value: unknown = JSON.parse(json);
    return typeof value === "string" ? { isString: true, value, json } : undefined;
  } catch {
    return undefined;
  }
}

class PlainString implements CompactText {
  readonly isString = true;
  readonly json: string;

  constructor(json: string) {
    this.json = json;
  }

  get value(): string {
    return this.json.slice(1, -1);
  }
}
