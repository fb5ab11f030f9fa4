import { readFile } from "node:fs/promises";
import type { Static, TObject, TSchema } from "typebox";
import { type Document, isMap, isSeq, LineCounter, parse, parseDocument } from "yaml";
import { schemaDecoder } from "../protocol/schema-check.ts";
import { UserError } from "./user-error.ts";

/** Names of members and numbers of list items, from the top. */
export type SettingPath = readonly (string | number)[];

export interface SettingsFile<Value> {
  readonly value: Value;
  /** An error about a setting: names the file and line, or the variable that gave it. */
  wrong(at: SettingPath, text: string): UserError;
}

export interface SettingsFileOptions {
  /** Variables that begin so override settings: `PREFIX_SPOOL_MAX_MB` is `spool.maxMb`, written as in YAML. */
  readonly variablePrefix?: string;
  readonly env?: NodeJS.ProcessEnv;
}

/** A YAML file that a schema describes. @throws UserError naming the file, the line, the setting, and what is wrong. */
export async function readSettingsFile<Schema extends TObject>(
  path: string,
  schema: Schema,
  { variablePrefix, env = process.env }: SettingsFileOptions = {},
): Promise<SettingsFile<Static<Schema>>> {
  const text = await readFile(path, "utf8").catch((error: Error) => {
    throw new UserError(`--settings: cannot read ${path}: ${error.message}`);
  });
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines });
  const [broken] = document.errors;
  if (broken !== undefined) throw new UserError(`${path}: ${broken.message.trimEnd()}`);
  const value: unknown = document.toJS() ?? {};
  const variables = new Map<string, string>();
  const wrong = (at: SettingPath, reason: string): UserError => {
    const variable = variables.get(at.join(".")) ?? variables.get(String(at[0]));
    const line = lineOf(document, lines, at);
    const place = variable ?? (line === undefined ? path : `${path}:${line}`);
    return new UserError(`${place}: ${at.length === 0 ? "" : `${at.join(".")}: `}${reason}`);
  };
  if (typeof value !== "object" || Array.isArray(value)) throw wrong([], "must be names with values");
  if (variablePrefix !== undefined) override(value as Settings, schema, [], variablePrefix);
  const unknown = unknownSetting(value as Settings, schema, []);
  if (unknown !== undefined) throw wrong(unknown.at, unknown.reason);
  const decoded = schemaDecoder(schema)(value);
  if (decoded.ok) return { value: decoded.value, wrong };
  const [, where, reason] = /^([\w.]*?): (.*)$/s.exec(decoded.problem.text) ?? [];
  throw wrong(where === undefined || where === "" ? [] : where.split("."), reason ?? decoded.problem.text);

  /** Lays the variables over the settings, deepest first, so that a whole part can be given at once too. */
  function override(into: Settings, object: TObject, at: readonly string[], prefix: string): void {
    for (const [name, member] of Object.entries(object.properties)) {
      const variable = `${prefix}_${name.replace(/[A-Z]/g, "_$&").toUpperCase()}`;
      const given = env[variable];
      if (given !== undefined) {
        variables.set([...at, name].join("."), variable);
        into[name] = variableValue(variable, given);
      }
      const present = into[name] ?? {};
      if (!isObjectSchema(member) || typeof present !== "object") continue;
      const inner: Settings = { ...present };
      override(inner, member, [...at, name], variable);
      if (Object.keys(inner).length > 0) into[name] = inner;
    }
  }
}

type Settings = Record<string, unknown>;

function variableValue(variable: string, text: string): unknown {
  try {
    return parse(text) as unknown;
  } catch (error) {
    throw new UserError(`${variable}: ${(error as Error).message.trimEnd()}`);
  }
}

function isObjectSchema(schema: TSchema): schema is TObject {
  return "properties" in schema;
}

interface UnknownSetting {
  readonly at: SettingPath;
  readonly reason: string;
}

function unknownSetting(value: Settings, schema: TObject, at: readonly string[]): UnknownSetting | undefined {
  for (const [name, member] of Object.entries(value)) {
    const known = schema.properties[name];
    if (known === undefined) {
      const names = Object.keys(schema.properties).join(", ");
      return { at: [...at, name], reason: `no such setting; there are ${names}` };
    }
    const inner = unknownInside(member, known, [...at, name]);
    if (inner !== undefined) return inner;
  }
  return undefined;
}

/** Looks for unknown settings in a part, in each part of a list, and in what may be a text or a part. */
function unknownInside(member: unknown, schema: TSchema, at: readonly string[]): UnknownSetting | undefined {
  if (Array.isArray(member)) {
    if (!("items" in schema)) return undefined;
    for (const [index, item] of member.entries()) {
      const inner = unknownInside(item, schema.items as TSchema, [...at, String(index)]);
      if (inner !== undefined) return inner;
    }
    return undefined;
  }
  if (typeof member !== "object" || member === null) return undefined;
  const branches = "anyOf" in schema ? (schema.anyOf as readonly TSchema[]) : [schema];
  const object = branches.find(isObjectSchema);
  return object && unknownSetting(member as Settings, object, at);
}

/** The line of a setting, or of the nearest part around it that is there. */
function lineOf(document: Document, lines: LineCounter, at: SettingPath): number | undefined {
  for (let depth = at.length; depth > 0; depth--) {
    const parent: unknown = depth === 1 ? document.contents : document.getIn(at.slice(0, depth - 1), true);
    const name = at[depth - 1];
    const key: unknown = isMap(parent)
      ? parent.items.find((item) => String(item.key) === String(name))?.key
      : isSeq(parent)
        ? parent.items[Number(name)]
        : undefined;
    const range = (key as { range?: readonly number[] } | undefined)?.range;
    if (range?.[0] !== undefined) return lines.linePos(range[0]).line;
  }
  return undefined;
}
