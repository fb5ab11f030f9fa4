import { bad, type Decoded, good } from "../../protocol/decoded.ts";
import type { JsonObject, JsonValue } from "../../protocol/json-parser.ts";

/** As much of opentelemetry-proto 1.x as is read; other fields are passed over. */
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
    5: { name: "body", type: "AnyValue" },
    6: { name: "attributes", type: "KeyValue", isList: true },
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
} as const;

type Fields = Readonly<
  Record<number, { readonly name: string; readonly type: string; readonly isList?: true }>
>;

/** As JSON's (docs/protocol.md 2.1), of which a message within another takes one. */
const DEPTH_MAX = 16;
const Wire = { Varint: 0, Fixed64: 1, Bytes: 2, Fixed32: 5 } as const;

class Malformed extends Error {}

/** Reads an `ExportLogsServiceRequest` into the form that its JSON has. Takes no more memory than a few times the bytes. */
export function decodeOtlpProtobuf(bytes: Uint8Array): Decoded<JsonObject> {
  try {
    return good(new Reader(bytes).message("Request", bytes.length, 1));
  } catch (error) {
    if (error instanceof Malformed) return bad(`body: ${error.message}`);
    throw error;
  }
}

class Reader {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  }

  message(type: string, end: number, depth: number): JsonObject {
    if (depth > DEPTH_MAX) throw new Malformed(`nested deeper than ${DEPTH_MAX}`);
    const fields: Fields = MESSAGES[type as keyof typeof MESSAGES];
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
    const wanted =
      type === "bool" || type === "int"
        ? Wire.Varint
        : type === "fixed" || type === "double"
          ? Wire.Fixed64
          : Wire.Bytes;
    if (wire !== wanted) throw new Malformed(`a field of another type at ${this.#at}`);
    if (wanted === Wire.Varint) {
      const value = this.#varint(end);
      if (type === "bool") return value !== 0n;
      const signed = BigInt.asIntN(64, value);
      return Number.isSafeInteger(Number(signed)) ? Number(signed) : String(signed);
    }
    if (wanted === Wire.Fixed64) {
      const at = this.#take(8, end);
      return type === "double" ? this.#bytes.readDoubleLE(at) : String(this.#bytes.readBigUInt64LE(at));
    }
    const length = Number(this.#varint(end));
    const at = this.#take(length, end);
    if (type === "text") return this.#bytes.toString("utf8", at, at + length);
    if (type === "bytes") return this.#bytes.toString("base64", at, at + length);
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

/** `ExportLogsServiceResponse`, and `google.rpc.Status`: each two fields, a number and words. */
export function encodeOtlpAnswer(answer: {
  readonly partial?: boolean;
  readonly count: number;
  readonly words: string;
}): Uint8Array {
  const words = Buffer.from(answer.words, "utf8");
  const inner = Buffer.concat([
    Buffer.of(0x08),
    varint(answer.count),
    Buffer.of(0x12),
    varint(words.length),
    words,
  ]);
  return answer.partial ? Buffer.concat([Buffer.of(0x0a), varint(inner.length), inner]) : inner;
}

function varint(value: number): Uint8Array {
  const bytes: number[] = [];
  let rest = value;
  for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) bytes.push((rest % 0x80) | 0x80);
  return Uint8Array.from([...bytes, rest]);
}
