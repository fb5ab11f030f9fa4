import { type CompactElement, frameFromElements } from "./compact-frame.ts";
import { bad, type Decoded } from "./decoded.ts";
import type { Frame } from "./frame.ts";
import type { JsonValue } from "./json-parser.ts";

/** How a compact frame begins; what comes before it on a serial line is console text (docs/protocol.md 12.9). */
export const COMPACT_STARTS = ['["@', '["!', '["~'] as const;
/** So much of a compact frame cannot be taken for console text any more. */
const COMPACT_HEAD = /^\["[@!~][ -~]{1,64}",(?:"[ -~]{1,300}",)?\d+,\d+,\d+,/;

const INTEGER = /^(?:0|-?[1-9][0-9]{0,15})$/;

/** Whether a text that is no whole frame began as one (docs/protocol.md 12.9). */
export function looksCompact(text: string): boolean {
  return COMPACT_HEAD.test(text);
}

/** Decodes a compact frame written as a JSON array, without its checksum (docs/protocol.md 12). */
export function decodeCompactText(text: string): Decoded<Frame> {
  const parts = splitArray(text);
  if (parts === undefined) return bad("compact frame: brackets or quotes do not match");
  const elements: CompactElement[] = [];
  for (const part of parts) {
    const element = elementOf(part);
    if (element === undefined) return bad(`compact frame: element ${elements.length} is of no known kind`);
    elements.push(element);
  }
  return frameFromElements(elements);
}

/** The same from a decoded CBOR array, in which every string is text (docs/protocol.md 12.10). */
export function decodeCompactValue(values: readonly JsonValue[]): Decoded<Frame> {
  const elements: CompactElement[] = [];
  for (const value of values) {
    if (typeof value === "number") elements.push({ type: "number", value });
    else if (typeof value === "string") elements.push({ type: "string", value, json: JSON.stringify(value) });
    else if (value === null || value === true) elements.push({ type: value === null ? "null" : "true" });
    else return bad(`compact frame: element ${elements.length} is of no known kind`);
  }
  return frameFromElements(elements);
}

/** The texts of an array's elements, by brackets and quotes alone: what is inside one may be no JSON (clause 12.7). */
function splitArray(text: string): readonly string[] | undefined {
  if (!text.startsWith("[") || !text.endsWith("]")) return undefined;
  const parts: string[] = [];
  let depth = 0;
  let start = 1;
  for (let index = 1; index < text.length; index++) {
    const char = text[index];
    if (char === '"') {
      index = stringEnd(text, index);
    } else if (char === "[" || char === "{") depth += 1;
    else if (depth > 0 && (char === "]" || char === "}")) depth -= 1;
    else if (depth === 0 && (char === "," || char === "]")) {
      parts.push(text.slice(start, index));
      start = index + 1;
      if (char === "]") return start === text.length ? parts : undefined;
    }
  }
  return undefined;
}

function elementOf(text: string): CompactElement | undefined {
  const char = text[0];
  if (char === '"') return stringOf(text);
  if (char === "{" || char === "[") return { type: "json", json: text };
  if (text === "null" || text === "true") return { type: text };
  return INTEGER.test(text) ? { type: "number", value: Number(text) } : undefined;
}

/** Index of the quote that ends the string starting at `start`; the text's length where there is none. */
function stringEnd(text: string, start: number): number {
  let index = start + 1;
  while (index < text.length && text[index] !== '"') index += text[index] === "\\" ? 2 : 1;
  return index;
}

function stringOf(json: string): CompactElement | undefined {
  try {
    const value: unknown = JSON.parse(json);
    return typeof value === "string" ? { type: "string", value, json } : undefined;
  } catch {
    return undefined;
  }
}
