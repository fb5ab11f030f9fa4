import { bad, type Decoded, good } from "./decoded.ts";
import type { JsonObject, JsonValue } from "./json-parser.ts";
import { decodeUtf8, encodeUtf8 } from "./utf8.ts";

/** As much of opentelemetry-proto 1.x as is read or written; other fields are passed over. */
const MESSAGES = {
  Request: { 1: { name: "resourceLogs", type: "ResourceLogs", isList: true } },
  ResourceLogs: {
    1: { name: "resource", type: "Resource" },
    2: { name: "scopeLogs", type: "ScopeLogs", isList: true },
  },
  Resource: { 1: { name: "attributes", type: "KeyValue", isList: true } },
  ScopeLogs: {
    1: { name: "scope", type: "Scope" },
    2: { name: "logRecords", type: "LogRecord", isList: true },
  },
  Scope: { 1: { name: "name", type: "text" } },
  LogRecord: {
    1: { name: "timeUnixNano", type: "fixed" },
    2: { name: "severityNumber", type: "int" },
    3: { name: "severityText", type: "text" },
    5: { name: "body", type: "AnyValue" },
    6: { name: "attributes", type: "KeyValue", isList: true },
    9: { name: "traceId", type: "hex" },
    10: { name: "spanId", type: "hex" },
    11: { name: "observedTimeUnixNano", type: "fixed" },
  },
  KeyValue: { 1: { name: "key", type: "text" }, 2: { name: "value", type: "AnyValue" } },
  AnyValue: {
    1: { name: "stringValue", type: "text" },
    2: { name: "boolValue", type: "bool" },
    3: { name: "intValue", type: "int" },
    4: { name: "doubleValue", type: "double" },
    5: { name: "arrayValue", type: "Values" },
    6: { name: "kvlistValue", type: "Pairs" },
    7: { name: "bytesValue", type: "bytes" },
  },
  Values: { 1: { name: "values", type: "AnyValue", isList: true } },
  Pairs: { 1: { name: "values", type: "KeyValue", isList: true } },
  Response: { 1: { name: "partialSuccess", type: "PartialSuccess" } },
  PartialSuccess: {
    1: { name: "rejectedLogRecords", type: "int" },
    2: { name: "errorMessage", type: "text" },
  },
  /** `google.rpc.Status` */
  Status: { 1: { name: "code", type: "int" }, 2: { name: "message", type: "text" } },
} as const;

export type OtlpMessage = keyof typeof MESSAGES;

interface Field {
  readonly name: string;
  readonly type: string;
  readonly isList?: true;
}
type Fields = Readonly<Record<number, Field>>;

/** Up to three messages for each level of a body, of which there may be 16 (docs/protocol.md 2.1), within four others; with room. */
const DEPTH_MAX = 60;
const Wire = { Varint: 0, Fixed64: 1, Bytes: 2, Fixed32: 5 } as const;

class Malformed extends Error {}

/** Reads a message into the form that its JSON has. Takes no more memory than a few times the bytes. */
export function decodeOtlpProtobuf(type: OtlpMessage, bytes: Uint8Array): Decoded<JsonObject> {
  try {
    return good(new Reader(bytes).message(type, bytes.length, 1));
  } catch (error) {
    if (error instanceof Malformed) return bad(`body: ${error.message}`);
    throw error;
  }
}

/** Writes a message that is given in the form of its JSON: 64-bit integers may be strings. What the table has not is left out. */
export function encodeOtlpProtobuf(type: OtlpMessage, message: object): Uint8Array {
  const writer = new BackwardWriter();
  writeMessage(writer, type, message as Readonly<Record<string, unknown>>);
  return writer.written();
}

function wireOf(type: string): number {
  if (type === "bool" || type === "int") return Wire.Varint;
  return type === "fixed" || type === "double" ? Wire.Fixed64 : Wire.Bytes;
}

