import { Decoder, Encoder } from "cbor-x";
import { bad, type Decoded, good } from "./decoded.ts";
import {
  BareObject,
  InexactNumber,
  JSON_DEPTH_MAX,
  type JsonObject,
  type JsonValue,
  parseJson,
  Verbatim,
} from "./json-parser.ts";
import { decodeUtf8 } from "./utf8.ts";

const decoder = new Decoder({ mapsAsObjects: false, useRecords: false, int64AsNumber: false } as object);
const encoder = new Encoder({ useRecords: false, mapsAsObjects: true, variableMapSize: true } as object);

/** Encodes plain objects, arrays, strings, numbers and booleans as CBOR (RFC 8949) with definite lengths. */
export function encodeCbor(value: unknown): Uint8Array {
  return encoder.encode(value);
}

/**
 * Decodes one CBOR value from outside, in one pass with a reader of our own: cbor-x builds whatever tags ask for, has no depth limit,
 * believes any length and keeps the last of duplicate names (docs/protocol.md 9.2). Byte strings become text.
 */
export function decodeCbor(bytes: Uint8Array): Decoded<JsonValue> {
  try {
    return good(new CborReader(bytes).document());
  } catch (error) {
    if (error instanceof CborRefusal) return bad(error.message);
    throw error;
  }
}

/** Decodes what this process's own encoder wrote and a checksum has vouched for: nothing is checked, and it takes a tenth of the time. */
export function decodeOwnCbor(bytes: Uint8Array): unknown {
  return decoder.decode(bytes);
}

/**
 * Args as they came in CBOR, with the entry's text as JSON text in `msg`, as a JSON frame has it (docs/protocol.md 9.2).
 * @param args changed in place where they are good: a copy of each command's would cost as much as all else here.
 */
export function argsFromCbor(args: JsonObject): Decoded<JsonObject> {
  const { msg, json } = args;
  const converted = args as { [name: string]: JsonValue };
  if (msg !== undefined && json !== undefined) return bad("json: not together with msg");
  if (typeof msg === "string") converted.msg = new Verbatim(JSON.stringify(msg));
  else if (msg !== undefined) return bad("msg: in CBOR an object or array goes as its JSON text in `json`");
  if (json !== undefined) {
    if (typeof json !== "string") return bad("json: must be JSON text");
    const parsed = parseJson(json, { verbatim: () => true });
    const text = json.trim();
    if (!parsed.ok) return bad(`json: not JSON: ${parsed.reason} at character ${parsed.index}`);
    if (!text.startsWith("{") && !text.startsWith("["))
      return bad("json: must be the text of an object or array");
    converted.msg = new Verbatim(text);
    delete converted.json;
  }
  return good(converted);
}

class CborRefusal extends Error {}

function refuse(reason: string): never {
  throw new CborRefusal(`frame: not the CBOR of a frame: ${reason}`);
}

const Major = { Unsigned: 0, Negative: 1, Bytes: 2, Text: 3, Array: 4, Map: 5, Tag: 6, Other: 7 } as const;

/** Unlike the one for JSON it keeps a byte order mark: here it is a character of a string. */
const strictUtf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Longer texts are seldom said twice. */
const KNOWN_TEXT_BYTES_MAX = 24;
/** Names of fields, methods and sources come again with each entry: the string made the last time spares a new one. By hash; one each. */
const knownTexts: (string | undefined)[] = new Array(1024).fill(undefined);

