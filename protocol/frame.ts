import type { Problem } from "./decoded.ts";
import type { MsgJson } from "./entry.ts";
import { BareObject, type JsonObject } from "./json-parser.ts";
import type { Level } from "./level.ts";
import type { LogArgs } from "./methods.ts";

/** Most commands in one frame (docs/protocol.md 2.4). */
export const COMMANDS_MAX = 1000;
/** Largest frame the service takes (docs/protocol.md 2.4). */
export const FRAME_BYTES_MAX = 1_048_576;

/** From here on a time in a compact frame is UTC; below, it is uptime (docs/protocol.md 12.4). 2001-09-09, or 31 years of uptime. */
export const UTC_MS_MIN = 1e12;

/** A boot id as identity, and as the board wrote it, for the ack (docs/protocol.md 1.5, 5.1). */
export interface Boot {
  readonly text: string;
  readonly json: string;
}

/** A decoded frame, v1 or v2 (docs/protocol.md 3). */
export interface Frame {
  readonly v: 1 | 2;
  /** How it was written; the answer is written the same way. */
  readonly form: FrameForm;
  readonly src?: string;
  readonly dst?: string;
  /** An API key: never to be logged. */
  readonly key?: string;
  readonly boot?: Boot;
  /** Which clock `now` is on. */
  readonly clock: "utc" | "uptime";
  /** Ms on `clock` when the frame was sent. */
  readonly now?: number;
  /** Oldest seq of `boot` that the board still holds. */
  readonly first?: number;
  /** Never on a wire: the sender was met in the middle of its boot, and what is below this seq was never sent here (8.10). */
  readonly joinsAt?: number;
  /** True: cumulative acks; false: this link has none; absent: an answer for each command. */
  readonly ack?: boolean;
  /** The sender's serial line has a JavaScript prompt at its end: what goes down is a call (12.11). */
  readonly isCalled?: true;
  readonly commands: readonly Command[];
  /** All that `commands` says, where they are whole lines under consecutive seqs: then those are made where they are asked for. */
  readonly lines?: FrameLines;
  /** How many answers it carried (`resp`, `result`, `error`). */
  readonly answerCount: number;
}

/** The lines of a frame that holds nothing else; at least one. In columns, as objects for each cost more than reading it. */
export interface FrameLines {
  readonly count: number;
  readonly seqFirst: number;
  /** The memory in which each `msg` lies, all ASCII, one behind the other with little between them. */
  readonly bytes: Uint8Array;
  startAt(index: number): number;
  /** Behind its last byte. */
  endAt(index: number): number;
  /** The same as text, made where it is asked for. */
  msgAt(index: number): MsgJson;
  /** From `UTC_MS_MIN` on UTC ms, below it uptime; never falls from line to line. */
  timeAt(index: number): number;
  levelAt(index: number): Level | undefined;
  /** Its place in `LEVEL_RANK`, 0 for none. */
  levelRankAt(index: number): number;
  moduleAt(index: number): string | undefined;
  /** What `hashOfLine` says of it. */
  hashAt(index: number): number;
}

export type FrameForm = "json" | "cbor";

/** What of a frame its answer is written by: all that needs to be kept of it once its commands were taken. */
export type Envelope = Pick<Frame, "v" | "form" | "src" | "dst" | "isCalled">;

/** Of nearly all frames, and kept with each until it is durable. */
const ENVELOPE_USUAL: Envelope = { v: 1, form: "json" };

export function envelopeOf({ v, form, src, dst, isCalled }: Frame): Envelope {
  if (v === 1 && form === "json" && src === undefined && dst === undefined && !isCalled)
    return ENVELOPE_USUAL;
  return {
    v,
    form,
    ...(src !== undefined && { src }),
    ...(dst !== undefined && { dst }),
    ...(isCalled && { isCalled }),
  };
}

export const NO_ARGS: JsonObject = Object.freeze(new BareObject());

/** One command. A wrong one carries its problem and does not spoil its neighbours (docs/protocol.md 3.4). */
export interface Command {
  /** Absent only where the sender gave none that could be read. */
  readonly id?: number;
  readonly method: string;
  readonly args: JsonObject;
  /** Args of a `Log.Log` that its form has checked already, in place of `args`. */
  readonly log?: LogArgs;
  readonly problem?: Problem;
  /** It is a part of a line, to be put together before anything else is done with it (docs/protocol.md 12.13). */
  readonly part?: LinePart;
  /** The last part of a line whose other parts did not all come: as if it were behind a gap. */
  readonly isTorn?: true;
}

export interface LinePart {
  /** From 1 up. */
  readonly number: number;
  readonly isLast: boolean;
  /** What stands between the quotes, escapes as they came; of JSON text, that text. */
  readonly text: string;
  /** Of `text`, in characters of the line. */
  readonly length: number;
  /** The parts together are the JSON text of an object or array. */
  readonly isJson: boolean;
}
