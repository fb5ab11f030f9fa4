import { CompactBoot, CompactMark, entryCommand, LEVEL_NAMES } from "./compact-frame.ts";
import type { MsgJson } from "./entry.ts";
import { type Boot, COMMANDS_MAX, type Command, type Frame, type FrameLines, UTC_MS_MIN } from "./frame.ts";
import type { Level } from "./level.ts";
import { hashOfLineBytes } from "./line-hash.ts";
import { checkStream, isBoot } from "./names.ts";

/** A thousand lines of 64 characters; a larger frame is read element by element. */
const BYTES_MAX = 64 * 1024;
/** Read beyond the end: a word, behind the two bytes of an escape that the end cuts. */
const SLACK_BYTES = 8;
/** Surely below 2^53. */
const DIGITS_MAX = 15;

const QUOTE = 0x22;
const COMMA = 0x2c;
const DIGIT_0 = 0x30;
const DIGIT_9 = 0x39;
const BRACKET_OPEN = 0x5b;
const BACKSLASH = 0x5c;
const BRACKET_CLOSE = 0x5d;
const NULL = 0x6e;

/** The frame at hand, and of each of its lines what was read: one at a time, and nothing of it is kept. */
const bytes = new Uint8Array(BYTES_MAX + SLACK_BYTES);
const words = new DataView(bytes.buffer);
const encoder = new TextEncoder();
const starts = new Uint32Array(COMMANDS_MAX);
const ends = new Uint32Array(COMMANDS_MAX);

/** Numbers of a line: one array of them for a frame, in place of one for each column. */
const Column = { Time: 0, Level: 1, Hash: 2 } as const;
const COLUMN_COUNT = 3;
/** Doubles from the first, so that the engine copies a part of it as it is. */
const numbers: number[] = new Array(COMMANDS_MAX * COLUMN_COUNT).fill(0.5);

/** Where the number or string ended that was read last. */
let end = 0;
let hasEscapes = false;

/**
 * Reads a compact frame of nothing but whole lines, which nearly all are, in one pass over its bytes (docs/protocol.md 12). Undefined where it
 * is any other, or wrong: that is to be read element by element.
 * @param from the text's UTF-8, where it is there.
 */
export function decodeCompactLines(text: string, from?: Uint8Array): Frame | undefined {
  const size = text.length;
  if (size > BYTES_MAX || !load(text, from)) return undefined;
  if (bytes[0] !== BRACKET_OPEN || bytes[1] !== QUOTE) return undefined;
  hasEscapes = false;
  if (!skipString(2) || hasEscapes) return undefined;
  const mark = text.charAt(2);
  const boot = text.slice(3, end - 1);
  if ((mark !== CompactMark.Acked && mark !== CompactMark.Unacked) || !isBoot(boot)) return undefined;
  const first = integerBehindComma(end);
  const skipped = integerBehindComma(end);
  const time = integerBehindComma(end);
  const age = integerBehindComma(end);
  if (first < 1 || skipped < 0 || time < 0 || age < 0) return undefined;
  const lines = readLines(text, first + skipped, time);
  if (lines === undefined) return undefined;
  return new LinesFrame(new CompactBoot(boot), mark === CompactMark.Acked, first, time + age, lines);
}

/** False where it is not ASCII. */
function load(text: string, from: Uint8Array | undefined): boolean {
  const size = text.length;
  // A text of as many units as its UTF-8 has bytes is ASCII.
  if (from?.length === size) bytes.set(from);
  else if (encoder.encodeInto(text, bytes).written !== size) return false;
  bytes.fill(0, size, size + SLACK_BYTES);
  return true;
}

function readLines(text: string, seqFirst: number, timeFirst: number): LineColumns | undefined {
  let count = 0;
  let time = timeFirst;
  let level = 0;
  let module: string | undefined;
  let modules: (string | undefined)[] | undefined;
  while (bytes[end] === COMMA) {
    const start = end + 1;
    const byte = bytes[start];
    if (byte === QUOTE) {
      if (count === COMMANDS_MAX || !skipString(start + 1)) return undefined;
      starts[count] = start;
      ends[count] = end;
      const at = count * COLUMN_COUNT;
      numbers[at + Column.Time] = time;
      numbers[at + Column.Level] = level;
      numbers[at + Column.Hash] = hashOfLineBytes(words, start, end, level, module);
      if (module !== undefined) {
        modules ??= [];
        modules[count] = module;
        module = undefined;
      }
      count += 1;
    } else if (byte === NULL) {
      module = readModule(text, start);
      if (module === undefined) return undefined;
    } else {
      const step = integerBehindComma(end);
      if (step < 0) return undefined;
      time += Math.floor(step / LEVEL_NAMES.length);
      level = step % LEVEL_NAMES.length;
    }
  }
  const isWhole = bytes[end] === BRACKET_CLOSE && end + 1 === text.length;
  if (!isWhole || count === 0 || module !== undefined) return undefined;
  if (!Number.isSafeInteger(time) || !Number.isSafeInteger(seqFirst + count)) return undefined;
  const msgs = new Array<MsgJson>(count);
  for (let index = 0; index < count; index++) {
    const msg = text.slice(starts[index], ends[index]);
    if (hasEscapes && !isJson(msg)) return undefined;
    msgs[index] = msg;
  }
  return new LineColumns(seqFirst, msgs, numbers.slice(0, count * COLUMN_COUNT), modules);
}

