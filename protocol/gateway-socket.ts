import { bad, type Decoded, good } from "./decoded.ts";
import { type JsonObject, parseJson } from "./json-parser.ts";

/** Longest message of a gateway's socket (docs/protocol.md 13.8); a larger batch goes by 13.3. */
export const SOCKET_MESSAGE_BYTES_MAX = 1_048_576;
/** Batches that a gateway may have unanswered (docs/protocol.md 13.8). */
export const BATCHES_UNDERWAY_MAX = 8;

/** A text message of a gateway's socket: an object. What its members are is for the reader to check. */
export function decodeSocketText(text: string): Decoded<JsonObject> {
  const parsed = parseJson(text);
  if (!parsed.ok) return bad(`message: not JSON: ${parsed.reason} at character ${parsed.index}`);
  const { value } = parsed;
  if (typeof value !== "object" || value === null || Array.isArray(value))
    return bad("message: must be an object");
  return good(value as JsonObject);
}
