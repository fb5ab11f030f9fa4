import { asciiJson } from "./ack.ts";
import { decodeCompactLines } from "./compact-lines.ts";
import { COMPACT_STARTS, decodeCompactText, looksCompact } from "./compact-text.ts";
import { crc32, crc32Digits, crc32OfLatin1 } from "./crc32.ts";
import type { Frame } from "./frame.ts";
import { decodeFrameText } from "./frame-decoder.ts";
import { hexDigit } from "./hex-digit.ts";
import { decodeUtf8OfLatin1 } from "./utf8.ts";

/** Longest line taken from a serial port, without its LF (docs/protocol.md 7.6). */
export const LINE_BYTES_MAX = 65_536;

/** Why a line that looked like a frame was thrown away; each has a counter of this name. */
export const LineDiscard = {
  BadChecksum: "serial_bad_checksum_lines_total",
  Cut: "serial_cut_frame_lines_total",
  BadFrame: "serial_bad_frame_lines_total",
} as const;
export type LineDiscard = (typeof LineDiscard)[keyof typeof LineDiscard];

export interface FrameItem {
  readonly type: "frame";
  readonly frame: Frame;
  readonly hasChecksum: boolean;
}

/** One thing found on a line; a frame glued to text is two (docs/protocol.md 7.3). */
export type LineItem =
  | FrameItem
  | { readonly type: "text"; readonly text: string }
  | { readonly type: "discarded"; readonly reason: LineDiscard; readonly line: string };

const CR = 0x0d;
const BRACKET_OPEN = 0x5b;
const NOT_PLAIN = /[^ !#-[\]-~]/;
const FRAME_START = '{"v":';
const CHECKSUM_DIGITS = 8;
const CHECKSUM_END = /^[}\]]([0-9a-fA-F]{8})$/;
/** Places on one line where a frame is looked for; more are console text that mentions frames. */
const FRAME_STARTS_MAX = 8;

/**
 * Reads one line, without its LF, of a wire that carries frames and console text (docs/protocol.md 7).
 * @param line its bytes as Latin-1, one code unit a byte.
 */
export function decodeLine(line: string): readonly LineItem[] {
  const bare = line.endsWith("\r") ? line.slice(0, -1) : line;
  if (bare === "") return [];
  let discarded: LineDiscard | undefined;
  for (const start of compactStarts(bare)) {
    const found = decodeCompactAt(bare, start);
    if (found.type !== "none") return [...textItems(bare.slice(0, start)), found];
  }
  for (const start of frameStarts(bare)) {
    const found = decodeFrameAt(bare, start);
    if (found.type === "frame") return [...textItems(bare.slice(0, start)), found];
    if (found.type === "discarded") discarded ??= found.reason;
  }
  if (discarded !== undefined && bare.startsWith(FRAME_START)) {
    return [{ type: "discarded", reason: discarded, line: bare }];
  }
  return textItems(bare);
}

/**
 * The frame that a line is from its first byte to its last, where it is a compact one of whole lines, as nearly all frames are: what
 * `decodeLine` says of it, without a text. Undefined for any other line.
 * @param bytes hold the line, without its LF, from `start` to `end`.
 * @param crc32Of what `crc32` says, where the platform says it sooner.
 */
export function decodeFrameLine(
  bytes: Uint8Array,
  start: number,
  end: number,
  crc32Of: (bytes: Uint8Array) => number = crc32,
): FrameItem | undefined {
  if (bytes[start] !== BRACKET_OPEN) return undefined;
  const jsonEnd = end - CHECKSUM_DIGITS - (bytes[end - 1] === CR ? 1 : 0);
  const checksum = jsonEnd <= start ? undefined : checksumAt(bytes, jsonEnd);
  if (checksum === undefined) return undefined;
  const json = bytes.subarray(start, jsonEnd);
  const frame = crc32Of(json) === checksum ? decodeCompactLines(json) : undefined;
  return frame && { type: "frame", frame, hasChecksum: true };
}

/**
 * Whether a line, as `decodeLine` takes it, is console text that stands in JSON as it is: printable ASCII without quote and backslash. No
 * frame is without quotes.
 */
export function isPlainText(line: string): boolean {
  return !NOT_PLAIN.test(line);
}

/** Writes one line to a board, with its LF. @param hasChecksum as the peer does it (docs/protocol.md 7.2). */
export function encodeLine(json: string, hasChecksum: boolean): string {
  const text = asciiJson(json);
  return hasChecksum ? `${text}${crc32Digits(crc32OfLatin1(text))}\n` : `${text}\n`;
}

