import { bad, type Decoded, good } from "./decoded.ts";
import { type Building, STREAM_LOSS } from "./entry.ts";
import {
  type Boot,
  COMMANDS_MAX,
  type Command,
  type Frame,
  type LinePart,
  NO_ARGS,
  UTC_MS_MIN,
} from "./frame.ts";
import { type JsonObject, parseJson, Verbatim } from "./json-parser.ts";
import { LEVELS, type Level } from "./level.ts";
import type { LogArgs } from "./methods.ts";
import { checkSrc, checkStream, isBoot } from "./names.ts";
import { LOG_METHOD } from "./sequencing.ts";

/** First character of a compact frame's first element, before the boot id (docs/protocol.md 12.2). */
export const CompactMark = { Acked: "@", Called: "!", Unacked: "~" } as const;
export type CompactMark = (typeof CompactMark)[keyof typeof CompactMark];

/** Level numbers of docs/protocol.md 12.5, by place; 0 is an entry without level. */
export const LEVEL_NAMES: readonly (Level | undefined)[] = [undefined, ...LEVELS];

/** One element of the array. A number is itself: most of a frame's elements are numbers, and an object for each costs more than reading it. */
export type CompactElement = number | boolean | null | CompactText;

export interface CompactText {
  /** Or the text of an object or array. */
  readonly isString: boolean;
  readonly json: string;
  /** Of a string, without quotes and escapes. Most are a `msg`, whose JSON is all that is wanted: it is made where it is asked for. */
  readonly value: string;
}

/** The frame that the elements stand for (docs/protocol.md 12), as a plain frame would have said it. */
export function frameFromElements(elements: readonly CompactElement[]): Decoded<Frame> {
  const [start, maybeSrc] = elements;
  const text = isString(start) ? start.value : "";
  const mark = text.charAt(0);
  const boot = text.slice(1);
  if (!isMark(mark)) return bad("compact frame: must start with @, ! or ~ and the boot id");
  if (!isBoot(boot)) return bad("boot: must be 1 to 32 printable ASCII characters");
  const src = isString(maybeSrc) ? checkSrc(maybeSrc.value) : undefined;
  if (src !== undefined && !src.ok) return src;
  const headStart = src === undefined ? 1 : 2;
  const first = numberAt(elements, headStart);
  const skipped = numberAt(elements, headStart + 1);
  const time = numberAt(elements, headStart + 2);
  const age = numberAt(elements, headStart + 3);
  if (first === undefined || skipped === undefined || time === undefined || age === undefined)
    return bad("compact frame: first, skipped, time and age must stand behind the boot");
  if (!isCount(first) || first < 1) return bad("first: must be an integer, 1 or more");
  if (!isCount(skipped)) return bad("skipped: must be an integer, 0 or more");
  if (!isCount(time) || !isCount(time + age)) return bad("time, age: must be integers, time + age 0 or more");
  const commands = readCommands(elements, headStart + 4, first + skipped, time);
  if (!commands.ok) return commands;
  // For each frame of each board: what all have is in the literal, the rest is set, and not spread.
  const frame: Building<Frame> = {
    v: 1,
    form: "json",
    boot: new CompactBoot(boot),
    clock: time + age >= UTC_MS_MIN ? "utc" : "uptime",
    now: time + age,
    first,
    ack: mark !== CompactMark.Unacked,
    commands: commands.value,
    answerCount: 0,
  };
  if (src !== undefined) frame.src = src.value;
  if (mark === CompactMark.Called) frame.isCalled = true;
  return good(frame);
}

/** Its JSON is for acks, and one ack answers many frames. */
export class CompactBoot implements Boot {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }

  get json(): string {
    return JSON.stringify(this.text);
  }
}

function isString(element: CompactElement | undefined): element is CompactText {
  return typeof element === "object" && element !== null && element.isString;
}

/** The number at a place; NaN for what is none, undefined where nothing is. */
function numberAt(elements: readonly CompactElement[], index: number): number | undefined {
  const element = elements[index];
  if (element === undefined) return undefined;
  return typeof element === "number" ? element : Number.NaN;
}

