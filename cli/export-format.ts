import { type OtlpEntry, otlpLogs } from "../protocol/otlp.ts";
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

/** A page of entries as text; pages one after the other are the file. */
export function encodeExport(format: ExportFormat, entries: readonly ReadEntry[], isFirst: boolean): string {
  switch (format) {
    case "jsonl":
      return entries.map((entry) => `${jsonOf(entry).replaceAll(/[\n\r]/g, " ")}\n`).join("");
    case "csv":
      return (isFirst ? `${CSV_FIELDS.join(",")}\r\n` : "") + entries.map(csvRow).join("");
    case "otlp":
      return entries.length === 0 ? "" : `${JSON.stringify(otlpLogs(entries.map(otlpEntry)))}\n`;
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

const OTLP_FIELDS = ["stream", "boot", "seq", "uptime", "clock", "clockError", "id"] as const;

/** One `LogsData` of OTLP in its JSON form; a file of them, one a line, is what the collector's file receiver takes. */
function otlpEntry({ src, module, level, timestamp, msg, fields }: ReadEntry): OtlpEntry {
  return {
    src,
    module,
    level,
    timestamp,
    received: Number(fields.get("received") ?? timestamp),
    msg,
    fields: OTLP_FIELDS.flatMap((name): [string, string | number][] => {
      const json = fields.get(name);
      return json === undefined ? [] : [[name, JSON.parse(json) as string | number]];
    }),
  };
}
