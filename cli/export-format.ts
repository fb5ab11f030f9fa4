import { LEVEL_RANK } from "../protocol/level.ts";
import type { ReadEntry } from "./api-client.ts";
import { fieldText, jsonOf } from "./entry-format.ts";

export const EXPORT_FORMATS = ["jsonl", "csv", "otlp"] as const;
export type ExportFormat = (typeof EXPORT_FORMATS)[number];

const CSV_FIELDS = [
  "id",
  "src",
  "stream",
  "timestamp",
  "received",
  "clock",
  "level",
  "module",
  "boot",
  "seq",
  "uptime",
  "msg",
] as const;

/** OpenTelemetry's severity numbers: DEBUG 5, INFO 9, WARN 13, ERROR 17. */
const SEVERITY_STEP = 4;

/** A page of entries as text; pages one after the other are the file. */
export function encodeExport(format: ExportFormat, entries: readonly ReadEntry[], isFirst: boolean): string {
  switch (format) {
    case "jsonl":
      return entries.map((entry) => `${jsonOf(entry).replaceAll(/[\n\r]/g, " ")}\n`).join("");
    case "csv":
      return (isFirst ? `${CSV_FIELDS.join(",")}\r\n` : "") + entries.map(csvRow).join("");
    case "otlp":
      return entries.length === 0 ? "" : `${JSON.stringify(otlpLogs(entries))}\n`;
  }
}

/** RFC 4180. */
function csvRow(entry: ReadEntry): string {
  const cells = CSV_FIELDS.map((name) => {
    const text = fieldText(entry, name);
    return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  });
  return `${cells.join(",")}\r\n`;
}

/** One `LogsData` of OTLP in its JSON form; a file of them, one a line, is what the collector's file receiver takes. */
function otlpLogs(entries: readonly ReadEntry[]): object {
  const bySource = grouped(entries, ({ src }) => src);
  return {
    resourceLogs: [...bySource].map(([src, ofSource]) => ({
      resource: { attributes: [attribute("service.name", src), attribute("host.name", src)] },
      scopeLogs: [...grouped(ofSource, ({ module }) => module ?? "")].map(([name, ofModule]) => ({
        scope: { name },
        logRecords: ofModule.map(otlpRecord),
      })),
    })),
  };
}

function otlpRecord(entry: ReadEntry): object {
  const attributes = ["stream", "boot", "seq", "uptime", "clock", "clockError", "id"].flatMap((name) => {
    const json = entry.fields.get(name);
    return json === undefined ? [] : [attribute(`boardlog.${name}`, JSON.parse(json))];
  });
  const received = entry.fields.get("received");
  return {
    timeUnixNano: nanoText(entry.timestamp),
    observedTimeUnixNano: nanoText(received === undefined ? entry.timestamp : Number(received)),
    ...(entry.level !== undefined && {
      severityNumber: 1 + LEVEL_RANK[entry.level] * SEVERITY_STEP,
      severityText: entry.level.toUpperCase(),
    }),
    body: anyValue(JSON.parse(entry.msg)),
    attributes,
  };
}

function attribute(key: string, value: unknown): object {
  return { key, value: anyValue(value) };
}

/** OTLP's `AnyValue` as JSON: 64-bit integers are strings. */
function anyValue(value: unknown): object {
  if (typeof value === "string") return { stringValue: value };
  if (typeof value === "boolean") return { boolValue: value };
  if (typeof value === "number") {
    return Number.isSafeInteger(value) ? { intValue: String(value) } : { doubleValue: value };
  }
  if (Array.isArray(value)) return { arrayValue: { values: value.map(anyValue) } };
  if (value === null || value === undefined) return {};
  return {
    kvlistValue: { values: Object.entries(value).map(([key, member]) => ({ key, value: anyValue(member) })) },
  };
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