class Reader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  }

  message(type: string, end: number, depth: number): JsonObject {
    if (depth > DEPTH_MAX) throw new Malformed(`nested deeper than ${DEPTH_MAX}`);
    const fields: Fields = MESSAGES[type as OtlpMessage];
    const object: Record<string, JsonValue> = {};
    while (this.#at < end) {
      const tag = this.#varint(end);
      const wire = Number(tag & 7n);
      const field = fields[Number(tag >> 3n)];
      if (field === undefined) this.#skip(wire, end);
      else {
        const value = this.#value(field.type, wire, end, depth);
        if (field.isList === undefined) object[field.name] = value;
        else {
          object[field.name] ??= [];
          (object[field.name] as JsonValue[]).push(value);
        }
      }
    }
    return object;
  }

  #value(type: string, wire: number, end: number, depth: number): JsonValue {
    const wanted = wireOf(type);
    if (wire !== wanted) throw new Malformed(`a field of another type at ${this.#at}`);
    if (wanted === Wire.Varint) {
      const value = this.#varint(end);
      if (type === "bool") return value !== 0n;
      const signed = BigInt.asIntN(64, value);
      return Number.isSafeInteger(Number(signed)) ? Number(signed) : String(signed);
    }
    if (wanted === Wire.Fixed64) {
      const at = this.#take(8, end);
      return type === "double" ? this.#view.getFloat64(at, true) : String(this.#view.getBigUint64(at, true));
    }
    const length = Number(this.#varint(end));
    const at = this.#take(length, end);
    const bytes = this.#bytes.subarray(at, at + length);
    if (type === "text") return decodeUtf8(bytes).text;
    if (type === "hex") return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
    if (type === "bytes") return btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""));
    this.#at = at;
    return this.message(type, at + length, depth + 1);
  }

  #skip(wire: number, end: number): void {
    if (wire === Wire.Varint) this.#varint(end);
    else if (wire === Wire.Fixed64) this.#take(8, end);
    else if (wire === Wire.Fixed32) this.#take(4, end);
    else if (wire === Wire.Bytes) this.#take(Number(this.#varint(end)), end);
    else throw new Malformed(`no protobuf at ${this.#at}`);
  }

  /** @returns where the bytes begin */
  #take(count: number, end: number): number {
    const at = this.#at;
    if (count > end - at) throw new Malformed(`${count} bytes announced at ${at}, ${end - at} there`);
    this.#at = at + count;
    return at;
  }

  #varint(end: number): bigint {
    let value = 0n;
    for (let shift = 0n; shift < 70n; shift += 7n) {
      const byte = this.#bytes[this.#take(1, end)] ?? 0;
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return BigInt.asUintN(64, value);
    }
    throw new Malformed(`a number without end at ${this.#at}`);
  }
}

function writeMessage(
  writer: BackwardWriter,
  type: OtlpMessage,
  message: Readonly<Record<string, unknown>>,
): void {
  const fields = Object.entries(MESSAGES[type] as Fields);
  for (const [digits, field] of fields.reverse()) {
    const given = message[field.name];
    if (given === undefined) continue;
    const values = field.isList === undefined ? [given] : (given as readonly unknown[]);
    for (let index = values.length - 1; index >= 0; index--) {
      writeValue(writer, field.type, values[index]);
      writer.varint((Number(digits) << 3) | wireOf(field.type));
    }
  }
}

function writeValue(writer: BackwardWriter, type: string, value: unknown): void {
  if (type === "bool") writer.varint(value === true ? 1 : 0);
  else if (type === "int") writer.varint64(BigInt(value as number | string));
  else if (type === "fixed") writer.fixed64(BigInt(value as number | string));
  else if (type === "double") writer.double(Number(value));
  else {
    const before = writer.sizeBytes;
    if (type === "text") writer.bytes(encodeUtf8(String(value)));
    else if (type === "hex")
      writer.bytes(
        Uint8Array.from(String(value).match(/../g) ?? [], (digits) => Number.parseInt(digits, 16)),
      );
    else if (type === "bytes")
      writer.bytes(Uint8Array.from(atob(String(value)), (character) => character.charCodeAt(0)));
    else writeMessage(writer, type as OtlpMessage, value as Readonly<Record<string, unknown>>);
    writer.varint(writer.sizeBytes - before);
  }
}

/** Written from the end to the front: the length of a message is known before it has to be written. */
class BackwardWriter {
  #bytes = new Uint8Array(4_096);
  #view = new DataView(this.#bytes.buffer);
  #start = this.#bytes.length;

  get sizeBytes(): number {
    return this.#bytes.length - this.#start;
  }

  written(): Uint8Array {
    return this.#bytes.subarray(this.#start);
  }

  bytes(bytes: Uint8Array): void {
    this.#bytes.set(bytes, this.#reserve(bytes.length));
  }

  fixed64(value: bigint): void {
    this.#view.setBigUint64(this.#reserve(8), value, true);
  }

  double(value: number): void {
    this.#view.setFloat64(this.#reserve(8), value, true);
  }

  /** @param value below 2^31. */
  varint(value: number): void {
    let size = 1;
    for (let rest = value >>> 7; rest > 0; rest >>>= 7) size += 1;
    let at = this.#reserve(size);
    for (let rest = value; size > 0; size -= 1, rest >>>= 7, at += 1) {
      this.#bytes[at] = (rest & 0x7f) | (size > 1 ? 0x80 : 0);
    }
  }

  varint64(value: bigint): void {
    if (value >= 0n && value < 0x80000000n) {
      this.varint(Number(value));
      return;
    }
    const bytes: number[] = [];
    for (let rest = BigInt.asUintN(64, value); rest > 0n; rest >>= 7n)
      bytes.push(Number(rest & 0x7fn) | 0x80);
    const last = bytes.length - 1;
    bytes[last] = (bytes[last] ?? 0) & 0x7f;
    this.bytes(Uint8Array.from(bytes));
  }

  /** @returns where so many bytes go. */
  #reserve(count: number): number {
    if (count > this.#start) {
      const size = this.sizeBytes;
      const grown = new Uint8Array(Math.max(this.#bytes.length * 2, size + count));
      grown.set(this.written(), grown.length - size);
      this.#bytes = grown;
      this.#view = new DataView(grown.buffer);
      this.#start = grown.length - size;
    }
    this.#start -= count;
    return this.#start;
  }
}
