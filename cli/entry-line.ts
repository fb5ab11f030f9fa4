import { type Loss, STREAM_DEFAULT, STREAM_LOSS } from "../protocol/entry.ts";
import type { Level } from "../protocol/level.ts";
import type { Style } from "./style.ts";
import { visibleText } from "./visible-text.ts";

/** What a line on the terminal shows of an entry. */
export interface ShownEntry {
  readonly src: string;
  readonly stream: string;
  /** JSON text. */
  readonly msg: string;
  /** UTC ms. */
  readonly timestamp: number;
  readonly level?: Level;
  readonly module?: string;
}

/** One entry as one line, without its LF; text in it cannot drive the terminal. */
export function entryLine(entry: ShownEntry, style: Style): string {
  const stream = entry.stream === STREAM_DEFAULT ? "" : ` ${style.dim(`[${visibleText(entry.stream)}]`)}`;
  const label = (entry.level ?? "").toUpperCase().padEnd(5);
  const module = entry.module === undefined ? "" : `${style.bold(visibleText(entry.module))}: `;
  const text = style.level(entry.level, visibleText(textOf(entry)));
  const time = style.dim(localTime(entry.timestamp));
  return `${time} ${style.source(visibleText(entry.src))}${stream} ${style.level(entry.level, label)} ${module}${text}`;
}

function textOf(entry: ShownEntry): string {
  if (entry.stream === STREAM_LOSS) return lossText(entry.msg) ?? entry.msg;
  return entry.msg.startsWith('"') ? (JSON.parse(entry.msg) as string) : entry.msg;
}

/** A loss record in plain words. */
export function lossText(msg: string): string | undefined {
  const loss = JSON.parse(msg) as Partial<Loss> | string;
  if (typeof loss === "string" || typeof loss.first !== "number" || typeof loss.last !== "number")
    return undefined;
  const count = loss.last - loss.first + 1;
  const lines = count === 1 ? `line ${loss.first} is` : `lines ${loss.first} to ${loss.last} (${count}) are`;
  const boot = loss.boot === undefined ? "" : ` of boot ${loss.boot}`;
  return `${lines} missing${boot}, lost at the ${loss.where ?? "?"}: ${loss.why ?? "not said"}`;
}

function localTime(utcMs: number): string {
  const date = new Date(utcMs);
  if (Number.isNaN(date.getTime())) return String(utcMs);
  const two = (value: number): string => String(value).padStart(2, "0");
  const day = `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
  const time = `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
  return `${day} ${time}.${String(date.getMilliseconds()).padStart(3, "0")}`;
}
