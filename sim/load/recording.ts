import { LEVELS } from "../../protocol/level.ts";
import type { ConsoleLevel } from "./load-device.ts";

/** One board's log as it was recorded, in its order. */
export interface RecordedBoard {
  readonly src: string;
  readonly lines: readonly RecordedLine[];
}

export interface RecordedLine {
  /** After the first line of the whole recording, ms; never falls. */
  readonly atMs: number;
  readonly level: ConsoleLevel;
  readonly msg: string | object;
}

/** Lines that a load keeps in memory. */
const LINES_MAX = 1_000_000;

/**
 * Reads entries as JSON lines, which is what `boardlog export`, `tail --json` and `sim --record` write.
 * @returns what is wrong, with its line, where they are none.
 */
export function readRecording(text: string): readonly RecordedBoard[] | string {
  const boards = new Map<string, { readonly src: string; readonly lines: RecordedLine[] }>();
  let startMs: number | undefined;
  let lineCount = 0;
  for (const [index, line] of text.split("\n").entries()) {
    if (line.trim() === "") continue;
    const entry = entryOf(line);
    if (typeof entry === "string") return `line ${index + 1}: ${entry}`;
    const { src, stream, timestamp, level, msg } = entry;
    if (stream === "loss") continue;
    if (++lineCount > LINES_MAX) return `it has more than ${LINES_MAX} lines; record less`;
    startMs ??= timestamp;
    const board = boards.get(src) ?? { src, lines: [] };
    boards.set(src, board);
    // Clocks step; what is replayed is the order of the board, at a pace as near to its own as that allows.
    const atMs = Math.max(board.lines.at(-1)?.atMs ?? 0, timestamp - startMs);
    board.lines.push({ atMs, level: LEVELS.find((one) => one === level) ?? "log", msg });
  }
  return boards.size === 0 ? "there is no entry in it" : [...boards.values()];
}

/** Length of one turn of a board's recording, ms: it begins again as long after its last line as lines are apart. */
export function turnMs({ lines }: RecordedBoard): number {
  const first = lines[0]?.atMs ?? 0;
  const last = lines.at(-1)?.atMs ?? 0;
  return Math.max(1000, last + (last - first) / Math.max(1, lines.length - 1));
}

interface RecordedEntry {
  readonly src: string;
  readonly stream?: unknown;
  readonly timestamp: number;
  readonly level?: unknown;
  readonly msg: string | object;
}

function entryOf(line: string): RecordedEntry | string {
  let entry: Partial<Record<keyof RecordedEntry, unknown>>;
  try {
    entry = JSON.parse(line) as typeof entry;
  } catch {
    return "it is no JSON";
  }
  const { src, timestamp, msg } = entry ?? {};
  if (typeof src !== "string" || src === "") return "src: must be a text";
  if (typeof timestamp !== "number") return "timestamp: must be a number of ms";
  if (msg === undefined || msg === null) return "msg: is missing";
  // A board prints numbers and the like as text.
  const message = typeof msg === "string" || typeof msg === "object" ? msg : JSON.stringify(msg);
  return { src, timestamp, msg: message, stream: entry.stream, level: entry.level };
}
