import { decodeCbor, encodeCbor } from "./cbor.ts";
import { bad, type Decoded, good } from "./decoded.ts";
import type { NewEntry } from "./entry.ts";
import { ingestEntryOf } from "./ingest-entry.ts";

/** Entries of one batch at most (docs/protocol.md 13.3). */
export const INGEST_ENTRIES_MAX = 5_000;
/** Bytes of one batch at most (docs/protocol.md 13.3): one entry of 1 MiB whose text is all escapes takes six. */
export const INGEST_BYTES_MAX = 8 * 1024 * 1024;

const EPOCH = /^[0-9a-f]{16}$/;
const GATEWAY = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;

export function isGatewayId(text: string): boolean {
  return GATEWAY.test(text);
}

/** A spool's life: 16 hex digits (docs/protocol.md 13.1). */
export function isSpoolEpoch(text: string): boolean {
  return EPOCH.test(text);
}

export interface IngestHead {
  readonly epoch: string;
  /** The gateway knows that the service has everything up to here. */
  readonly after: number;
  /** Position of the last entry in the batch. */
  readonly last: number;
}

export interface IngestBatch extends IngestHead {
  /** Each with its position in the spool: ascending, above `after`, the last one at `last`. */
  readonly entries: readonly { readonly position: number; readonly entry: NewEntry }[];
}

/**
 * The body of a batch (docs/protocol.md 13.3), around entries that are encoded already.
 * @param entries CBOR arrays as `encodeIngestEntry` gives them, with their positions.
 */
export function joinIngestBatch(
  head: { readonly epoch: string; readonly after: number },
  entries: readonly { readonly position: number; readonly payload: Uint8Array }[],
): Uint8Array {
  const parts: Uint8Array[] = [
    arrayHead(2 + 2 * entries.length),
    encodeCbor(head.epoch),
    encodeCbor(head.after),
  ];
  let before = head.after;
  for (const { position, payload } of entries) {
    parts.push(encodeCbor(position - before), payload);
    before = position;
  }
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

export function decodeIngestBatch(bytes: Uint8Array): Decoded<IngestBatch> {
  const decoded = decodeCbor(bytes);
  if (!decoded.ok) return decoded;
  const value = decoded.value;
  if (!Array.isArray(value)) return bad("batch: must be an array");
  const [epoch, after, ...rest] = value;
  if (typeof epoch !== "string" || !isSpoolEpoch(epoch)) return bad("epoch: must be 16 hex digits");
  if (!isPosition(after)) return bad("after: must be an integer from 0 to 2^53-1");
  if (rest.length % 2 !== 0) return bad("batch: an entry is missing behind its step");
  if (rest.length / 2 > INGEST_ENTRIES_MAX)
    return bad(`batch: must hold at most ${INGEST_ENTRIES_MAX} entries`);
  const entries: { position: number; entry: NewEntry }[] = [];
  let last = after;
  for (let index = 0; index < rest.length; index += 2) {
    const step = rest[index];
    if (!isPosition(step) || step < 1)
      return bad(`step of entry ${index / 2 + 1}: must be an integer of 1 or more`);
    last += step;
    const entry = ingestEntryOf(rest[index + 1] ?? null);
    if (!entry.ok) return bad(`entry ${index / 2 + 1}: ${entry.problem.text}`);
    entries.push({ position: last, entry: entry.value });
  }
  if (!isPosition(last)) return bad("step: positions must stay below 2^53");
  return good({ epoch, after, last, entries });
}

function isPosition(value: unknown): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
}

/** Head of a CBOR array of definite length (RFC 8949, 3.1). */
function arrayHead(count: number): Uint8Array {
  const bytes = Uint8Array.of(0x9a, 0, 0, 0, 0);
  new DataView(bytes.buffer).setUint32(1, count);
  return bytes;
}
