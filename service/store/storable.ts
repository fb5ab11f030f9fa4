import type { NewEntry } from "../../protocol/entry.ts";
import type { EntryRun, TextRun } from "../../protocol/entry-run.ts";

/** Bytes of a key that the engine takes, less our prefix. A source (docs/protocol.md 1.3) and a boot stay far below. */
export const NAME_BYTES_MAX = 1024;

interface WellFormed {
  isWellFormed(): boolean;
}

/**
 * Throws a TypeError for an entry that would not come back as it is: decoders refuse such input with a status, so one
 * that gets here is a mistake of ours.
 */
export function assertStorable(entry: NewEntry): void {
  assertSrc(entry.src);
  assertText("stream", entry.stream);
  assertText("msg", entry.msg);
  assertInteger("timestamp", entry.timestamp, 0);
  assertInteger("received", entry.received, 0);
  if (entry.module !== undefined) assertText("module", entry.module);
  if (entry.boot !== undefined) assertBoot(entry.boot);
  if (entry.seq !== undefined) {
    assertInteger("seq", entry.seq, 1);
    if (entry.boot === undefined) throw new TypeError("seq: there is no boot");
  }
  if (entry.uptime !== undefined) assertInteger("uptime", entry.uptime, 0);
  if (entry.clockError !== undefined) assertInteger("clockError", entry.clockError, 0);
  if (entry.lost !== undefined) {
    assertBoot(entry.lost.boot);
    assertInteger("lost.first", entry.lost.first, 1);
    assertInteger("lost.last", entry.lost.last, entry.lost.first);
    if (entry.boot !== undefined && entry.boot !== entry.lost.boot)
      throw new TypeError("lost: another boot's");
  }
}

/** The same for entries in columns, whose messages are ASCII. */
export function assertRunStorable({ src, boot, received, lines }: EntryRun): void {
  assertSrc(src);
  assertBoot(boot);
  // Times never fall.
  const first = lines.timeAt(0);
  const last = lines.timeAt(lines.count - 1);
  const seqLast = lines.seqFirst + lines.count - 1;
  // First looked at here, as each number that is handed on is an object.
  if (!(isWhole(received) && isWhole(first) && isWhole(last))) {
    assertInteger("received", received, 0);
    assertInteger("timestamp", first, 0);
    assertInteger("timestamp", last, 0);
  }
  assertInteger("seq", lines.seqFirst, 1);
  assertInteger("seq", seqLast, 1);
  for (let index = 0; index < lines.count; index++) {
    const module = lines.moduleAt(index);
    if (module !== undefined) assertText("module", module);
  }
}

/** The same for console lines. */
export function assertTextsStorable({ src, stream, received, texts }: TextRun): void {
  assertSrc(src);
  assertText("stream", stream);
  assertInteger("received", received, 0);
  for (const text of texts) assertText("msg", text);
}

/** The same for the name of a project. */
export function assertProject(project: string): void {
  assertText("project", project);
  if (project.length === 0 || project.length > NAME_BYTES_MAX / 3)
    throw new TypeError("project: wrong length");
}

function assertSrc(src: string): void {
  assertText("src", src);
  if (src.length === 0 || src.length > NAME_BYTES_MAX / 3) throw new TypeError("src: wrong length");
}

function assertBoot(boot: string): void {
  assertText("boot", boot);
  if (boot.length === 0 || boot.length > NAME_BYTES_MAX / 3) throw new TypeError("boot: wrong length");
}

function assertText(name: string, value: string): void {
  if (!(value as string & WellFormed).isWellFormed()) throw new TypeError(`${name}: lone surrogates`);
}

function isWhole(value: number): boolean {
  return value >= 0 && value <= Number.MAX_SAFE_INTEGER && Math.floor(value) === value;
}

function assertInteger(name: string, value: number, min: number): void {
  if (!Number.isSafeInteger(value) || value < min)
    throw new TypeError(`${name}: not an integer from ${min} up`);
}
