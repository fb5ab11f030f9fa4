import type { StoredEntry } from "../../protocol/entry.ts";

/** RFC 3339 has no years after 9999; timestamps may lie later (docs/protocol.md 1.7). */
const LAST_RFC3339_MS = Date.UTC(9999, 11, 31, 23, 59, 59, 999);

/** An entry in Golioth's schema, plus its `id` (docs/protocol.md 11.1, 11.2). Field by field: half of the time of an object's text. */
export function goliothData(entry: StoredEntry): string {
  const { id, src, stream, seq, boot, uptime, msg, level = "none", module = "" } = entry;
  const time = new Date(Math.min(entry.timestamp, LAST_RFC3339_MS)).toISOString();
  // A string is JSON already; of an object or array the text becomes a string.
  const message = msg.startsWith('"') ? msg : JSON.stringify(msg);
  let metadata = `"stream":${JSON.stringify(stream)}`;
  if (seq !== undefined) metadata += `,"seq":${seq}`;
  if (boot !== undefined) metadata += `,"boot":${JSON.stringify(boot)}`;
  if (uptime !== undefined) metadata += `,"uptime":${uptime}`;
  const head = `{"timestamp":"${time}","type":"LOGGING","level":"${level.toUpperCase()}","module":${JSON.stringify(module)},"moduleId":""`;
  return `${head},"message":${message},"metadata":{${metadata}},"deviceId":${JSON.stringify(src)},"id":"${id}"}`;
}

export function liveMessage(entry: StoredEntry): string {
  return `{"result":{"data":${goliothData(entry)}}}`;
}

/** What a reader could not be sent (docs/protocol.md 11.5). Both ends are ids; `after` is exclusive, `until` inclusive. */
export interface Skipped {
  readonly after: string | undefined;
  readonly until: string;
  readonly count: number;
}

export function skippedMessage({ after, until, count }: Skipped): string {
  return JSON.stringify({ skipped: { after, until, count } });
}

/** Says that what follows is live; everything up to `after` has been replayed. */
export function liveMarker(after: string | undefined): string {
  return JSON.stringify({ live: { after: after ?? null } });
}
