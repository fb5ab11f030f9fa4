import { EXTRA_FIELDS } from "../protocol/methods.ts";
import type { ReadEntry } from "./api-client.ts";
import { entryLine, localTime, textOf } from "./entry-line.ts";
import type { Style } from "./style.ts";
import { UserError } from "./user-error.ts";
import { visibleJson, visibleText } from "./visible-text.ts";

/** How entries are printed; one of `json`, `fields` and `template` at most decides the form. */
export interface FormatOptions {
  readonly json?: boolean;
  readonly fields?: string;
  readonly template?: string;
}

export type EntryFormat = (entry: ReadEntry) => string;

/** `time` is the timestamp in local time, `text` what the entry says; the others are the fields of the protocol. */
const SHOWN_FIELDS: readonly string[] = ["time", "text", "id", "timestamp", "stream", "msg", ...EXTRA_FIELDS];

/** @param mark what to make stand out. @throws UserError for an unknown field */
export function makeFormat(options: FormatOptions, style: Style, mark?: RegExp): EntryFormat {
  const { json, fields, template } = options;
  if (template !== undefined && (json || fields !== undefined)) {
    throw new UserError("--template: not together with --json or --fields");
  }
  const names = fields?.split(",").map((name) => checkedField("--fields", name.trim()));
  if (template !== undefined) return templateFormat(template);
  if (json) return (entry) => visibleJson(jsonOf(entry, names));
  if (names !== undefined)
    return (entry) => names.map((name) => visibleText(fieldText(entry, name))).join("\t");
  return (entry) => entryLine(entry, style, mark);
}

/** One JSON object; `msg` and numbers as they came. */
export function jsonOf(entry: ReadEntry, names?: readonly string[]): string {
  const members = names
    ? names.map((name) => [name, entry.fields.get(name) ?? derivedJson(entry, name)] as const)
    : [...entry.fields];
  return `{${members.flatMap(([name, text]) => (text === undefined ? [] : [`${JSON.stringify(name)}:${text}`])).join(",")}}`;
}

/** A field as text: empty where it is not known. */
export function fieldText(entry: ReadEntry, name: string): string {
  if (name === "time") return localTime(entry.timestamp);
  if (name === "text") return textOf(entry);
  const json = entry.fields.get(name);
  return json === undefined ? "" : plain(json);
}

function derivedJson(entry: ReadEntry, name: string): string | undefined {
  return name === "time" || name === "text" ? JSON.stringify(fieldText(entry, name)) : undefined;
}

function plain(json: string): string {
  return json.startsWith('"') ? (JSON.parse(json) as string) : json;
}

/** `{src}: {msg.temp}\t{text}`; `\t`, `\n` and `{{` are what they are elsewhere. */
function templateFormat(template: string): EntryFormat {
  const parts = template.split(/(\{\{|\}\}|\{[^{}]*\}|\\[nt\\])/).map((part): EntryFormat => {
    if (part === "{{" || part === "}}") return () => part.charAt(0);
    if (part.startsWith("\\")) return () => ({ "\\n": "\n", "\\t": "\t" })[part] ?? "\\";
    if (!part.startsWith("{")) return () => part;
    const [name = "", ...path] = part.slice(1, -1).trim().split(".");
    checkedField("--template", name);
    if (path.length === 0) return (entry) => visibleText(fieldText(entry, name));
    if (name !== "msg") throw new UserError(`--template: only msg has parts, not ${name}`);
    return (entry) => visibleText(partOf(entry.msg, path));
  });
  return (entry) => parts.map((part) => part(entry)).join("");
}

/** `console.log({...})` of a board comes as the object's JSON text: its parts are found too. */
function partOf(msg: string, path: readonly string[]): string {
  let value: unknown = JSON.parse(msg);
  if (typeof value === "string" && /^\s*[{[]/.test(value)) {
    try {
      value = JSON.parse(value);
    } catch {
      return "";
    }
  }
  for (const name of path) {
    if (typeof value !== "object" || value === null || !Object.hasOwn(value, name)) return "";
    value = (value as Record<string, unknown>)[name];
  }
  return typeof value === "string" ? value : JSON.stringify(value);
}

function checkedField(flag: string, name: string): string {
  if (!SHOWN_FIELDS.includes(name)) {
    throw new UserError(`${flag}: ${JSON.stringify(name)} is not one of ${SHOWN_FIELDS.join(", ")}`);
  }
  return name;
}
