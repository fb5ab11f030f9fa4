import { STREAM_LOSS } from "../protocol/entry.ts";
import { type JsonObject, Verbatim } from "../protocol/json-parser.ts";
import { type Level, parseLevel } from "../protocol/level.ts";
import { lossText } from "../protocol/loss-text.ts";

/** An entry as the page keeps it. */
export interface Entry {
  readonly id: string;
  readonly src: string;
  readonly stream: string;
  /** JSON text, byte for byte. */
  readonly msg: string;
  /** What a line shows of it. */
  readonly text: string;
  /** UTC ms. */
  readonly timestamp: number;
  readonly received: number | undefined;
  readonly level: Level | undefined;
  readonly module: string | undefined;
  readonly boot: string | undefined;
  readonly seq: number | undefined;
  readonly uptime: number | undefined;
  readonly clock: string | undefined;
  readonly clockError: number | undefined;
}

export function entryOf(object: JsonObject): Entry {
  const msg = object.msg instanceof Verbatim ? object.msg.text : JSON.stringify(object.msg ?? "");
  const stream = String(object.stream);
  return {
    id: String(object.id),
    src: String(object.src),
    stream,
    msg,
    text: textOf(stream, msg),
    timestamp: Number(object.timestamp),
    received: numberOf(object.received),
    level: typeof object.level === "string" ? parseLevel(object.level) : undefined,
    module: wordOf(object.module),
    boot: wordOf(object.boot),
    seq: numberOf(object.seq),
    uptime: numberOf(object.uptime),
    clock: wordOf(object.clock),
    clockError: numberOf(object.clockError),
  };
}

/** All that is known of an entry as JSON, `msg` byte for byte. */
export function entryJson(entry: Entry): string {
  const { msg, text: _text, ...rest } = entry;
  return `${JSON.stringify(rest, undefined, 2).slice(0, -2)},\n  "msg": ${msg}\n}`;
}

export function isLoss(entry: Entry): boolean {
  return entry.stream === STREAM_LOSS;
}

function textOf(stream: string, msg: string): string {
  if (stream === STREAM_LOSS) return lossText(msg) ?? msg;
  return msg.startsWith('"') ? (JSON.parse(msg) as string) : msg;
}

function numberOf(value: unknown): number | undefined {
  return typeof value === "number" ? value : undefined;
}

function wordOf(value: unknown): string | undefined {
  return typeof value === "string" ? value : undefined;
}