class CborReader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #index = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  document(): JsonValue {
    const value = this.#value(0);
    if (this.#index < this.#bytes.length) refuse("bytes after the end");
    return value;
  }

  /** @param depth arrays and maps around the value. */
  #value(depth: number): JsonValue {
    const start = this.#take(1);
    const head = this.#bytes[start] ?? 0;
    const info = head & 31;
    switch (head >> 5) {
      case Major.Unsigned:
        return info === 27 ? this.#integer64(false) : this.#argument(info);
      case Major.Negative:
        return info === 27 ? this.#integer64(true) : -1 - this.#argument(info);
      case Major.Bytes:
        return this.#byteText(info);
      case Major.Text:
        return this.#text(info);
      case Major.Array: {
        const items: JsonValue[] = [];
        for (let left = this.#itemCount(info, 1, depth); left > 0; left--) items.push(this.#value(depth + 1));
        return items;
      }
      case Major.Map:
        return this.#map(this.#itemCount(info, 2, depth) / 2, depth);
      case Major.Tag:
        return refuse("tags are not taken");
      default:
        return this.#other(info);
    }
  }

  #map(pairCount: number, depth: number): JsonObject {
    const object = new BareObject();
    for (let left = pairCount; left > 0; left--) {
      const head = this.#bytes[this.#take(1)] ?? 0;
      const major = head >> 5;
      if (major !== Major.Text && major !== Major.Bytes)
        throw new CborRefusal("frame: a CBOR map key must be a string");
      const name = major === Major.Text ? this.#text(head & 31) : this.#byteText(head & 31);
      if (name in object)
        throw new CborRefusal(`frame: duplicate name ${JSON.stringify(name.slice(0, 100))}`);
      object[name] = this.#value(depth + 1);
    }
    return object;
  }

  #other(info: number): JsonValue {
    if (info === 20) return false;
    if (info === 21) return true;
    if (info === 22) return null;
    if (info === 25) return numberOf(halfOf(this.#view.getUint16(this.#take(2))));
    if (info === 26) return numberOf(this.#view.getFloat32(this.#take(4)));
    if (info === 27) return numberOf(this.#view.getFloat64(this.#take(8)));
    return refuse(info > 27 ? headReason(info) : "a simple value that is not true, false or null");
  }

  #integer64(isNegative: boolean): JsonValue {
    const unsigned = this.#view.getBigUint64(this.#take(8));
    const value = isNegative ? -1n - unsigned : unsigned;
    const number = Number(value);
    return Number.isSafeInteger(number) ? number : new InexactNumber(String(value));
  }

  #byteText(info: number): string {
    const { start, end } = this.#string(info);
    return textOf(this.#bytes.subarray(start, end));
  }

  #text(info: number): string {
    const { start, end } = this.#string(info);
    const length = end - start;
    const bytes = this.#bytes;
    if (length <= KNOWN_TEXT_BYTES_MAX) {
      let hash = length;
      let union = 0;
      for (let index = start; index < end; index++) {
        const byte = bytes[index] ?? 0;
        hash = Math.imul(hash ^ byte, 0x01000193);
        union |= byte;
      }
      if (union < 0x80) return this.#knownText((hash ^ (hash >>> 15)) & (knownTexts.length - 1), start, end);
    }
    try {
      return strictUtf8.decode(bytes.subarray(start, end));
    } catch {
      return refuse("invalid UTF-8 in a text string");
    }
  }

  /** A short ASCII text. */
  #knownText(slot: number, start: number, end: number): string {
    const bytes = this.#bytes;
    const known = knownTexts[slot];
    if (known !== undefined && known.length === end - start) {
      let same = 0;
      while (same < known.length && known.charCodeAt(same) === bytes[start + same]) same++;
      if (same === known.length) return known;
    }
    let text = "";
    for (let index = start; index < end; index++) text += String.fromCharCode(bytes[index] ?? 0);
    knownTexts[slot] = text;
    return text;
  }

  #string(info: number): { readonly start: number; readonly end: number } {
    const length = this.#argument(info);
    const start = this.#index;
    if (length > this.#bytes.length - start) refuse("a length beyond the bytes there are");
    this.#index = start + length;
    return { start, end: this.#index };
  }

  #itemCount(info: number, itemsEach: number, depth: number): number {
    const count = this.#argument(info) * itemsEach;
    if (count > this.#bytes.length - this.#index) refuse("a length beyond the bytes there are");
    if (depth >= JSON_DEPTH_MAX) refuse(`nested deeper than ${JSON_DEPTH_MAX}`);
    return count;
  }

  #argument(info: number): number {
    if (info < 24) return info;
    if (info === 24) return this.#view.getUint8(this.#take(1));
    if (info === 25) return this.#view.getUint16(this.#take(2));
    if (info === 26) return this.#view.getUint32(this.#take(4));
    if (info === 27) return Number(this.#view.getBigUint64(this.#take(8)));
    return refuse(headReason(info));
  }

  /** @returns where the next so many bytes begin. */
  #take(count: number): number {
    const start = this.#index;
    if (start + count > this.#bytes.length) refuse("ends too early");
    this.#index = start + count;
    return start;
  }
}

function headReason(info: number): string {
  return info === 31 ? "indefinite length" : "reserved head";
}

function numberOf(value: number): JsonValue {
  const exact = Number.isFinite(value) && (!Number.isInteger(value) || Number.isSafeInteger(value));
  return exact ? value : new InexactNumber(String(value));
}

/** Half precision (RFC 8949, appendix D). */
function halfOf(bits: number): number {
  const exponent = (bits >> 10) & 31;
  const mantissa = bits & 1023;
  let value = (mantissa + 1024) * 2 ** (exponent - 25);
  if (exponent === 0) value = mantissa * 2 ** -24;
  else if (exponent === 31) value = mantissa === 0 ? Number.POSITIVE_INFINITY : Number.NaN;
  return bits & 0x8000 ? -value : value;
}

/** Bytes as UTF-8, else as Latin-1: Espruino has bytes, not UTF-8 (docs/protocol.md 9.2). */
function textOf(bytes: Uint8Array): string {
  const { text, lossy } = decodeUtf8(bytes);
  return lossy ? Array.from(bytes, (byte) => String.fromCharCode(byte)).join("") : text;
}
