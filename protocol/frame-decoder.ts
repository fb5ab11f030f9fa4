import Type from "typebox";
import { argsFromCbor, decodeCbor } from "./cbor.ts";
import { decodeCompactLines } from "./compact-lines.ts";
import { decodeCompactElements, decodeCompactText, decodeCompactValue } from "./compact-text.ts";
import { bad, type Decoded, good, Status } from "./decoded.ts";
import {
  type Boot,
  COMMANDS_MAX,
  type Command,
  FRAME_BYTES_MAX,
  type Frame,
  type FrameForm,
  NO_ARGS,
} from "./frame.ts";
import { BareObject, type JsonObject, type JsonValue, parseJson } from "./json-parser.ts";
import { checkSrc, isBoot } from "./names.ts";
import { schemaDecoder } from "./schema-check.ts";
import { decodeUtf8 } from "./utf8.ts";

const SafeInteger = (minimum: number) => Type.Integer({ minimum, maximum: Number.MAX_SAFE_INTEGER });

const FrameHead = Type.Object({
  src: Type.Optional(Type.String()),
  dst: Type.Optional(Type.String()),
  key: Type.Optional(Type.String()),
  boot: Type.Optional(Type.Unknown()),
  clock: Type.Optional(Type.String({ pattern: "^(utc|uptime)$" })),
  now: Type.Optional(SafeInteger(0)),
  first: Type.Optional(SafeInteger(1)),
  ack: Type.Optional(Type.Boolean()),
});

const CommandHead = Type.Object({
  cmd: Type.String({ minLength: 1 }),
  id: SafeInteger(0),
  args: Type.Optional(Type.Object({})),
});

const decodeHead = schemaDecoder(FrameHead);
const decodeCommandHead = schemaDecoder(CommandHead);

/**
 * Decodes a frame from bytes (docs/protocol.md 2, 3, 9).
 * @param form "json", "cbor", or undefined to tell by the first byte: a CBOR map or array starts with 0x80 to 0xBF, JSON never does.
 */
export function decodeFrame(bytes: Uint8Array, form?: FrameForm): Decoded<Frame> {
  if (bytes.length > FRAME_BYTES_MAX) {
    return bad(`frame: larger than ${FRAME_BYTES_MAX} bytes`, Status.TooLarge);
  }
  const first = bytes[0] ?? 0;
  if (form === "cbor" || (form === undefined && first >= 0x80 && first <= 0xbf)) {
    const decoded = decodeCbor(bytes);
    if (!decoded.ok) return decoded;
    // Clause 12.10.
    if (Array.isArray(decoded.value)) return decodeCompactValue(decoded.value);
    return frameFromValue(decoded.value, "cbor");
  }
  const lines = decodeCompactLines(bytes);
  if (lines !== undefined) return good(lines);
  const { text, lossy } = decodeUtf8(bytes);
  return isCompact(text, lossy) ? decodeCompactElements(text) : decodeJson(text, lossy);
}

/** The same from JSON text; `lossy` when decoding its bytes put U+FFFD in. */
export function decodeFrameText(text: string, lossy = false): Decoded<Frame> {
  return isCompact(text, lossy) ? decodeCompactText(text) : decodeJson(text, lossy);
}

/** Clause 12.1: a compact frame is ASCII. */
function isCompact(text: string, lossy: boolean): boolean {
  return text.startsWith('["') && !lossy;
}

function decodeJson(text: string, lossy: boolean): Decoded<Frame> {
  const parsed = parseJson(text, { verbatim: isVerbatimInFrame, lossy });
  if (!parsed.ok) return bad(`frame: not JSON: ${parsed.reason} at character ${parsed.index}`);
  return frameFromValue(parsed.value, "json");
}

/** Decodes the bare args of `POST /v1/...` (docs/protocol.md 10.2). */
export function decodeArgs(bytes: Uint8Array, form: FrameForm): Decoded<JsonObject> {
  if (bytes.length > FRAME_BYTES_MAX)
    return bad(`args: larger than ${FRAME_BYTES_MAX} bytes`, Status.TooLarge);
  if (form === "cbor") {
    const decoded = decodeCbor(bytes);
    if (!decoded.ok) return decoded;
    return isObject(decoded.value) ? argsFromCbor(decoded.value) : bad("args: must be a map");
  }
  const { text, lossy } = decodeUtf8(bytes);
  const parsed = parseJson(text, {
    verbatim: (name, parent) => name === "msg" && parent === undefined,
    lossy,
  });
  if (!parsed.ok) return bad(`args: not JSON: ${parsed.reason} at character ${parsed.index}`);
  return isObject(parsed.value) ? good(parsed.value) : bad("args: must be an object");
}

function isVerbatimInFrame(name: string, parent: string | undefined): boolean {
  return name === "msg" && (parent === "args" || parent === "params");
}

function isObject(value: JsonValue | undefined): value is JsonObject {
  return value instanceof BareObject;
}

