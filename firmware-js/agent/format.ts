/** From what an app logs to the JSON text of one `msg`. */
import { framedBytesMax, lineBytesMax } from "./limits.ts";
import { stringify } from "./natives.ts";
import { isPlainMsg } from "./plain.ts";

/** Room left for the mark at the end of a cut line. */
const CUT_BYTES = 40;

/** Lines too long for a frame. */
export let cut = 0;

/** A line's text, or a list that holds its JSON. */
export type Line = string | [string];

/** A text whose JSON a frame takes; of a longer one the start, and last words that say so. */
export function shorten(message: string): string {
  let kept = message.length;
  let short = message;
  let size = stringify(short).length;
  if (size > lineBytesMax) {
    cut++;
  }
  while (size > lineBytesMax && kept) {
    kept = ((kept * (lineBytesMax - CUT_BYTES)) / size) | 0;
    short = `${message.substr(0, kept)} [cut: ${message.length - kept} more]`;
    size = stringify(short).length;
  }
  return short;
}

/** JSON of a line. */
export function jsonOf(line: unknown): string {
  return typeof line === "object" ? `${line}` : stringify(line);
}

/** One value as text. Whatever its getters and its `toString` do stays in here. */
export function show(value: unknown): string {
  let shown: string | undefined;
  try {
    if (typeof value === "object" && value && !(value as { stack?: unknown }).stack) {
      shown = stringify(value);
    }
    return shown ?? String(value);
  } catch (_) {
    return "[unprintable]";
  }
}

/** An object of a direct call as it is, all else as text (docs/protocol.md 12.7). */
export function format(values: unknown[], direct: unknown): Line {
  if (WITH_DIRECT && direct && typeof direct === "object" && values.length < 2) {
    const message = show(direct);
    if (message.length <= lineBytesMax && (WITH_PLAIN ? isPlainMsg(message) : /^{|^\[/.test(message))) {
      // As text it can be taken apart.
      return [WITH_PARTS && message.length > framedBytesMax ? `true,${stringify(message)}` : message];
    }
  }
  return values.map(show).join(" ");
}
