import type { TimePlace } from "./store/log-store.ts";

const PREFIX = "t.";
/** A boot of 32 characters and an id of 64, in base64url, with room. */
const TOKEN_CHARACTERS_MAX = 400;

/** Where to go on in order of time (docs/protocol.md 4.6): the place of an entry of a source that the asker names. */
export function timeToken({ timestamp, boot, seq, id }: TimePlace): string {
  const fields = [timestamp, id, boot ?? null, seq ?? null];
  return PREFIX + Buffer.from(JSON.stringify(fields), "utf8").toString("base64url");
}

/** Undefined for what is no such token. Whether the id in it is the project's own, the store knows. */
export function placeOfTimeToken(token: string, src: string): TimePlace | undefined {
  if (!token.startsWith(PREFIX) || token.length > TOKEN_CHARACTERS_MAX) return undefined;
  let fields: unknown;
  try {
    fields = JSON.parse(Buffer.from(token.slice(PREFIX.length), "base64url").toString("utf8"));
  } catch {
    return undefined;
  }
  if (!Array.isArray(fields) || fields.length !== 4) return undefined;
  const [timestamp, id, boot, seq] = fields as readonly unknown[];
  if (!Number.isSafeInteger(timestamp) || typeof id !== "string") return undefined;
  if (boot !== null && typeof boot !== "string") return undefined;
  if (seq !== null && !Number.isSafeInteger(seq)) return undefined;
  return {
    src,
    id,
    timestamp: timestamp as number,
    ...(boot !== null && { boot }),
    ...(seq !== null && { seq: seq as number }),
  };
}