/** The JSON text of a line from a gateway, or undefined when its checksum is wrong or it is no frame at all. */
export function decodeLineChecksum(line: string): string | undefined {
  const bare = line.endsWith("\r") ? line.slice(0, -1) : line;
  const digits = checksumDigits(bare);
  if (digits === undefined) return bare.startsWith("{") && bare.endsWith("}") ? bare : undefined;
  const json = bare.slice(0, -8);
  return crc32OfLatin1(json) === Number.parseInt(digits, 16) ? json : undefined;
}

function checksumDigits(line: string): string | undefined {
  // Not of the whole line: the engine would look for a bracket from its start on.
  return CHECKSUM_END.exec(line.slice(-9))?.[1];
}

/** The number that the hexadecimal digits there are. */
function checksumAt(line: Uint8Array, start: number): number | undefined {
  let checksum = 0;
  for (let index = start; index < start + CHECKSUM_DIGITS; index++) {
    const digit = hexDigit(line[index] ?? 0);
    if (digit === undefined) return undefined;
    checksum = checksum * 16 + digit;
  }
  return checksum;
}

/** Most lines of a console have none. */
const NOWHERE: readonly number[] = [];

function frameStarts(line: string): readonly number[] {
  let start = line.indexOf(FRAME_START);
  const isOther = start !== 0 && line.startsWith("{");
  if (start < 0 && !isOther) return NOWHERE;
  const starts = isOther ? [0] : [];
  for (let count = 0; start >= 0 && count < FRAME_STARTS_MAX; count++) {
    starts.push(start);
    start = line.indexOf(FRAME_START, start + 1);
  }
  return starts;
}

function compactStarts(line: string): readonly number[] {
  let start = line.indexOf('["');
  if (start < 0) return NOWHERE;
  const starts: number[] = [];
  for (; start >= 0 && starts.length < FRAME_STARTS_MAX; start = line.indexOf('["', start + 1))
    if (COMPACT_STARTS.some((mark) => line.startsWith(mark, start))) starts.push(start);
  return starts;
}

/** Clause 12.9: a compact frame is taken with a checksum only; what cannot be anything else is discarded without. */
function decodeCompactAt(line: string, start: number): Found {
  const digits = checksumDigits(line);
  const json = line.slice(start, digits === undefined ? line.length : -8);
  const isChecked = digits !== undefined && crc32OfLatin1(json) === Number.parseInt(digits, 16);
  const decoded = isChecked ? decodeCompactText(json) : undefined;
  if (decoded?.ok) return { type: "frame", frame: decoded.value, hasChecksum: true };
  if (!looksCompact(json)) return { type: "none" };
  const unchecked = digits === undefined ? LineDiscard.Cut : LineDiscard.BadChecksum;
  return {
    type: "discarded",
    reason: isChecked ? LineDiscard.BadFrame : unchecked,
    line: line.slice(start),
  };
}

type Found = Extract<LineItem, { type: "frame" | "discarded" }> | { readonly type: "none" };

function decodeFrameAt(line: string, start: number): Found {
  const digits = checksumDigits(line);
  const json = line.slice(start, digits === undefined ? line.length : -8);
  const looksLikeFrame = line.startsWith(FRAME_START, start);
  if (digits !== undefined && crc32OfLatin1(json) !== Number.parseInt(digits, 16)) {
    return looksLikeFrame ? { type: "discarded", reason: LineDiscard.BadChecksum, line } : { type: "none" };
  }
  if (!json.endsWith("}")) {
    return looksLikeFrame ? { type: "discarded", reason: LineDiscard.Cut, line } : { type: "none" };
  }
  const { text, lossy } = decodeUtf8OfLatin1(json);
  const decoded = decodeFrameText(text, lossy);
  if (decoded.ok) return { type: "frame", frame: decoded.value, hasChecksum: digits !== undefined };
  return looksLikeFrame ? { type: "discarded", reason: LineDiscard.BadFrame, line } : { type: "none" };
}

/** Console text: bytes that are no UTF-8 stand as U+FFFD (docs/protocol.md 7.5). */
function textItems(latin1: string): readonly LineItem[] {
  if (latin1 === "") return [];
  return [{ type: "text", text: decodeUtf8OfLatin1(latin1).text }];
}
