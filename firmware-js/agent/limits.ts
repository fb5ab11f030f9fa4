/** Bounds of ring, line and frame, from what the board and its settings say. Bytes are characters: all is ASCII. */
import { boot, frameBytesMax, ringBytesLimit, settings } from "board";
import { stringify } from "./natives.ts";

/** Names of `console`'s methods; the place is the level's number (docs/protocol.md 12.5). */
export const METHODS = ["log", "debug", "info", "warn", "error"] as const;
/** What a chunk costs beyond its text: the bookkeeping, and that an engine of small variables takes 1.3 bytes a character. */
export const CHUNK_BYTES = 80;
/** What a line takes beside its text: three variables, in a frame a number, quotes and commas. */
export const LINE_BYTES = 36;
/** Longest module that goes with a line, as JSON with what stands around it (docs/protocol.md 12.8). */
export const MODULE_BYTES = 40;
/**
 * Most of what stands around a line in a frame of its own: brackets, five numbers of 16 digits, a boot of 32, and its
 * module.
 */
const HEAD_BYTES = WITH_PLAIN ? (WITH_LEVELS ? 370 : 330) : WITH_LEVELS ? 125 : 85;
export const UTC_MS_MIN = 1e12;

/** Of a byte that the ring may take: an engine of small variables takes 1.3 for a character. A quarter is no rounding. */
export const CHARS_A_BYTE = 0.75;
/** In characters. A ring that the board has no memory for would take the app down with it: it is made smaller. */
export const ringBytesMax =
  Math.min(settings.ringBytesMax ?? 2048, ringBytesLimit) * CHARS_A_BYTE - CHUNK_BYTES;
/** As JSON, with its comma. */
export const src = WITH_PLAIN && settings.src ? `${stringify(settings.src)},` : "";
/** What a compact frame begins with. */
export const start: unknown[] = [(WITH_UNACKED && settings.ack === false ? "~" : "@") + boot].concat(
  settings.src ?? [],
);
const startBytes = (WITH_PLAIN ? src : stringify(start)).length;
/** Longest line that a frame of its own takes, as JSON. */
export const framedBytesMax = frameBytesMax - HEAD_BYTES - startBytes;
/** Lines that wait are joined up to here; it is also what is dropped at a time. */
export const chunkBytesMax = Math.min(
  ringBytesMax * 0.375,
  WITH_PLAIN ? framedBytesMax : (WITH_SHARED && settings.batchBytesMax) || frameBytesMax - startBytes,
);
/** With the reserve, so much of the ring is for all lines, and the rest for warnings and errors alone. */
export const commonBytesMax = WITH_RESERVE ? ringBytesMax * 0.75 : ringBytesMax;
/** Longest line as JSON; what is longer is cut. */
export const lineBytesMax = WITH_PARTS
  ? commonBytesMax - (CHUNK_BYTES + LINE_BYTES)
  : Math.min(framedBytesMax, (WITH_RESERVE ? commonBytesMax : ringBytesMax) - (CHUNK_BYTES + LINE_BYTES));
