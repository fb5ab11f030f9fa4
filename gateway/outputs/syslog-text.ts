import type { NewEntry } from "../../protocol/entry.ts";
import type { Level } from "../../protocol/level.ts";

/** RFC 5424, 6.2.1: those that are for one's own use, and what a Unix machine calls the others. */
export const SyslogFacility = {
  kern: 0,
  user: 1,
  daemon: 3,
  syslog: 5,
  local0: 16,
  local1: 17,
  local2: 18,
  local3: 19,
  local4: 20,
  local5: 21,
  local6: 22,
  local7: 23,
} as const;
export type SyslogFacility = keyof typeof SyslogFacility;

export interface SyslogTextOptions {
  readonly facility: SyslogFacility;
  /** APP-NAME of everything. */
  readonly appName: string;
  /** Largest whole; the text is cut. */
  readonly bytesMax: number;
}

export interface SyslogText {
  readonly bytes: Buffer;
  readonly isCut: boolean;
}

/** RFC 5424, 6.2.1. An entry that says no level is informational. */
const SEVERITY: Readonly<Record<Level, number>> = { error: 3, warn: 4, info: 6, debug: 7 };
const SEVERITY_DEFAULT = 6;
/** Lengths of RFC 5424, 6. */
const HOSTNAME_MAX = 255;
const APP_NAME_MAX = 48;
const PROCID_MAX = 128;
const MSGID_MAX = 32;
/** Years have four digits. */
const TIME_MAX_MS = Date.UTC(9999, 11, 31);
/** "meta", 7.3.1: the sequence number has 31 bits and begins with 1. */
const SEQUENCE_MAX = 2_147_483_647;
/** Names of our own elements need a private enterprise number; 32473 is the one for those who have none (RFC 5612). */
const OWN_ID = "boardlog@32473";
/** Says that the text is UTF-8 (6.4); ASCII needs no saying, and many receivers show the mark. */
const BOM = Buffer.of(0xef, 0xbb, 0xbf);

/**
 * An entry as RFC 5424 writes one: the source is the HOSTNAME, the boot the PROCID (a change of it "indicates a discontinuity"),
 * the stream the MSGID; `timeQuality`, `meta` and an element of our own say the rest.
 */
export function encodeSyslog(entry: NewEntry, options: SyslogTextOptions): SyslogText {
  const { src, stream, timestamp, level, boot, msg } = entry;
  const severity = level === undefined ? SEVERITY_DEFAULT : SEVERITY[level];
  const head = [
    `<${SyslogFacility[options.facility] * 8 + severity}>1`,
    timeText(timestamp),
    name(src, HOSTNAME_MAX),
    name(options.appName, APP_NAME_MAX),
    boot === undefined ? "-" : name(boot, PROCID_MAX),
    name(stream, MSGID_MAX),
    elements(entry),
  ].join(" ");
  // A text as it is; an object or array as its JSON.
  const text = msg.startsWith('"') ? String(JSON.parse(msg)) : msg;
  const start = Buffer.from(`${head} `, "utf8");
  const body = Buffer.from(text, "utf8");
  const mark = body.length === text.length ? Buffer.alloc(0) : BOM;
  const roomBytes = Math.max(0, options.bytesMax - start.length - mark.length);
  const isCut = body.length > roomBytes;
  return { bytes: Buffer.concat([start, mark, isCut ? cutUtf8(body, roomBytes) : body]), isCut };
}

function elements(entry: NewEntry): string {
  const { src, module, timestamp, received, clock, clockError, seq, uptime } = entry;
  const isSynced = clock !== "server";
  const accuracy = isSynced && clockError !== undefined ? { syncAccuracy: clockError * 1000 } : {};
  const meta = {
    ...(seq !== undefined && { sequenceId: ((seq - 1) % SEQUENCE_MAX) + 1 }),
    // Hundredths of a second.
    ...(uptime !== undefined && { sysUpTime: Math.floor(uptime / 10) }),
  };
  return [
    element("timeQuality", { tzKnown: 1, isSynced: isSynced ? 1 : 0, ...accuracy }),
    Object.keys(meta).length === 0 ? "" : element("meta", meta),
    element(OWN_ID, {
      src,
      ...(module !== undefined && { module }),
      clock,
      ...(received !== timestamp && { received: timeText(received) }),
    }),
  ].join("");
}

function element(id: string, params: Readonly<Record<string, string | number>>): string {
  const texts = Object.entries(params).map(
    ([key, value]) => ` ${key}="${String(value).replaceAll(/["\\\]]/g, "\\$&")}"`,
  );
  return `[${id}${texts.join("")}]`;
}

/** RFC 5424, 6.2.3; a clock that is beyond it tells no time. */
function timeText(ms: number): string {
  return ms <= TIME_MAX_MS ? new Date(ms).toISOString() : "-";
}

/** PRINTUSASCII of bounded length: other bytes as %XX, so that different names stay different. */
function name(text: string, lengthMax: number): string {
  let written = "";
  for (const byte of Buffer.from(text, "utf8")) {
    const isPlain = byte > 0x20 && byte < 0x7f && byte !== 0x25;
    const next = isPlain ? String.fromCharCode(byte) : `%${byte.toString(16).toUpperCase().padStart(2, "0")}`;
    if (written.length + next.length > lengthMax) break;
    written += next;
  }
  return written === "" ? "-" : written;
}

/** As many whole characters as fit. */
function cutUtf8(bytes: Buffer, sizeMax: number): Buffer {
  let end = sizeMax;
  while (end > 0 && ((bytes[end] ?? 0) & 0xc0) === 0x80) end -= 1;
  return bytes.subarray(0, end);
}
