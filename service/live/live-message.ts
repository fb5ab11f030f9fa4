import type { StoredEntry } from "../../protocol/entry.ts";

/** RFC 3339 has no years after 9999; timestamps may lie later (docs/protocol.md 1.7). */
const LAST_RFC3339_MS = Date.UTC(9999, 11, 31, 23, 59, 59, 999);

/** An entry in Golioth's schema, plus its `id` (docs/protocol.md 11.1, 11.2). */
export function goliothData(entry: StoredEntry): string {
  const { stream, seq, boot, uptime } = entry;
  const timestamp = new Date(Math.min(entry.timestamp, LAST_RFC3339_MS)).toISOString();
  const level = (entry.level ?? "none").toUpperCase();
  const head = JSON.stringify({
    timestamp,
    type: "LOGGING",
    level,
    module: entry.module ?? "",
    moduleId: "",
  });
  // A string is JSON already; of an object or array the text becomes a string.
  const message = entry.msg.startsWith('"') ? entry.msg : JSON.stringify(entry.msg);
  const tail = JSON.stringify({
    metadata: { stream, seq, boot, uptime },
    deviceId: entry.src,
    id: entry.id,
  });
  return `${head.slice(0, -1)},"message":${message},${tail.slice(1)}`;
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
