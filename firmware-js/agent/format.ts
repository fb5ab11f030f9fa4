/** From what an app logs to the JSON text of one `msg`. */
import { framedBytesMax, lineBytesMax } from "./limits.ts";
import { stringify } from "./natives.ts";
import { isPlainMsg } from "./plain.ts";

/** Room left for the mark at the end of a cut line. */
const CUT_BYTES = 40;

/** Lines too long for a frame. */
export let cut = 0;

/** JSON of a text without its end, which its last words then say; `json` is that of the whole. */
export function shorten(message: string, json: string): string {
  let kept = message.length;
  let short = json;
  cut++;
  while (short.length > lineBytesMax && kept) {
    kept = ((kept * (lineBytesMax - CUT_BYTES)) / short.length) | 0;
    short = stringify(`${message.substr(0, kept)} [cut: ${message.length - kept} more]`);
  }
  return short;
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

/** JSON of what is no lone string: an object of a direct call as it is, all else as text (docs/protocol.md 12.7). */
export function format(values: unknown[], direct: unknown): string {
  if (WITH_DIRECT && direct && typeof direct === "object" && values.length < 2) {
    const message = show(direct);
    if (message.length <= lineBytesMax && (WITH_PLAIN ? isPlainMsg(message) : /^{|^\[/.test(message))) {
      // As text it can be taken apart.
      return WITH_PARTS && message.length > framedBytesMax ? `true,${stringify(message)}` : message;
    }
  }
  return stringify(values.map(show).join(" "));
}
