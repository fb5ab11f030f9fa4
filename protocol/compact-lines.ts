import { CompactBoot, CompactMark, entryCommand, isMark, LEVEL_NAMES } from "./compact-frame.ts";
import type { MsgJson } from "./entry.ts";
import { type Boot, COMMANDS_MAX, type Command, type Frame, type FrameLines, UTC_MS_MIN } from "./frame.ts";
import { hexDigit } from "./hex-digit.ts";
import type { Level } from "./level.ts";
import { hashOfLineBytes } from "./line-hash.ts";
import { checkSrc, checkStream, isBoot } from "./names.ts";
import { decodeUtf8 } from "./utf8.ts";

/** A thousand lines of 64 characters; a larger frame is read element by element. */
const BYTES_MAX = 64 * 1024;
/** Read beyond the end: a word, behind the six bytes of an escape that the end cuts. */
const SLACK_BYTES = 12;
/** Of some hundred frames of 20 lines: what is left over at the end is little, and what a line keeps alive is too. */
const SLAB_BYTES = 256 * 1024;
/** Surely below 2^53. */
const DIGITS_MAX = 15;

const QUOTE = 0x22;
const COMMA = 0x2c;
const DIGIT_0 = 0x30;
const DIGIT_9 = 0x39;
const BRACKET_OPEN = 0x5b;
const BACKSLASH = 0x5c;
const BRACKET_CLOSE = 0x5d;
const LETTER_U = 0x75;
/** What may stand behind a backslash, beside `u` and four hexadecimal digits. */
const ESCAPED = ascii('"\\/bfnrt');
const NULL_BEFORE_NAME = ascii('null,"');

/** Frames one behind the other: their lines stay where they are until they are stored, and memory for each would be work for the collector. */
let bytes = new Uint8Array(0);
let words = new DataView(bytes.buffer);
/** Up to where frames lie in it that were taken. */
let usedBytes = 0;
const encoder = new TextEncoder();

/** Numbers of a line: one array of them for a frame, in place of one for each column. */
const Column = { Time: 0, Level: 1, Hash: 2, Start: 3, End: 4 } as const;
const COLUMN_COUNT = 5;
/** Of the frame at hand. Doubles from the first, so that the engine copies a part of it as it is. */
const numbers: number[] = new Array(COMMANDS_MAX * COLUMN_COUNT).fill(0.5);

/** Where the number or string ended that was read last. */
let end = 0;
/** Behind the frame at hand. */
let frameEnd = 0;
let hasEscapes = false;
/** The boot of the frame before, which nearly always is the next one's too. */
let lastBoot = new CompactBoot("");
let lastSrc: string | undefined;

/**
 * Reads a compact frame of nothing but whole lines, which nearly all are, in one pass over its bytes (docs/protocol.md 12). Undefined where it
 * is any other, or wrong: that is to be read element by element.
 */
export function decodeCompactLines(frame: Uint8Array): Frame | undefined {
  if (frame.length > BYTES_MAX || frame[0] !== BRACKET_OPEN || frame[1] !== QUOTE) return undefined;
  const start = makeRoom(frame.length);
  bytes.set(frame, start);
  return readFrame(start, frame.length);
}

/** The same of a frame that came as text. */
export function decodeCompactLinesText(text: string): Frame | undefined {
  const size = text.length;
  if (size > BYTES_MAX || !text.startsWith('["')) return undefined;
  const start = makeRoom(size);
  // A text of as many units as its UTF-8 has bytes is ASCII.
  const { read, written } = encoder.encodeInto(text, bytes.subarray(start, start + size));
  return read === size && written === size ? readFrame(start, size) : undefined;
}

/** Where a frame of so many bytes goes. */
function makeRoom(size: number): number {
  if (usedBytes + size + SLACK_BYTES > bytes.length) {
    bytes = new Uint8Array(SLAB_BYTES);
    words = new DataView(bytes.buffer);
    usedBytes = 0;
  }
  return usedBytes;
}

function readFrame(start: number, size: number): Frame | undefined {
  frameEnd = start + size;
  // What was refused may lie there.
  bytes.fill(0, frameEnd, frameEnd + SLACK_BYTES);
  hasEscapes = false;
  if (!skipString(start + 2) || hasEscapes) return undefined;
  const mark = String.fromCharCode(bytes[start + 2] ?? 0);
  const boot = bootBetween(start + 3, end - 1);
  if (!isMark(mark) || !isBoot(boot.text)) return undefined;
  const hasSrc = bytes[end] === COMMA && bytes[end + 1] === QUOTE;
  const src = hasSrc ? readSrc(end + 2) : undefined;
  if (hasSrc && src === undefined) return undefined;
  const first = integerBehindComma(end);
  const skipped = integerBehindComma(end);
  const time = integerBehindComma(end);
  const age = integerBehindComma(end);
  if (first < 1 || skipped < 0 || time < 0 || age < 0) return undefined;
  const lines = readLines(first + skipped, time);
  if (lines === undefined) return undefined;
  usedBytes = frameEnd + SLACK_BYTES;
  return new LinesFrame(mark, boot, src, first, time + age, lines);
}

function bootBetween(start: number, textEnd: number): Boot {
  const { text } = lastBoot;
  if (text.length !== textEnd - start || !isAt(text, start))
    lastBoot = new CompactBoot(asciiBetween(start, textEnd));
  return lastBoot;
}

