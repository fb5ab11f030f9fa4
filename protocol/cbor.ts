import { Decoder, Encoder } from "cbor-x";
import { bad, type Decoded, good } from "./decoded.ts";
import {
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
 * Decodes one CBOR value from outside. The bytes are scanned first, since cbor-x builds whatever tags ask for, has no depth limit
 * and believes any length (docs/protocol.md 9.2). Byte strings become text.
 */
export function decodeCbor(bytes: Uint8Array): Decoded<JsonValue> {
  const scanned = scan(bytes);
  if (typeof scanned === "string") return bad(`frame: not the CBOR of a frame: ${scanned}`);
  try {
    const tally = { pairCount: 0 };
    const value = fromCbor(decoder.decode(bytes), tally);
    // cbor-x keeps the last of duplicate keys; the count of pairs tells.
    if (tally.pairCount !== scanned.pairCount) return bad("frame: duplicate name");
    return good(value);
  } catch (error) {
    if (error instanceof CborRefusal) return bad(error.message);
    throw error;
  }
}

/** Decodes what this process's own encoder wrote and a checksum has vouched for: nothing is checked, and it takes a tenth of the time. */
export function decodeOwnCbor(bytes: Uint8Array): unknown {
  return decoder.decode(bytes);
}

/** Args as they came in CBOR, with the entry's text as JSON text in `msg`, as a JSON frame has it (docs/protocol.md 9.2). */
export function argsFromCbor(args: JsonObject): Decoded<JsonObject> {
  const { msg, json, ...others } = args;
  const converted: { [name: string]: JsonValue } = Object.assign(Object.create(null), others);
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
  }
  return good(converted);
}

class CborRefusal extends Error {}

/** Says what is wrong with the bytes, or how many map pairs they hold when they are safe to decode. */
function scan(bytes: Uint8Array): string | { readonly pairCount: number } {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  /** Items still to come at each open level. */
  const open: number[] = [1];
  let index = 0;
  let pairCount = 0;
  while (open.length > 0) {
    const level = open.length - 1;
    const left = open[level] ?? 0;
    if (left === 0) {
      open.pop();
      continue;
    }
    open[level] = left - 1;
    if (index >= bytes.length) return "ends too early";
    const start = bytes[index] ?? 0;
    index += 1;
    const major = start >> 5;
    const info = start & 31;
    if (info === 31) return "indefinite length";
    if (info > 27) return "reserved head";
    const sizeBytes = info < 24 ? 0 : 1 << (info - 24);
    if (index + sizeBytes > bytes.length) return "ends too early";
    const argument = info < 24 ? info : readArgument(view, index, sizeBytes);
    index += sizeBytes;
    if (major === 2 || major === 3) {
      if (argument > bytes.length - index) return "a length beyond the bytes there are";
      const string = bytes.subarray(index, index + argument);
      if (major === 3 && decodeUtf8(string).lossy) return "invalid UTF-8 in a text string";
      index += argument;
    } else if (major === 4 || major === 5) {
      const itemCount = argument * (major === 5 ? 2 : 1);
      if (itemCount > bytes.length - index) return "a length beyond the bytes there are";
      if (open.length > JSON_DEPTH_MAX) return `nested deeper than ${JSON_DEPTH_MAX}`;
      if (major === 5) pairCount += argument;
      open.push(itemCount);
    } else if (major === 6) {
      return "tags are not taken";
    } else if (major === 7 && sizeBytes === 0 && (info < 20 || info > 22)) {
      return "a simple value that is not true, false or null";
    } else if (major === 7 && info === 24) {
      return "a simple value that is not true, false or null";
    }
  }
  return index < bytes.length ? "bytes after the end" : { pairCount };
}

function readArgument(view: DataView, index: number, sizeBytes: number): number {
  if (sizeBytes === 1) return view.getUint8(index);
  if (sizeBytes === 2) return view.getUint16(index);
  if (sizeBytes === 4) return view.getUint32(index);
  return Number(view.getBigUint64(index));
}

function fromCbor(value: unknown, tally: { pairCount: number }): JsonValue {
  if (value instanceof Map) return objectFromMap(value, tally);
  if (Array.isArray(value)) return value.map((item) => fromCbor(item, tally));
  if (value instanceof Uint8Array) return textOf(value);
  if (typeof value === "bigint") {
    const number = Number(value);
    return Number.isSafeInteger(number) ? number : new InexactNumber(String(value));
  }
  if (typeof value === "number") {
    const exact = Number.isFinite(value) && (!Number.isInteger(value) || Number.isSafeInteger(value));
    return exact ? value : new InexactNumber(String(value));
  }
  if (typeof value === "string" || typeof value === "boolean" || value === null) return value;
  throw new CborRefusal("frame: a CBOR value that a frame cannot hold");
}

function objectFromMap(map: ReadonlyMap<unknown, unknown>, tally: { pairCount: number }): JsonObject {
  const object = Object.create(null) as { [name: string]: JsonValue };
  for (const [key, value] of map) {
    const name = key instanceof Uint8Array ? textOf(key) : key;
    if (typeof name !== "string") throw new CborRefusal("frame: a CBOR map key must be a string");
    if (Object.hasOwn(object, name)) throw new CborRefusal(`frame: duplicate name ${JSON.stringify(name)}`);
    object[name] = fromCbor(value, tally);
    tally.pairCount += 1;
  }
  return object;
}

/** Bytes as UTF-8, else as Latin-1: Espruino has bytes, not UTF-8 (docs/protocol.md 9.2). */
function textOf(bytes: Uint8Array): string {
  const { text, lossy } = decodeUtf8(bytes);
  return lossy ? Array.from(bytes, (byte) => String.fromCharCode(byte)).join("") : text;
}
