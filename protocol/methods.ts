import Type, { type Static } from "typebox";
import { bad, type Decoded, good } from "./decoded.ts";
import { type JsonObject, Verbatim } from "./json-parser.ts";
import { type Level, parseLevel } from "./level.ts";
import { checkSrc, checkStream } from "./names.ts";
import { schemaDecoder } from "./schema-check.ts";

export const LIST_METHOD = "/v1/Log.List";
export const SOURCES_METHOD = "/v1/Log.Sources";
export const DELETE_METHOD = "/v1/Log.Delete";

/** Entries in a page when nobody says, and at most (docs/protocol.md 4.2). */
export const LIMIT_DEFAULT = 100;
export const LIMIT_MAX = 1000;

/** Another argument is refused: a misspelt filter would give another answer than was asked for (docs/protocol.md 2.3). */
export const NO_OTHERS = { additionalProperties: false } as const;

const TimeMs = (description: string) =>
  Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER, description });
const Count = (description: string) =>
  Type.Integer({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER, description });

/**
 * Args of `/v1/Log.Log` but for `msg`, which no parser touches (docs/protocol.md 4.1). Words are the seed's. Others are ignored: no line
 * is lost for what a board says beside it (2.3).
 */
export const LogArgsSchema = Type.Object({
  timestamp: Type.Optional(TimeMs("Timestamp of a message in milliseconds since Epoch.")),
  stream: Type.Optional(Type.String({ description: 'Log stream name. Defaults to `"console"`.' })),
  level: Type.Optional(Type.String({ description: "debug, info, warn or error." })),
  module: Type.Optional(Type.String({ description: "Part of the firmware that logs." })),
  uptime: Type.Optional(TimeMs("Milliseconds since the board's boot.")),
  src: Type.Optional(Type.String({ description: "Log on behalf of this source, with the right to." })),
});

/** Args of `/v1/Log.List` (docs/protocol.md 4.2). */
export const ListArgsSchema = Type.Object(
  {
    src: Type.String({
      description: "ID of an entity that generated log entries that you want to fetch.",
    }),
    after: Type.Optional(
      Type.String({
        description: "Continuation token. Put here an `id` of the last entry returned by the previous call.",
      }),
    ),
    limit: Type.Optional(Count("Maximum number of entries to return.")),
    stream: Type.Optional(Type.String({ description: "Log stream name." })),
    last: Type.Optional(Count("Only this many newest entries, in ascending order.")),
    follow: Type.Optional(Type.Boolean({ description: "Wait until there is something, 30 s at most." })),
    fields: Type.Optional(Type.Array(Type.String(), { description: "Names of further fields to return." })),
    level: Type.Optional(Type.String({ description: "This level and above: debug, info, warn or error." })),
    module: Type.Optional(Type.String({ description: "Part of the firmware that logged." })),
    since: Type.Optional(
      TimeMs("Only entries with this timestamp or a later one, in milliseconds since Epoch."),
    ),
    until: Type.Optional(TimeMs("Only entries with an earlier timestamp, in milliseconds since Epoch.")),
    term: Type.Optional(
      Type.String({ description: "Part of the text in any case of letters, or /pattern/ or /pattern/i." }),
    ),
    order: Type.Optional(Type.String({ description: '"arrival" (the default), or "time": by timestamp.' })),
  },
  NO_OTHERS,
);

/** Args of `/v1/Log.Sources`: none. */
export const SourcesArgsSchema = Type.Object({}, NO_OTHERS);
/** Reads the args of `/v1/Log.Sources` (docs/protocol.md 4.7). */
export const decodeSourcesArgs = schemaDecoder(SourcesArgsSchema);

/** Args of `/v1/Log.Delete`. */
export const DeleteArgsSchema = Type.Object(
  {
    src: Type.String({ description: "Source whose log is removed." }),
    stream: Type.Optional(Type.String({ description: "Only this stream of it." })),
  },
  NO_OTHERS,
);
const decodeDelete = schemaDecoder(DeleteArgsSchema);

/** Reads the args of `/v1/Log.Delete` (docs/protocol.md 4.9). */
export function decodeDeleteArgs(args: JsonObject): Decoded<Static<typeof DeleteArgsSchema>> {
  const decoded = decodeDelete(args);
  if (!decoded.ok) return decoded;
  const { src, stream } = decoded.value;
  for (const checked of [checkSrc(src), stream === undefined ? undefined : checkStream(stream)])
    if (checked?.ok === false) return checked;
  return decoded;
}

