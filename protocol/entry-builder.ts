import {
  type Loss,
  type LossPlace,
  type NewEntry,
  type SeqRange,
  STREAM_DEFAULT,
  STREAM_LOSS,
} from "./entry.ts";
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
  readonly seq?: number;
  /** Wall time of receipt, UTC ms. */
  readonly received: number;
  /** Maps uptime of this boot to UTC, or says undefined; absent where nobody can. */
  readonly estimate?: (uptimeMs: number) => EstimatedTime | undefined;
}

/** The entry that a `Log.Log` command asks for (docs/protocol.md 4.1, 4.3). */
export function entryFromLog(args: LogArgs, origin: EntryOrigin): NewEntry {
  const { boot, seq } = origin;
  return {
    src: origin.src,
    stream: args.stream ?? STREAM_DEFAULT,
    msg: args.msg,
    ...timeOf(args, origin),
    ...(args.level !== undefined && { level: args.level }),
    ...(args.module !== undefined && { module: args.module }),
    ...(boot !== undefined && { boot }),
    ...(seq !== undefined && { seq }),
    received: origin.received,
  };
}

type EntryTime = Pick<NewEntry, "timestamp" | "clock" | "uptime" | "clockError">;

function timeOf(args: LogArgs, origin: EntryOrigin): EntryTime {
  const { timestamp, uptime } = args;
  const uptimeField = uptime === undefined ? {} : { uptime };
  if (timestamp !== undefined) return { timestamp, clock: "device", ...uptimeField };
  const estimated = uptime === undefined ? undefined : origin.estimate?.(uptime);
  if (estimated !== undefined) return { ...estimated, clock: "estimated", ...uptimeField };
  return { timestamp: origin.received, clock: "server", ...uptimeField };
}

/**
 * A loss record (docs/protocol.md 1.8).
 * @param seq the seq it uses up, where the board itself reported the drop.
 */
export function lossEntry(
  src: string,
  lost: SeqRange,
  reason: { readonly where: LossPlace; readonly why: string },
  receivedMs: number,
  seq?: number,
): NewEntry {
  const loss: Loss = { ...lost, count: lost.last - lost.first + 1, ...reason };
  return {
    src,
    stream: STREAM_LOSS,
    msg: JSON.stringify(loss),
    timestamp: receivedMs,
    level: "warn",
    boot: lost.boot,
    ...(seq !== undefined && { seq }),
    received: receivedMs,
    clock: "server",
    lost,
  };
}
