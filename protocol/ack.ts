import type { Boot } from "./frame.ts";

/** A cumulative ack (docs/protocol.md 5.1). */
export interface Ack {
  readonly boot: Boot;
  /** Every seq up to here is durable or recorded as lost. */
  readonly seq: number;
  /** Something after `seq` is missing: go back (docs/protocol.md 5.3). */
  readonly resend?: boolean;
}

/** @param nowMs the gateway's UTC in ms, or undefined while its clock is not synchronised. */
export function encodeAck(ack: Ack, nowMs: number | undefined): string {
  const resend = ack.resend ? ',"resend":true' : "";
  return `{"v":1,"boot":${asciiJson(ack.boot.json)},"ack":${ack.seq}${resend}${nowText(nowMs)}}`;
}

/** Clause 7.7. */
export function encodeHello(nowMs: number | undefined): string {
  return `{"v":1,"hello":1${nowText(nowMs)}}`;
}

function nowText(nowMs: number | undefined): string {
  return nowMs === undefined ? "" : `,"now":${Math.floor(nowMs)}`;
}

/** Serial lines carry printable ASCII only (docs/protocol.md 7.1). */
export function asciiJson(json: string): string {
  return json.replace(/[\u007f-\uffff]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`);
}
