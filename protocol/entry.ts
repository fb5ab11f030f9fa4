import type { Level } from "./level.ts";

/** Where an entry's timestamp came from (docs/protocol.md 1.7). The place is what stands for it in 13.4 and in stores. */
export const CLOCK_QUALITIES = ["device", "estimated", "server", "unset"] as const;
export type ClockQuality = (typeof CLOCK_QUALITIES)[number];

/** JSON text of a string, object or array, kept byte for byte (docs/protocol.md 1.2). Only decoders make one. */
export type MsgJson = string & { readonly __brand?: "MsgJson" };

/** One entry on its way to the store; all times in integer ms (docs/protocol.md 1). */
export interface NewEntry {
  readonly src: string;
  readonly stream: string;
  readonly msg: MsgJson;
  /** UTC ms. */
  readonly timestamp: number;
  readonly level?: Level;
  readonly module?: string;
  /** Present wherever `seq` is. */
  readonly boot?: string;
  readonly seq?: number;
  /** The board's own ms since boot, when it had no UTC. */
  readonly uptime?: number;
  /** Wall time of receipt, UTC ms. */
  readonly received: number;
  readonly clock: ClockQuality;
  /** Bound of the error of an estimated timestamp, ms. */
  readonly clockError?: number;
  /** On a loss record: the seqs of its boot that it accounts for. The store moves the mark to `last`. */
  readonly lost?: SeqRange;
}

/** An object whose fields are still being set; spreading them together costs several times as much. */
export type Building<T> = { -readonly [Name in keyof T]: T[Name] };

/** Seqs of one boot, both ends included. */
export interface SeqRange {
  readonly boot: string;
  readonly first: number;
  readonly last: number;
}

/** An entry as the store holds it. */
export interface StoredEntry extends NewEntry {
  /** Opaque; ascending as text in order of arrival within a project (docs/protocol.md 1.6). */
  readonly id: string;
}

export const STREAM_DEFAULT = "console";
/** Stream of loss records (docs/protocol.md 1.8). */
export const STREAM_LOSS = "loss";
/** Stream of console text found between frames on a serial line (docs/protocol.md 7.4). */
export const STREAM_UART = "uart";
/** Stream of what a gateway has to say of a source (docs/protocol.md 1.9). */
export const STREAM_NOTICE = "notice";
/** Stream of what a board's last will and its own word say of its being there (docs/protocol.md 8.7). */
export const STREAM_PRESENCE = "presence";

export const LossPlace = { Agent: "agent", Link: "link", Gateway: "gateway", Service: "service" } as const;
export type LossPlace = (typeof LossPlace)[keyof typeof LossPlace];

/** What a loss record says (docs/protocol.md 1.8). */
export interface Loss extends SeqRange {
  readonly count: number;
  readonly where: LossPlace;
  readonly why: string;
}