/** Fields that `fields` may ask for beside the seed's four. */
export const EXTRA_FIELDS = [
  "src",
  "level",
  "module",
  "boot",
  "seq",
  "uptime",
  "received",
  "clock",
  "clockError",
] as const;
export type ExtraField = (typeof EXTRA_FIELDS)[number];

const decodeLogSchema = schemaDecoder(LogArgsSchema);
const decodeListSchema = schemaDecoder(ListArgsSchema);

export interface LogArgs extends Omit<Static<typeof LogArgsSchema>, "level"> {
  /** JSON text of a string, object or array. */
  readonly msg: string;
  readonly level?: Level;
}

export interface ListArgs extends Omit<Static<typeof ListArgsSchema>, "fields" | "level" | "order"> {
  readonly limit: number;
  readonly level?: Level;
  /** Absent: in order of arrival. */
  readonly order?: "time";
  readonly fields: readonly ExtraField[];
}

/** Decodes args of `Log.Log`: `msg` must have been kept verbatim by the frame decoder. */
export function decodeLogArgs(args: JsonObject): Decoded<LogArgs> {
  const { msg } = args;
  if (msg === undefined) return bad("msg: required");
  if (!(msg instanceof Verbatim) || msg.type === "other")
    return bad("msg: must be a string, an object or an array");
  const decoded = decodeLogSchema(args);
  if (!decoded.ok) return decoded;
  const { level: levelText, stream, module, src, timestamp, uptime } = decoded.value;
  const level = levelText === undefined ? undefined : parseLevel(levelText);
  if (levelText !== undefined && level === undefined) return bad("level: must be debug, info, warn or error");
  const checkedStream = stream === undefined ? undefined : checkStream(stream);
  if (checkedStream?.ok === false) return checkedStream;
  const checkedModule = module === undefined ? undefined : checkStream(module, "module");
  if (checkedModule?.ok === false) return checkedModule;
  const checkedSrc = src === undefined ? undefined : checkSrc(src);
  if (checkedSrc?.ok === false) return checkedSrc;
  const log: { -readonly [Field in keyof LogArgs]: LogArgs[Field] } = { msg: msg.text };
  // Set one by one, and not spread: this runs for each entry of each board.
  if (timestamp !== undefined) log.timestamp = timestamp;
  if (stream !== undefined) log.stream = stream;
  if (level !== undefined) log.level = level;
  if (module !== undefined) log.module = module;
  if (uptime !== undefined) log.uptime = uptime;
  if (src !== undefined) log.src = src;
  return good(log);
}

/** Decodes args of `Log.List`; `limit` comes filled in and capped. */
export function decodeListArgs(args: JsonObject): Decoded<ListArgs> {
  const decoded = decodeListSchema(args);
  if (!decoded.ok) return decoded;
  const { level: levelText, order = "arrival", ...rest } = decoded.value;
  const { src, stream, module, limit, last, fields = [] } = rest;
  const level = levelText === undefined ? undefined : parseLevel(levelText);
  if (levelText !== undefined && level === undefined) return bad("level: must be debug, info, warn or error");
  if (order !== "arrival" && order !== "time") return bad("order: must be arrival or time");
  const checkedSrc = checkSrc(src);
  if (!checkedSrc.ok) return checkedSrc;
  if (stream !== undefined) {
    const checked = checkStream(stream);
    if (!checked.ok) return checked;
  }
  if (module !== undefined) {
    const checked = checkStream(module, "module");
    if (!checked.ok) return checked;
  }
  const unknown = fields.find((field) => !isExtraField(field) && !SEED_FIELDS.includes(field));
  if (unknown !== undefined)
    return bad(`fields: ${JSON.stringify(unknown)} is not one of ${EXTRA_FIELDS.join(", ")}`);
  return good({
    ...rest,
    ...(order === "time" && { order }),
    ...(level !== undefined && { level }),
    limit: Math.min(limit ?? LIMIT_DEFAULT, LIMIT_MAX),
    ...(last !== undefined && { last: Math.min(last, LIMIT_MAX) }),
    fields: fields.filter(isExtraField),
  });
}

const SEED_FIELDS: readonly string[] = ["stream", "msg", "timestamp", "id"];

function isExtraField(field: string): field is ExtraField {
  return (EXTRA_FIELDS as readonly string[]).includes(field);
}
