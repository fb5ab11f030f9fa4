import { bad, type Decoded, good } from "../../protocol/decoded.ts";
import type { MsgJson } from "../../protocol/entry.ts";
import { InexactNumber, type JsonObject, type JsonValue, parseJson } from "../../protocol/json-parser.ts";
import type { Level } from "../../protocol/level.ts";
import type { LogArgs } from "../../protocol/methods.ts";
import { checkSrc, checkStream } from "../../protocol/names.ts";

/** A collector sends some 8,000 at once. */
export const OTLP_RECORDS_MAX = 10_000;
export const OTLP_BYTES_MAX = 4 * 1024 * 1024;
const MSG_CHARACTERS_MAX = 1024 * 1024;

/** A record in our own terms, or why it is none. */
export type OtlpRecord = Decoded<LogArgs & { readonly src: string }>;

/** The JSON of an `ExportLogsServiceRequest` (docs/protocol.md 10.9). */
export function decodeOtlpJson(text: string): Decoded<JsonValue> {
  const parsed = parseJson(text);
  return parsed.ok ? good(parsed.value) : bad(`body: ${parsed.reason} at ${parsed.index}`);
}

/** Its records. What is wrong in one record is that record's own. */
export function recordsOf(request: JsonValue): Decoded<readonly OtlpRecord[]> {
  const records: OtlpRecord[] = [];
  for (const resourceLogs of objectsIn(Object(request).resourceLogs)) {
    const resource = attributesOf(Object(resourceLogs.resource).attributes);
    const name = resource["service.name"];
    const src = checkSrc(typeof name === "string" ? name : "", "resource.attributes: service.name");
    for (const scopeLogs of objectsIn(resourceLogs.scopeLogs)) {
      const scope = Object(scopeLogs.scope).name;
      for (const record of objectsIn(scopeLogs.logRecords)) {
        if (records.length >= OTLP_RECORDS_MAX) return bad(`logRecords: more than ${OTLP_RECORDS_MAX}`, 413);
        records.push(src.ok ? recordOf(record, src.value, scope) : src);
      }
    }
  }
  return good(records);
}

function recordOf(record: JsonObject, src: string, scope: unknown): OtlpRecord {
  const { "boardlog.stream": stream, ...attributes } = attributesOf(record.attributes);
  for (const name of Object.keys(attributes)) if (name.startsWith("boardlog.")) delete attributes[name];
  const named = typeof stream === "string" ? checkStream(stream) : undefined;
  if (named?.ok === false) return named;
  const module = typeof scope === "string" && scope !== "" ? checkStream(scope, "scope.name") : undefined;
  if (module?.ok === false) return module;
  const timestamp = msOf(record.timeUnixNano) ?? msOf(record.observedTimeUnixNano);
  const level = levelOf(record.severityNumber);
  const body = anyValue(record.body);
  // What stands beside the body is kept, and is what makes an object of a line.
  const msg = Object.keys(attributes).length > 0 ? { body, ...attributes } : body;
  const json = JSON.stringify(typeof msg === "object" && msg !== null ? msg : String(msg ?? ""));
  if (json.length > MSG_CHARACTERS_MAX) return bad("body: larger than 1 MiB");
  return good({
    src,
    msg: json as MsgJson,
    ...(named !== undefined && { stream: named.value }),
    ...(module !== undefined && { module: module.value }),
    ...(timestamp !== undefined && { timestamp }),
    ...(level !== undefined && { level }),
  });
}

function objectsIn(value: unknown): readonly JsonObject[] {
  return Array.isArray(value)
    ? value.filter((one): one is JsonObject => typeof one === "object" && one !== null && !Array.isArray(one))
    : [];
}

function attributesOf(list: unknown): Record<string, unknown> {
  const entries = objectsIn(list).flatMap(({ key, value }): [string, unknown][] =>
    typeof key === "string" && key !== "__proto__" ? [[key, anyValue(value)]] : [],
  );
  return Object.fromEntries(entries);
}

/** OTLP's `AnyValue`: of integers, which come as strings, those that a number holds exactly are numbers. */
function anyValue(value: JsonValue | undefined): unknown {
  const any = Object(value) as Record<string, JsonValue | undefined>;
  if (any.stringValue !== undefined) return String(any.stringValue);
  if (any.boolValue !== undefined) return any.boolValue === true;
  if (any.intValue !== undefined) {
    const number = Number(any.intValue);
    return Number.isSafeInteger(number) ? number : String(any.intValue);
  }
  if (any.doubleValue !== undefined)
    return any.doubleValue instanceof InexactNumber ? any.doubleValue.text : any.doubleValue;
  if (any.bytesValue !== undefined) return String(any.bytesValue);
  if (any.arrayValue !== undefined) return objectsIn(Object(any.arrayValue).values).map(anyValue);
  if (any.kvlistValue !== undefined) return attributesOf(Object(any.kvlistValue).values);
  return null;
}

function msOf(nanos: unknown): number | undefined {
  const text = nanos instanceof InexactNumber ? nanos.text : String(nanos ?? "");
  if (!/^[1-9]\d{0,19}$/.test(text)) return undefined;
  return Number(BigInt(text) / 1_000_000n);
}

/** OTLP counts from 1 (trace) in steps of 4. */
function levelOf(severity: unknown): Level | undefined {
  if (typeof severity !== "number" || severity < 1 || severity > 24) return undefined;
  if (severity <= 8) return "debug";
  if (severity <= 12) return "info";
  return severity <= 16 ? "warn" : "error";
}
