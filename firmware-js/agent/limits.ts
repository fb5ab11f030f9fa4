/** Bounds of ring, line and frame, from what the board and its settings say. Bytes are characters: all is ASCII. */
import { frameBytesMax, ringBytesLimit, settings } from "board";
import { stringify } from "./natives.ts";

/** Names of `console`'s methods; the place is the level's number (docs/protocol.md 12.5). */
export const METHODS = ["log", "debug", "info", "warn", "error"] as const;
/** What a chunk costs beyond its text: the bookkeeping, and that an engine of small variables takes 1.3 bytes a character. */
export const CHUNK_BYTES = 160;
/** What a line takes beside its JSON at most: commas and a number. */
export const LINE_BYTES = 17;
export const PLAIN_HEAD_BYTES = 330;
/** Longest module that goes with a line, as JSON with what stands around it (docs/protocol.md 12.8). */
export const MODULE_BYTES = 40;
/**
 * Most of what stands around a line in a frame of its own: brackets, five numbers of 16 digits, a boot of 32, and its
 * module.
 */
const HEAD_BYTES = WITH_PLAIN ? (WITH_LEVELS ? 370 : 330) : WITH_LEVELS ? 160 : 120;
export const UTC_MS_MIN = 1e12;

/** A ring that the board has no memory for would take the app down with it: it is made smaller. */
export const ringBytesMax = Math.min(settings.ringBytesMax ?? 2048, ringBytesLimit) - CHUNK_BYTES;
/** As JSON, with its comma. */
export const src = settings.src ? `${stringify(settings.src)},` : "";
/** Longest line that a frame of its own takes, as JSON, and longest chunk. */
export const framedBytesMax = frameBytesMax - HEAD_BYTES - src.length;
/** Lines that wait are joined up to here; it is also what is dropped at a time. */
export const chunkBytesMax = Math.min(300, framedBytesMax);
/** With the reserve, so much of the ring is for all lines, and the rest for warnings and errors alone. */
export const commonBytesMax = WITH_RESERVE ? ringBytesMax * 0.75 : ringBytesMax;
/** Longest line as JSON; what is longer is cut. */
export const lineBytesMax = WITH_PARTS
  ? commonBytesMax - CHUNK_BYTES - LINE_BYTES
  : Math.min(framedBytesMax, commonBytesMax - CHUNK_BYTES - LINE_BYTES);