/** Clauses 12.5 to 12.8, and 12.13. */
function readCommands(
  elements: readonly CompactElement[],
  start: number,
  seqFirst: number,
  timeFirst: number,
): Decoded<readonly Command[]> {
  let commands: Command[] = [];
  let seq = seqFirst;
  let time = timeFirst;
  let level = 0;
  let module: string | undefined;
  let isJsonNext = false;
  for (let index = start; index < elements.length; index++) {
    const element = elements[index];
    if (element === undefined) break;
    if (isJsonNext && element !== false && !isString(element))
      return bad("compact frame: true must be followed by JSON text");
    if (typeof element === "number") {
      if (!Number.isSafeInteger(element)) return bad("compact frame: a number that is no integer");
      if (element < 0) {
        commands.push(dropCommand(seq, -element, time));
        seq -= element;
      } else {
        time += Math.floor(element / LEVEL_NAMES.length);
        level = element % LEVEL_NAMES.length;
      }
      if (!isCount(time) || !isCount(seq)) return bad("compact frame: a time or seq beyond 2^53-1");
    } else if (element === true) {
      isJsonNext = true;
    } else if (element === false) {
      const piece = partAt(elements, index + 1, isJsonNext);
      if (piece === undefined)
        return bad("compact frame: false must be followed by a part's number and text");
      index += 2;
      const { part, json } = piece;
      commands.push({ ...entryCommand(seq, json, time, LEVEL_NAMES[level], module), part });
      if (part.isLast) seq += 1;
      module = undefined;
      isJsonNext = false;
    } else if (element === null) {
      index += 1;
      const name = elements[index];
      if (!isString(name)) return bad("module: must be a string behind null");
      const checked = checkStream(name.value, "module");
      if (!checked.ok) return checked;
      module = checked.value;
    } else {
      const text = isJsonNext ? element.value : element.json;
      const msg = isJsonNext || !element.isString ? msgOfText(text) : text;
      const command = entryCommand(seq, msg, time, LEVEL_NAMES[level], module);
      // Most frames of most boards have one entry: the first push would make room for 17.
      if (commands.length === 0) commands = [command];
      else commands.push(command);
      seq += 1;
      module = undefined;
      isJsonNext = false;
    }
    if (commands.length > COMMANDS_MAX) return bad(`compact frame: more than ${COMMANDS_MAX} entries`);
  }
  return isJsonNext ? bad("compact frame: true must be followed by JSON text") : good(commands);
}

/** Number and text behind `false`; below 0 it is the last part. */
function partAt(
  elements: readonly CompactElement[],
  index: number,
  isJson: boolean,
): { readonly part: LinePart; readonly json: string } | undefined {
  const number = elements[index];
  const text = elements[index + 1];
  if (typeof number !== "number" || number === 0 || !Number.isSafeInteger(number)) return undefined;
  if (!isString(text)) return undefined;
  const { value, json } = text;
  const part: LinePart = {
    number: Math.abs(number),
    isLast: number < 0,
    text: isJson ? value : json.slice(1, -1),
    length: value.length,
    isJson,
  };
  return { part, json };
}

/** Clause 12.7: what an engine printed and is no JSON, or is nested too deep, is kept as its text. */
export function msgOfText(text: string): string {
  const parsed = parseJson(`{"msg":${text}}`, { verbatim: () => true });
  const msg = parsed.ok ? (parsed.value as JsonObject).msg : undefined;
  const isMsg = msg instanceof Verbatim && (msg.type === "object" || msg.type === "array");
  return isMsg && msg.text === text ? text : JSON.stringify(text);
}

export function entryCommand(
  id: number,
  msg: string,
  time: number,
  level: Level | undefined,
  module: string | undefined,
): Command {
  const log: Building<LogArgs> = time >= UTC_MS_MIN ? { msg, timestamp: time } : { msg, uptime: time };
  if (level !== undefined) log.level = level;
  if (module !== undefined) log.module = module;
  return { id, method: LOG_METHOD, args: NO_ARGS, log };
}

/** The drop notice of docs/protocol.md 6.4 that a negative number is. */
function dropCommand(first: number, count: number, time: number): Command {
  const last = first + count - 1;
  const msg = JSON.stringify({ where: "agent", first, last, count, why: "ring full" });
  const stream = STREAM_LOSS;
  const log: LogArgs = time >= UTC_MS_MIN ? { msg, stream, timestamp: time } : { msg, stream, uptime: time };
  return { id: last, method: LOG_METHOD, args: NO_ARGS, log };
}

function isCount(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0;
}

export function isMark(text: string): text is CompactMark {
  return text === CompactMark.Acked || text === CompactMark.Called || text === CompactMark.Unacked;
}