function frameFromValue(value: JsonValue, form: FrameForm): Decoded<Frame> {
  if (!isObject(value)) return bad("frame: must be an object");
  const v = value.v;
  if (v !== undefined && v !== 1 && v !== 2) return bad("v: must be 1, 2 or absent");
  const head = decodeHead(value);
  if (!head.ok) return head;
  if (head.value.src !== undefined) {
    const src = checkSrc(head.value.src);
    if (!src.ok) return src;
  }
  const boot = value.boot === undefined ? undefined : decodeBoot(value.boot);
  if (boot !== undefined && !boot.ok) return boot;
  const body = v === 2 && value.cmds === undefined ? decodeFlat(value, form) : decodeCommands(value, form);
  if (!body.ok) return body;
  const { src, dst, key, clock, now, first, ack } = head.value;
  return good({
    v: v ?? 1,
    form,
    ...(src !== undefined && { src }),
    ...(dst !== undefined && { dst }),
    ...(key !== undefined && { key }),
    ...(boot !== undefined && { boot: boot.value }),
    clock: clock === "uptime" ? "uptime" : "utc",
    ...(now !== undefined && { now }),
    ...(first !== undefined && { first }),
    ...(ack !== undefined && { ack }),
    ...body.value,
  });
}

function decodeBoot(value: JsonValue): Decoded<Boot> {
  if (typeof value === "number" && Number.isSafeInteger(value) && value >= 0) {
    return good({ text: String(value), json: String(value) });
  }
  if (typeof value === "string" && isBoot(value)) return good({ text: value, json: JSON.stringify(value) });
  return bad("boot: must be a string of 1 to 32 printable ASCII characters, or an integer from 0 to 2^53-1");
}

type Body = Pick<Frame, "commands" | "answerCount">;

/** Clause 3.1: the arrays of a v1 frame. */
function decodeCommands(value: JsonObject, form: FrameForm): Decoded<Body> {
  const { cmds, resp } = value;
  if (cmds === undefined && resp === undefined) return bad("cmds: required (or resp)");
  if (cmds !== undefined && !Array.isArray(cmds)) return bad("cmds: must be an array");
  if (resp !== undefined && !Array.isArray(resp)) return bad("resp: must be an array");
  const commands: readonly JsonValue[] = cmds ?? [];
  if (commands.length > COMMANDS_MAX) return bad(`cmds: more than ${COMMANDS_MAX} commands`, Status.TooLarge);
  const hasBoot = value.boot !== undefined;
  let idHighest = -1;
  const decoded = commands.map((item): Command => {
    const command = decodeCommand(item, form);
    if (!hasBoot || command.id === undefined || command.problem !== undefined) return command;
    if (command.id < 1)
      return { ...command, problem: bad("id: in a frame with boot, a seq counts from 1").problem };
    if (command.id <= idHighest) {
      return { ...command, problem: bad("id: in a frame with boot, ids must ascend").problem };
    }
    idHighest = command.id;
    return command;
  });
  return good({ commands: decoded, answerCount: resp?.length ?? 0 });
}

/** Clause 3.5: a v2 frame is one command or one answer. */
function decodeFlat(value: JsonObject, form: FrameForm): Decoded<Body> {
  if (value.method !== undefined) {
    const args = value.args ?? value.params;
    const { id } = value;
    const command = {
      cmd: value.method,
      ...(id !== undefined && { id }),
      ...(args !== undefined && { args }),
    };
    if (typeof value.method !== "string" || value.method === "") return bad("method: must be a name");
    const item = Object.assign(new BareObject(), command);
    return good({ commands: [decodeCommand(item, form)], answerCount: 0 });
  }
  if (value.result !== undefined || value.error !== undefined) return good({ commands: [], answerCount: 1 });
  if (value.resp !== undefined) return decodeCommands(value, form);
  return bad("method: required (or cmds, resp, result, error)");
}

function decodeCommand(item: JsonValue, form: FrameForm): Command {
  if (!isObject(item))
    return { method: "", args: NO_ARGS, problem: bad("cmds: each command must be an object").problem };
  const head = decodeCommandHead(item);
  if (head.ok) {
    const { id, cmd: method } = head.value;
    const args = item.args ?? NO_ARGS;
    // A number that no double can hold is an instance of a class, and so an object to the schema.
    if (!isObject(args)) return { id, method, args: NO_ARGS, problem: bad("args: must be object").problem };
    if (form === "json") return { id, method, args };
    const converted = argsFromCbor(args);
    return converted.ok
      ? { id, method, args: converted.value }
      : { id, method, args, problem: converted.problem };
  }
  const { id } = item;
  const isIdGood = typeof id === "number" && Number.isSafeInteger(id) && id >= 0;
  const method = typeof item.cmd === "string" ? item.cmd : "";
  return { ...(isIdGood && { id }), method, args: NO_ARGS, problem: head.problem };
}
