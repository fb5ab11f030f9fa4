import { STREAM_DEFAULT, STREAM_LOSS } from "../protocol/entry.ts";
import type { Level } from "../protocol/level.ts";
import { lossText } from "../protocol/loss-text.ts";
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

/** One entry as one line, without its LF; text in it cannot drive the terminal. @param mark what to make stand out */
export function entryLine(entry: ShownEntry, style: Style, mark?: RegExp): string {
  const stream = entry.stream === STREAM_DEFAULT ? "" : ` ${style.dim(`[${visibleText(entry.stream)}]`)}`;
  const label = (entry.level ?? "").toUpperCase().padEnd(5);
  const module = entry.module === undefined ? "" : `${style.bold(visibleText(entry.module))}: `;
  const visible = visibleText(textOf(entry));
  const text = style.level(entry.level, mark === undefined ? visible : style.marked(visible, mark));
  const time = style.dim(localTime(entry.timestamp));
  return `${time} ${style.source(visibleText(entry.src))}${stream} ${style.level(entry.level, label)} ${module}${text}`;
}

/** What the entry says: a string as it is, an object or array as its JSON text, a loss record in words. */
export function textOf(entry: Pick<ShownEntry, "stream" | "msg">): string {
  if (entry.stream === STREAM_LOSS) return lossText(entry.msg) ?? entry.msg;
  return entry.msg.startsWith('"') ? (JSON.parse(entry.msg) as string) : entry.msg;
}

/** `2025-11-22 14:05:06.789` in the local time zone. */
export function localTime(utcMs: number): string {
  const date = new Date(utcMs);
  if (Number.isNaN(date.getTime())) return String(utcMs);
  const two = (value: number): string => String(value).padStart(2, "0");
  const day = `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
  const time = `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
  return `${day} ${time}.${String(date.getMilliseconds()).padStart(3, "0")}`;
}
