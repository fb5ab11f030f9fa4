import type { MsgJson } from "./entry.ts";
import { InexactNumber, type JsonValue, parseJson } from "./json-parser.ts";
import { LEVEL_RANK, type Level } from "./level.ts";

/** What a log record of OpenTelemetry is made from. */
export interface OtlpEntry {
  readonly src: string;
  readonly module?: string | undefined;
  readonly level?: Level | undefined;
  /** Time by the origin's clock, UTC ms; absent where that is not known. */
  readonly timestamp?: number | undefined;
  /** When it was first seen by somebody with a clock, UTC ms. */
  readonly received: number;
  readonly msg: MsgJson;
  /** More about it, each under `boardlog.` and its name. */
  readonly fields: readonly (readonly [name: string, value: string | number])[];
}

/** Of OpenTelemetry's severity numbers each level has the first of four: DEBUG 5, INFO 9, WARN 13, ERROR 17. */
const SEVERITY_STEP = 4;
/** Times are unsigned 64-bit ns: until 2554. */
const TIME_MAX_MS = Number((2n ** 64n - 1n) / 1_000_000n);
const INT64 = { min: -(2n ** 63n), max: 2n ** 63n - 1n };

/**
 * An `ExportLogsServiceRequest` (or `LogsData`) in OTLP's JSON form: a resource for each source, a scope for each of its modules.
 * `service.name` is the source, as docs/protocol.md 10.9 reads it.
 * @param resource attributes of every resource.
 */
export function otlpLogs(
  entries: readonly OtlpEntry[],
  resource: Readonly<Record<string, string>> = {},
): object {
  const more = Object.entries(resource).map(([key, value]) => attribute(key, value));
  return {
    resourceLogs: [...grouped(entries, ({ src }) => src)].map(([src, ofSource]) => ({
      resource: { attributes: [attribute("service.name", src), attribute("host.name", src), ...more] },
      scopeLogs: [...grouped(ofSource, ({ module }) => module ?? "")].map(([name, ofModule]) => ({
        scope: { name },
        logRecords: ofModule.map(otlpRecord),
      })),
    })),
  };
}

function otlpRecord({ level, timestamp, received, msg, fields }: OtlpEntry): object {
  const body = parseJson(msg);
  return {
    ...(timestamp !== undefined && timestamp <= TIME_MAX_MS && { timeUnixNano: nanoText(timestamp) }),
    observedTimeUnixNano: nanoText(Math.min(received, TIME_MAX_MS)),
    ...(level !== undefined && {
      severityNumber: 1 + LEVEL_RANK[level] * SEVERITY_STEP,
      severityText: level.toUpperCase(),
    }),
    body: body.ok ? anyValue(body.value) : { stringValue: msg },
    attributes: fields.map(([name, value]) => attribute(`boardlog.${name}`, value)),
  };
}

function attribute(key: string, value: JsonValue): object {
  return { key, value: anyValue(value) };
}

/** OTLP's `AnyValue` as JSON: 64-bit integers are strings, and a number that neither they nor a double hold stays its text. */
function anyValue(value: JsonValue): object {
  if (typeof value === "string") return { stringValue: value };
  if (typeof value === "boolean") return { boolValue: value };
  if (typeof value === "number") {
    return Number.isSafeInteger(value) ? { intValue: String(value) } : { doubleValue: value };
  }
  if (value === null) return {};
  if (value instanceof InexactNumber) {
    return isInt64(value.text) ? { intValue: value.text } : { stringValue: value.text };
  }
  if (Array.isArray(value)) return { arrayValue: { values: (value as readonly JsonValue[]).map(anyValue) } };
  return {
    kvlistValue: {
      values: Object.entries(value).map(([key, member]) => ({ key, value: anyValue(member as JsonValue) })),
    },
  };
}

function isInt64(text: string): boolean {
  if (!/^-?\d{1,19}$/.test(text)) return false;
  const value = BigInt(text);
  return value >= INT64.min && value <= INT64.max;
}

function nanoText(ms: number): string {
  return (BigInt(Math.trunc(ms)) * 1_000_000n).toString();
}

/** `Map.groupBy`, which Node 20 has not. */
function grouped<T>(values: readonly T[], keyOf: (value: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const value of values) {
    const key = keyOf(value);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [value]);
    else group.push(value);
  }
  return groups;
}
