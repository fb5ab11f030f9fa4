import { bad, type Decoded, good } from "../../protocol/decoded.ts";
import type { MsgJson } from "../../protocol/entry.ts";
import {
  InexactNumber,
  JSON_DEPTH_MAX,
  type JsonObject,
  type JsonValue,
  parseJson,
} from "../../protocol/json-parser.ts";
import type { Level } from "../../protocol/level.ts";
import type { LogArgs } from "../../protocol/methods.ts";
import { checkSrc, checkStream } from "../../protocol/names.ts";

/** A collector sends some 8,000 at once. */
export const OTLP_RECORDS_MAX = 10_000;
export const OTLP_BYTES_MAX = 4 * 1024 * 1024;
const MSG_CHARACTERS_MAX = 1024 * 1024;

/** A record in our own terms, or why it is none. */
export type OtlpRecord = Decoded<LogArgs & { readonly src: string }>;

/**
 * OTLP has three or four JSON values, one in the other, for each level of a body: so deep a request is that holds what `msg` may
 * be, with room. In protobuf the messages are as deep as the decoder takes.
 */
const REQUEST_DEPTH_MAX = 80;
/** A scope whose name is no module's: what OpenTelemetry calls it where there are attributes alone. */
const SCOPE_NAME = "otel.scope.name";

/** The JSON of an `ExportLogsServiceRequest` (docs/protocol.md 10.9). */
export function decodeOtlpJson(text: string): Decoded<JsonValue> {
  const parsed = parseJson(text, { depthMax: REQUEST_DEPTH_MAX, mendsSurrogates: true });
  return parsed.ok ? good(parsed.value) : bad(`body: ${parsed.reason} at ${parsed.index}`);
}

/** Its records. What is wrong in one record is that record's own. */
export function recordsOf(request: JsonValue): Decoded<readonly OtlpRecord[]> {
  if (!isObject(request)) return bad("body: must be an object with resourceLogs");
  const records: OtlpRecord[] = [];
  const resources = listOf(request, "resourceLogs");
  if (!resources.ok) return resources;
  for (const resourceLogs of resources.value) {
    const resource = attributesOf(Object(resourceLogs.resource).attributes);
    const name = resource["service.name"];
    const src = checkSrc(typeof name === "string" ? name : "", "resource.attributes: service.name");
    const scopes = listOf(resourceLogs, "scopeLogs");
    if (!scopes.ok) return scopes;
    for (const scopeLogs of scopes.value) {
      const scope = Object(scopeLogs.scope).name;
      const logRecords = listOf(scopeLogs, "logRecords");
      if (!logRecords.ok) return logRecords;
      for (const record of logRecords.value) {
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
  if (module?.ok === false) attributes[SCOPE_NAME] = scope;
  const timestamp = msOf(record.timeUnixNano) ?? msOf(record.observedTimeUnixNano);
  const level = levelOf(record.severityNumber) ?? levelOfText(record.severityText);
  const msg = msgOf(anyValue(record.body), { ...traceOf(record), ...attributes });
  if (nestingOf(msg) > JSON_DEPTH_MAX) return bad(`body: nested deeper than ${JSON_DEPTH_MAX}`);
  const json = JSON.stringify(typeof msg === "object" && msg !== null ? msg : String(msg ?? ""));
  if (json.length > MSG_CHARACTERS_MAX) return bad("body: larger than 1 MiB");
  return good({
    src,
    msg: json as MsgJson,
    ...(named !== undefined && { stream: named.value }),
    ...(module?.ok && { module: module.value }),
    ...(timestamp !== undefined && { timestamp }),
    ...(level !== undefined && { level }),
  });
}

/** What leads from a line to its trace, under the names that OpenTelemetry gives it outside of OTLP. */
function traceOf({ traceId, spanId }: JsonObject): Record<string, unknown> {
  return {
    ...(typeof traceId === "string" && traceId !== "" && { trace_id: traceId }),
    ...(typeof spanId === "string" && spanId !== "" && { span_id: spanId }),
  };
}

/** What stands beside the body is kept, and is what makes an object of a line. */
function msgOf(body: unknown, { body: other, ...attributes }: Record<string, unknown>): unknown {
  if (other !== undefined) return { body, "attributes.body": other, ...attributes };
  return Object.keys(attributes).length > 0 ? { body, ...attributes } : body;
}

function nestingOf(value: unknown): number {
  if (typeof value !== "object" || value === null) return 0;
  let deepest = 0;
  for (const member of Object.values(value)) deepest = Math.max(deepest, nestingOf(member));
  return deepest + 1;
}

/** A repeated message of another one: names that are not there are empty, as in protobuf. */
function listOf(message: JsonObject, name: string): Decoded<readonly JsonObject[]> {
  const list = message[name] ?? [];
  return Array.isArray(list) && list.every(isObject)
    ? good(list)
    : bad(`${name}: must be an array of objects`);
}

function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function objectsIn(value: unknown): readonly JsonObject[] {
  return Array.isArray(value) ? value.filter(isObject) : [];
}

function attributesOf(list: unknown): Record<string, unknown> {
  const entries = objectsIn(list).flatMap(({ key, value }): [string, unknown][] =>
    typeof key === "string" ? [[key, anyValue(value)]] : [],
  );
  return Object.fromEntries(entries);
}

/** OTLP's `AnyValue`: of integers, which come as strings, those that a number holds exactly are numbers. */
function anyValue(value: JsonValue | undefined): unknown {
  const any = Object(value) as Record<string, JsonValue | undefined>;
  if (any.stringValue !== undefined) return textOf(any.stringValue);
  if (any.boolValue !== undefined) return any.boolValue === true;
  if (any.intValue !== undefined) {
    const text = textOf(any.intValue);
    return Number.isSafeInteger(Number(text)) ? Number(text) : text;
  }
  if (any.doubleValue !== undefined)
    return Number.isFinite(any.doubleValue) ? any.doubleValue : textOf(any.doubleValue);
  if (any.bytesValue !== undefined) return textOf(any.bytesValue);
  if (any.arrayValue !== undefined) return objectsIn(Object(any.arrayValue).values).map(anyValue);
  if (any.kvlistValue !== undefined) return attributesOf(Object(any.kvlistValue).values);
  return null;
}

/** Of what should be text, or is a number that JSON does not hold: NaN, Infinity, beyond a double. */
function textOf(value: JsonValue): string {
  if (value instanceof InexactNumber) return value.text;
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}

function msOf(nanos: JsonValue | undefined): number | undefined {
  const text = textOf(nanos ?? "");
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

/** Of a record without a number: what logging libraries and syslog call their levels. */
const LEVEL_NAMES: readonly (readonly [RegExp, Level])[] = [
  [/^(trace|debug|verbose|fine)/i, "debug"],
  [/^(info|notice)/i, "info"],
  [/^warn/i, "warn"],
  [/^(err|severe|fatal|crit|alert|emerg|panic)/i, "error"],
];

function levelOfText(severity: unknown): Level | undefined {
  if (typeof severity !== "string") return undefined;
  return LEVEL_NAMES.find(([name]) => name.test(severity))?.[1];
}
