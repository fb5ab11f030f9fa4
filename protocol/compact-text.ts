import { type CompactElement, frameFromElements } from "./compact-frame.ts";
import { bad, type Decoded } from "./decoded.ts";
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

/** A string without escapes and control characters: its JSON is its text. */
const PLAIN_STRING = /"[ !#-[\]-\uffff]*"/y;

/** Decodes a compact frame written as a JSON array, without its checksum (docs/protocol.md 12). */
export function decodeCompactText(text: string): Decoded<Frame> {
  if (!text.startsWith("[")) return bad(UNMATCHED);
  const elements: CompactElement[] = [];
  for (let start = 1; ; ) {
    const end = elementEnd(text, start);
    if (end === undefined) return bad(UNMATCHED);
    const element = elementOf(text.slice(start, end));
    if (element === undefined) return bad(`compact frame: element ${elements.length} is of no known kind`);
    elements.push(element);
    start = end + 1;
    if (text[end] !== "]") continue;
    return start === text.length ? frameFromElements(elements) : bad(UNMATCHED);
  }
}

/** The same from a decoded CBOR array, in which every string is text (docs/protocol.md 12.10). */
export function decodeCompactValue(values: readonly JsonValue[]): Decoded<Frame> {
  const elements: CompactElement[] = [];
  for (const value of values) {
    if (typeof value === "number") elements.push({ type: "number", value });
    else if (typeof value === "string") elements.push({ type: "string", value, json: JSON.stringify(value) });
    else if (value === null) elements.push({ type: "null" });
    else if (typeof value === "boolean") elements.push({ type: value ? "true" : "false" });
    else return bad(`compact frame: element ${elements.length} is of no known kind`);
  }
  return frameFromElements(elements);
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
  if (char === "{" || char === "[") return { type: "json", json: text };
  if (text === "null" || text === "true" || text === "false") return { type: text };
  return INTEGER.test(text) ? { type: "number", value: Number(text) } : undefined;
}

/** Index of the quote that ends the string starting at `start`; the text's length where there is none. */
function stringEnd(text: string, start: number): number {
  PLAIN_STRING.lastIndex = start;
  if (PLAIN_STRING.test(text)) return PLAIN_STRING.lastIndex - 1;
  let index = start + 1;
  while (index < text.length && text[index] !== '"') index += text[index] === "\\" ? 2 : 1;
  return index;
}

function stringOf(json: string): CompactElement | undefined {
  PLAIN_STRING.lastIndex = 0;
  if (PLAIN_STRING.test(json) && PLAIN_STRING.lastIndex === json.length) return new PlainString(json);
  try {
    const value: unknown = JSON.parse(json);
    return typeof value === "string" ? { type: "string", value, json } : undefined;
  } catch {
    return undefined;
  }
}

class PlainString {
  readonly type = "string";
  readonly json: string;

  constructor(json: string) {
    this.json = json;
  }

  get value(): string {
    return this.json.slice(1, -1);
  }
}
