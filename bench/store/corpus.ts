import { existsSync, readFileSync } from "node:fs";
import type { MsgJson, NewEntry } from "../../protocol/entry.ts";
import { type Level, parseLevel } from "../../protocol/level.ts";

interface Line {
  readonly level: Level | undefined;
  readonly msg: string;
}

const TEMPLATES: readonly (() => string)[] = [
  () => `wifi: rssi=-${30 + below(60)} dBm ch=${1 + below(13)} bssid=a4:91:b1:${hex()}:${hex()}:${hex()}`,
  () =>
    `sensor: temperature=${(below(400) / 10).toFixed(1)} humidity=${(below(1000) / 10).toFixed(1)} pressure=${95000 + below(9000)}`,
  () =>
    `pump: state=run target=${(below(400) / 10).toFixed(1)} rpm=${1000 + below(4000)} current=${below(1200)} mA duty=${below(100)}%`,
  () => `err: i2c bus ${below(2)} addr 0x${hex()} nack, retry ${1 + below(3)} of 3`,
  () => `gpio: pin ${below(40)} edge=rising count=${below(100_000)} debounce=${below(5000)} us`,
  () =>
    `heap: free=${40_000 + below(10_000)} min=${30_000 + below(9000)} largest=${20_000 + below(9000)} uptime=${below(90_000)} s`,
  () =>
    `mqtt: publish topic=dev/${below(1000)}/telemetry bytes=${100 + below(200)} qos=1 took=${below(200)} ms`,
];
const LEVELS = ["debug", "info", "warn", "error"];

let state = 1;
function below(end: number): number {
  state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
  return Math.floor((state / 0x100000000) * end);
}
function hex(): string {
  return below(256).toString(16).padStart(2, "0");
}

/** Lines of boards: from a file of JSON lines (`lvl`, `msg`) where there is one, else made up alike. */
export function readLines(path: string | undefined): Line[] {
  if (path !== undefined && existsSync(path)) {
    const lines = readFileSync(path, "utf8").trim().split("\n");
    return lines.map((text) => {
      const { lvl, msg } = JSON.parse(text) as { lvl: string; msg: string };
      return { level: parseLevel(lvl), msg };
    });
  }
  return Array.from({ length: 20_000 }, () => {
    const template = TEMPLATES[below(TEMPLATES.length)];
    return { level: parseLevel(LEVELS[below(4)] ?? ""), msg: template?.() ?? "" };
  });
}

/**
 * Entries of `sourceCount` interleaved boards, from index `from` on: the corpus again and again with new times, seqs and
 * numbers, so that compression does not see the same lines twice.
 */
export function makeEntries(
  lines: readonly Line[],
  sourceCount: number,
  from: number,
  count: number,
): NewEntry[] {
  const entries: NewEntry[] = [];
  for (let index = from; index < from + count; index++) {
    const line = lines[index % lines.length];
    if (line === undefined) break;
    const round = Math.floor(index / lines.length);
    const msg = round === 0 ? line.msg : line.msg.replace(/\d{2,}/g, (digits) => varied(digits, round));
    const source = index % sourceCount;
    const timestamp = 1_763_784_000_000 + index;
    entries.push({
      src: `dev-${String(source).padStart(4, "0")}`,
      stream: "console",
      msg: JSON.stringify(msg) as MsgJson,
      timestamp,
      received: timestamp + 40 + (index % 17),
      clock: "device",
      boot: `b${source}`,
      seq: Math.floor(index / sourceCount) + 1,
      ...(line.level && { level: line.level }),
    });
  }
  return entries;
}

/** Another number of as many digits. */
function varied(digits: string, round: number): string {
  const scale = 10 ** digits.length;
  const value = (Number(digits) * 31 + round * 7919) % scale;
  return String(value).padStart(digits.length, "0");
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

/**
 * The same, without garbage: one batch of entry objects whose fields are set anew each time, so that what is measured is the
 * store and not the collector cleaning up after the benchmark. Every source gets another line each time.
 */
export class EntryPool {
  readonly #lines: readonly { readonly level: Level | undefined; readonly msg: MsgJson }[];
  readonly #sources: readonly { readonly src: string; readonly boot: string }[];
  readonly #entries: Mutable<NewEntry>[];
  #next = 0;

  constructor(lines: readonly Line[], sourceCount: number, batchEntries: number) {
    this.#lines = lines.map(({ level, msg }) => ({ level, msg: JSON.stringify(msg) as MsgJson }));
    this.#sources = Array.from({ length: sourceCount }, (_, index) => ({
      src: `dev-${String(index).padStart(4, "0")}`,
      boot: `b${index}`,
    }));
    this.#entries = makeEntries(lines, sourceCount, 0, batchEntries);
  }

  /** The next batch; the one before must not be in use any more. */
  batch(): readonly NewEntry[] {
    for (const entry of this.#entries) {
      const index = this.#next++;
      const sourceCount = this.#sources.length;
      const source = this.#sources[index % sourceCount];
      const round = Math.floor(index / sourceCount);
      const line = this.#lines[(index + round * 7) % this.#lines.length];
      if (source === undefined || line === undefined) break;
      entry.src = source.src;
      entry.boot = source.boot;
      entry.seq = round + 1;
      entry.msg = line.msg;
      if (line.level !== undefined) entry.level = line.level;
      entry.timestamp = 1_763_784_000_000 + index;
      entry.received = entry.timestamp + 40 + (index % 17);
    }
    return this.#entries;
  }
}

/** So many entries of interleaved boards in batches of 1,000; each batch is good until the next is taken. */
export function* corpusBatches(entryCount: number, sourceCount: number): Generator<readonly NewEntry[]> {
  const pool = new EntryPool(readLines(undefined), sourceCount, 1_000);
  for (let made = 0; made < entryCount; made += 1_000) yield pool.batch();
}
