/** Plain frames (docs/protocol.md 3), for the build option `plain`. */

import { parse, stringify } from "./natives.ts";

/** Nesting of `msg` at most: the frame and the answer of a list around it must stay within 16 (docs/protocol.md 2.1). */
const DEPTH_MAX = 10;
const UTC_MS_MIN = 1e12;

export function plainHead(
  src: string,
  boot: string,
  hasAcks: boolean,
  first: number,
  sentAt: number,
): string {
  return `{"v":1,${src && `"src":${src}`}"boot":${stringify(boot)},"ack":${hasAcks},"first":${first}${
    sentAt < UTC_MS_MIN ? ',"clock":"uptime"' : ""
  },"now":${sentAt},"cmds":[`;
}

/** A line as a command (docs/protocol.md 4.1). */
export function plainCommand(id: number, msg: string, time: number, more: string): string {
  return `{"cmd":"/v1/Log.Log","id":${id},"args":{"msg":${msg},"${
    time < UTC_MS_MIN ? "uptime" : "timestamp"
  }":${time}${more}}}`;
}

function shallow(value: unknown, depth: number): boolean {
  if (typeof value !== "object" || !value) {
    return true;
  }
  if (!depth) {
    return false;
  }
  for (const key in value) {
    if (!shallow((value as Record<string, unknown>)[key], depth - 1)) {
      return false;
    }
  }
  return true;
}

/** Whether a text is JSON of an object or array that may go as it is. Espruino writes `...` for a circular value. */
export function isPlainMsg(text: string): boolean {
  try {
    const value: unknown = parse(text);
    return typeof value === "object" && !!value && shallow(value, DEPTH_MAX);
  } catch (_) {
    return false;
  }
}
