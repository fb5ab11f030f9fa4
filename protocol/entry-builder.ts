import {
  type Building,
  type Loss,
  type LossPlace,
  type MsgJson,
  type NewEntry,
  type SeqRange,
  STREAM_DEFAULT,
  STREAM_LOSS,
  STREAM_NOTICE,
} from "./entry.ts";
import { type FrameLines, UTC_MS_MIN } from "./frame.ts";
import type { Level } from "./level.ts";
import type { LogArgs } from "./methods.ts";

/** UTC computed from a board's uptime. */
export interface EstimatedTime {
  /** UTC ms. */
  readonly timestamp: number;
  /** Bound of its error in ms, where one is known. */
  readonly clockError?: number;
}

export interface EntryOrigin {
  readonly src: string;
  /** Of a frame with `boot`. */
  readonly boot?: string;
  /** Wall time of receipt, UTC ms. */
  readonly received: number;
  /** Maps uptime of this boot to UTC, or says undefined; absent where nobody can. */
  readonly estimate?: (uptimeMs: number) => EstimatedTime | undefined;
}

/** The entry that a `Log.Log` command asks for (docs/protocol.md 4.1, 4.3). */
export function entryFromLog(args: LogArgs, origin: EntryOrigin, seq?: number): NewEntry {
  const { msg, stream = STREAM_DEFAULT, timestamp, uptime, level, module } = args;
  return entryOf(msg, stream, timestamp, uptime, level, module, origin, seq);
}

/** The entry of one line of a frame (docs/protocol.md 12). */
export function entryFromLine(lines: FrameLines, index: number, origin: EntryOrigin): NewEntry {
  const time = lines.timeAt(index);
  const isUtc = time >= UTC_MS_MIN;
  return entryOf(
    lines.msgAt(index),
    STREAM_DEFAULT,
    isUtc ? time : undefined,
    isUtc ? undefined : time,
    lines.levelAt(index),
    lines.moduleAt(index),
    origin,
    lines.seqFirst + index,
  );
}

/** One by one and not as an object: this runs for each entry of each board. */
function entryOf(
  msg: MsgJson,
  stream: string,
  timestamp: number | undefined,
  uptime: number | undefined,
  level: Level | undefined,
  module: string | undefined,
  origin: EntryOrigin,
  seq: number | undefined,
): NewEntry {
  const { src, boot, received } = origin;
  const estimated = uptime !== undefined && timestamp === undefined ? origin.estimate?.(uptime) : undefined;
  const at = timestamp ?? estimated?.timestamp ?? received;
  const clock = timestamp !== undefined ? "device" : estimated !== undefined ? "estimated" : "server";
  // What nearly all have is in the literal, the rest is set one by one, and not spread.
  let entry: Building<NewEntry>;
  if (boot !== undefined && seq !== undefined && level !== undefined) {
    entry = { src, stream, msg, timestamp: at, received, clock, boot, seq, level };
  } else {
    entry = { src, stream, msg, timestamp: at, received, clock };
    if (boot !== undefined) entry.boot = boot;
    if (seq !== undefined) entry.seq = seq;
    if (level !== undefined) entry.level = level;
  }
  if (module !== undefined) entry.module = module;
  if (uptime !== undefined) entry.uptime = uptime;
  if (estimated?.clockError !== undefined) entry.clockError = estimated.clockError;
  return entry;
}

interface LossReason {
  readonly where: LossPlace;
  readonly why: string;
}

/**
 * A loss record (docs/protocol.md 1.8).
 * @param seq the seq it uses up, where the board itself reported the drop.
 */
export function lossEntry(
  src: string,
  lost: SeqRange,
  reason: LossReason,
  receivedMs: number,
  seq?: number,
): NewEntry {
  const loss: Loss = { ...lost, count: lost.last - lost.first + 1, ...reason };
  return {
    ...remark(src, STREAM_LOSS, loss, receivedMs),
    boot: lost.boot,
    ...(seq !== undefined && { seq }),
    lost,
  };
}

/** A loss record of entries without seq, or of which only the number is known. */
export function countLossEntry(
  src: string,
  count: number,
  { where, why }: LossReason,
  receivedMs: number,
): NewEntry {
  return remark(src, STREAM_LOSS, { count, where, why }, receivedMs);
}

/** What a gateway has to say of a source (docs/protocol.md 1.9). */
export function noticeEntry(src: string, text: string, receivedMs: number): NewEntry {
  return remark(src, STREAM_NOTICE, text, receivedMs);
}

/** What is said of a source and not by it. */
function remark(src: string, stream: string, said: object | string, receivedMs: number): NewEntry {
  const msg = JSON.stringify(said);
  return { src, stream, msg, timestamp: receivedMs, level: "warn", received: receivedMs, clock: "server" };
}
