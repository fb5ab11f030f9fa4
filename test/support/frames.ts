import { encodeLine } from "../../protocol/serial-line.ts";

export interface FrameParts {
  readonly boot?: string | number;
  readonly src?: string;
  readonly ack?: boolean;
  readonly first?: number;
  readonly clock?: "utc" | "uptime";
  readonly now?: number;
}

/** One `Log.Log` command. */
export interface LogLine {
  readonly id: number;
  readonly msg: unknown;
  readonly [argument: string]: unknown;
}

/** JSON text of a frame of `Log.Log` commands, as an agent writes it. */
export function logFrame(parts: FrameParts, lines: readonly LogLine[]): string {
  const cmds = lines.map(({ id, ...args }) => ({ cmd: "/v1/Log.Log", id, args }));
  return JSON.stringify({ v: 1, ...parts, cmds });
}

/** The same as one serial line with its checksum and LF. */
export function logLine(parts: FrameParts, lines: readonly LogLine[]): string {
  return encodeLine(logFrame(parts, lines), true);
}