/** The name whose first character is at `start`; undefined where it is none, or has an escape. */
function readSrc(start: number): string | undefined {
  if (!skipString(start) || hasEscapes) return undefined;
  const textEnd = end - 1;
  if (lastSrc !== undefined && lastSrc.length === textEnd - start && isAt(lastSrc, start)) return lastSrc;
  const src = checkSrc(asciiBetween(start, textEnd));
  lastSrc = src.ok ? src.value : undefined;
  return lastSrc;
}

function isAt(text: string, start: number): boolean {
  let index = 0;
  while (index < text.length && text.charCodeAt(index) === bytes[start + index]) index++;
  return index === text.length;
}

function asciiBetween(start: number, textEnd: number): string {
  return decodeUtf8(bytes.subarray(start, textEnd)).text;
}

function readLines(seqFirst: number, timeFirst: number): LineColumns | undefined {
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
      const at = count * COLUMN_COUNT;
      numbers[at + Column.Time] = time;
      numbers[at + Column.Level] = level;
      numbers[at + Column.Hash] = hashOfLineBytes(words, start, end, level, module);
      numbers[at + Column.Start] = start;
      numbers[at + Column.End] = end;
      if (module !== undefined) {
        modules ??= [];
        modules[count] = module;
        module = undefined;
      }
      count += 1;
    } else if (byte === NULL_BEFORE_NAME[0]) {
      module = readModule(start);
      if (module === undefined) return undefined;
    } else {
      const step = integerBehindComma(end);
      if (step < 0) return undefined;
      time += Math.floor(step / LEVEL_NAMES.length);
      level = step % LEVEL_NAMES.length;
    }
  }
  const isWhole = bytes[end] === BRACKET_CLOSE && end + 1 === frameEnd;
  if (!isWhole || count === 0 || module !== undefined) return undefined;
  if (!Number.isSafeInteger(time) || !Number.isSafeInteger(seqFirst + count)) return undefined;
  return new LineColumns(seqFirst, count, bytes, numbers.slice(0, count * COLUMN_COUNT), modules);
}

/** Behind `null` at `start`; one that is a word with an escape, or is none, is not read here. */
function readModule(start: number): string | undefined {
  const nameStart = start + NULL_BEFORE_NAME.length;
  const escapesBefore = hasEscapes;
  hasEscapes = false;
  if (!NULL_BEFORE_NAME.every((byte, index) => bytes[start + index] === byte)) return undefined;
  if (!skipString(nameStart) || hasEscapes) return undefined;
  hasEscapes = escapesBefore;
  const name = checkStream(asciiBetween(nameStart, end - 1), "module");
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
    const escapeBytes = byte === BACKSLASH ? escapeBytesAt(at + 1) : 0;
    if (escapeBytes === 0) return false;
    hasEscapes = true;
    at += 1 + escapeBytes;
  }
}

/** Of an escape behind its backslash; 0 where JSON has no such. */
function escapeBytesAt(at: number): number {
  if (bytes[at] !== LETTER_U) return ESCAPED.includes(bytes[at] ?? 0) ? 1 : 0;
  for (let index = at + 1; index <= at + 4; index++) if (hexDigit(bytes[index] ?? 0) === undefined) return 0;
  return 5;
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

function ascii(text: string): readonly number[] {
  return Array.from(text, (character) => character.charCodeAt(0));
}

class LineColumns implements FrameLines {
  readonly seqFirst: number;
  readonly count: number;
  readonly bytes: Uint8Array;
  readonly #numbers: readonly number[];
  /** By line; absent where none has one. */
  readonly #modules: readonly (string | undefined)[] | undefined;
  /** Of all lines. */
  #text: string | undefined;

  constructor(
    seqFirst: number,
    count: number,
    memory: Uint8Array,
    numbersOfLines: readonly number[],
    modules: readonly (string | undefined)[] | undefined,
  ) {
    this.seqFirst = seqFirst;
    this.count = count;
    this.bytes = memory;
    this.#numbers = numbersOfLines;
    this.#modules = modules;
  }

  msgAt(index: number): MsgJson {
    const textStart = this.startAt(0);
    this.#text ??= decodeUtf8(this.bytes.subarray(textStart, this.endAt(this.count - 1))).text;
    return this.#text.slice(this.startAt(index) - textStart, this.endAt(index) - textStart);
  }

  startAt(index: number): number {
    return this.#numbers[index * COLUMN_COUNT + Column.Start] ?? 0;
  }

  endAt(index: number): number {
    return this.#numbers[index * COLUMN_COUNT + Column.End] ?? 0;
  }

  timeAt(index: number): number {
    return this.#numbers[index * COLUMN_COUNT + Column.Time] ?? 0;
  }

  levelAt(index: number): Level | undefined {
    return LEVEL_NAMES[this.levelRankAt(index)];
  }

  levelRankAt(index: number): number {
    return this.#numbers[index * COLUMN_COUNT + Column.Level] ?? 0;
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
  readonly src?: string;
  readonly boot: Boot;
  readonly now: number;
  readonly first: number;
  readonly ack: boolean;
  readonly isCalled?: true;
  readonly answerCount = 0;
  readonly clock: "utc" | "uptime";
  readonly #lines: FrameLines;
  #commands: readonly Command[] | undefined;

  constructor(
    mark: CompactMark,
    boot: Boot,
    src: string | undefined,
    first: number,
    now: number,
    lines: FrameLines,
  ) {
    if (src !== undefined) this.src = src;
    this.boot = boot;
    this.ack = mark !== CompactMark.Unacked;
    if (mark === CompactMark.Called) this.isCalled = true;
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