/** Behind `null` at `start`; one that is a word with an escape, or is none, is not read here. */
function readModule(text: string, start: number): string | undefined {
  const escapesBefore = hasEscapes;
  hasEscapes = false;
  if (!text.startsWith('null,"', start) || !skipString(start + 6) || hasEscapes) return undefined;
  hasEscapes = escapesBefore;
  const name = checkStream(text.slice(start + 6, end - 1), "module");
  return name.ok ? name.value : undefined;
}

/** Puts `end` behind the quote that ends the string whose first character is at `start`; false where it holds what none may. */
function skipString(start: number): boolean {
  let at = start;
  for (;;) {
    const found = notPlain(words.getInt32(at, true));
    if (found === 0) {
      at += 4;
      continue;
    }
    at += (31 - Math.clz32(found & -found)) >> 3;
    const byte = bytes[at];
    if (byte === QUOTE) {
      end = at + 1;
      return true;
    }
    if (byte !== BACKSLASH) return false;
    hasEscapes = true;
    at += 2;
  }
}

/**
 * Of four bytes of a string, the highest bit of the first that is a quote, a backslash, a control character or not ASCII, and perhaps of some
 * behind it.
 */
function notPlain(word: number): number {
  const quotes = word ^ 0x22222222;
  const backslashes = word ^ 0x5c5c5c5c;
  return (
    (((quotes - 0x01010101) & ~quotes) |
      ((backslashes - 0x01010101) & ~backslashes) |
      ((word - 0x20202020) & ~word) |
      word) &
    0x80808080
  );
}

/** Reads the integer behind the comma at `at` and puts `end` behind it. -1 where there is none, or none that is easy to read. */
function integerBehindComma(at: number): number {
  const start = at + 1;
  let value = 0;
  let index = start;
  for (; index - start < DIGITS_MAX; index++) {
    const byte = bytes[index] as number;
    if (!(byte >= DIGIT_0 && byte <= DIGIT_9)) break;
    value = value * 10 + byte - DIGIT_0;
  }
  const hasZeroBefore = bytes[start] === DIGIT_0 && index > start + 1;
  const next = bytes[index];
  if (bytes[at] !== COMMA || index === start || hasZeroBefore || (next !== COMMA && next !== BRACKET_CLOSE))
    return -1;
  end = index;
  return value;
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

class LineColumns implements FrameLines {
  readonly seqFirst: number;
  readonly #msgs: readonly MsgJson[];
  readonly #numbers: readonly number[];
  /** By line; absent where none has one. */
  readonly #modules: readonly (string | undefined)[] | undefined;

  constructor(
    seqFirst: number,
    msgs: readonly MsgJson[],
    numbersOfLines: readonly number[],
    modules: readonly (string | undefined)[] | undefined,
  ) {
    this.seqFirst = seqFirst;
    this.#msgs = msgs;
    this.#numbers = numbersOfLines;
    this.#modules = modules;
  }

  get count(): number {
    return this.#msgs.length;
  }

  msgAt(index: number): MsgJson {
    return this.#msgs[index] ?? "";
  }

  timeAt(index: number): number {
    return this.#numbers[index * COLUMN_COUNT + Column.Time] ?? 0;
  }

  levelAt(index: number): Level | undefined {
    return LEVEL_NAMES[this.#numbers[index * COLUMN_COUNT + Column.Level] ?? 0];
  }

  hashAt(index: number): number {
    return this.#numbers[index * COLUMN_COUNT + Column.Hash] ?? 0;
  }

  moduleAt(index: number): string | undefined {
    return this.#modules?.[index];
  }
}

/** A frame of lines alone. */
class LinesFrame implements Frame {
  readonly v = 1;
  readonly form = "json";
  readonly boot: Boot;
  readonly now: number;
  readonly first: number;
  readonly ack: boolean;
  readonly answerCount = 0;
  readonly clock: "utc" | "uptime";
  readonly #lines: FrameLines;
  #commands: readonly Command[] | undefined;

  constructor(boot: Boot, ack: boolean, first: number, now: number, lines: FrameLines) {
    this.boot = boot;
    this.ack = ack;
    this.first = first;
    this.now = now;
    this.clock = now >= UTC_MS_MIN ? "utc" : "uptime";
    this.#lines = lines;
  }

  get lines(): FrameLines {
    return this.#lines;
  }

  get commands(): readonly Command[] {
    this.#commands ??= commandsOf(this.#lines);
    return this.#commands;
  }
}

function commandsOf(lines: FrameLines): readonly Command[] {
  return Array.from({ length: lines.count }, (_, index) =>
    entryCommand(
      lines.seqFirst + index,
      lines.msgAt(index),
      lines.timeAt(index),
      lines.levelAt(index),
      lines.moduleAt(index),
    ),
  );
}
