import type { ConsoleLevel } from "./load-device.ts";
import { loadMessage, loggedAt, type MessageModel } from "./load-line.ts";
import { type RecordedBoard, turnMs } from "./recording.ts";

/** What devices log, and how what is listed is told to be it. */
export type LoadScript =
  | { readonly type: "model"; readonly model: MessageModel }
  | { readonly type: "recording"; readonly boards: readonly RecordedBoard[] };

/** What a device logs as a seq, at the board's UTC. */
export function messageOf(script: LoadScript, device: number, seq: number, utcMs: number): string | object {
  if (script.type === "model") return loadMessage(script.model, { device, seq, utcMs });
  return lineOf(script.boards, device, seq)?.msg ?? "";
}

export function levelOf(script: LoadScript, device: number, seq: number): ConsoleLevel {
  return script.type === "model" ? "log" : (lineOf(script.boards, device, seq)?.level ?? "log");
}

/** Lines that a device has to have logged so long after the start, for a script that says when. */
export function recordedDue(boards: readonly RecordedBoard[], device: number, elapsedMs: number): number {
  const board = boardOf(boards, device);
  if (board === undefined) return 0;
  const turn = turnMs(board);
  const turns = Math.floor(elapsedMs / turn);
  const inTurnMs = elapsedMs - turns * turn;
  let low = 0;
  let high = board.lines.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((board.lines[middle]?.atMs ?? 0) <= inTurnMs) low = middle + 1;
    else high = middle;
  }
  return turns * board.lines.length + low;
}

/** Whether a listed line is what the device logged as that seq; `utcMs` is when, where the line itself says so. */
export function judgeLine(
  script: LoadScript,
  device: number,
  seq: number,
  listed: unknown,
): { readonly isRight: boolean; readonly utcMs?: number } {
  if (script.type === "model") {
    const utcMs = loggedAt(script.model, { device, seq }, listed);
    return utcMs === undefined ? { isRight: false } : { isRight: true, utcMs };
  }
  return { isRight: JSON.stringify(lineOf(script.boards, device, seq)?.msg) === JSON.stringify(listed) };
}

function boardOf(boards: readonly RecordedBoard[], device: number): RecordedBoard | undefined {
  return boards[device % boards.length];
}

function lineOf(boards: readonly RecordedBoard[], device: number, seq: number) {
  const lines = boardOf(boards, device)?.lines ?? [];
  return lines[(seq - 1) % lines.length];
}
