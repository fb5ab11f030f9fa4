import { type ByteReader, MalformedRecord } from "./byte-reader.ts";
import { ByteWriter } from "./byte-writer.ts";
import type { ChunkMemory } from "./chunk-memory.ts";
import { writeInteger } from "./json-digits.ts";
import { NumberColumn, readNumbers, writeNumbers } from "./number-column.ts";

/*
 * Messages of a compact chunk as templates with what varies taken out: words (runs of ASCII letters and digits) that hold a digit.
 *
 * templates  [count][texts][number of each message's template]; in a text, MARK stands for a word taken out
 * words      per template and place in it: [form][numbers] where every word is the plain decimal form of a number, else
 *            [form][lengths][characters]
 *
 * A message that holds MARK itself, or more words than WORDS_MAX, is a template of its own with one word: the whole message.
 */
const MARK = "\u0001";
const WORDS_MAX = 40;
const WHOLE = `${MARK}${MARK}`;

const WordForm = { Numbers: 0, Texts: 1 } as const;

/** Digits of a number that is kept as one: beyond, it is a text. */
const DIGITS_MAX = 15;
const WORD = /[A-Za-z]*[0-9][0-9A-Za-z]*/g;

interface TemplateUnderWay {
  readonly number: number;
  /** By place: the words of its messages, in their order. */
  readonly places: string[][];
}

export class TemplateBuilder {
  readonly #templates = new Map<string, TemplateUnderWay>();
  readonly #numbers: number[] = [];

  add(message: string): void {
    let words = message.includes(MARK) ? undefined : (message.match(WORD) ?? []);
    if (words !== undefined && words.length > WORDS_MAX) words = undefined;
    const text = words === undefined ? WHOLE : message.replace(WORD, MARK);
    let template = this.#templates.get(text);
    if (template === undefined) {
      template = { number: this.#templates.size, places: (words ?? [message]).map(() => []) };
      this.#templates.set(text, template);
    }
    this.#numbers.push(template.number);
    const { places } = template;
    const values = words ?? [message];
    for (let index = 0; index < places.length; index++) places[index]?.push(values[index] ?? "");
  }

  /** The two columns; the builder is empty again. */
  finish(templates: ByteWriter, words: ByteWriter): void {
    templates.varint(this.#templates.size);
    for (const text of this.#templates.keys()) templates.text(text);
    writeNumbers(templates, this.#numbers);
    for (const { places } of this.#templates.values()) for (const values of places) writeWords(words, values);
    this.#templates.clear();
    this.#numbers.length = 0;
  }
}

function writeWords(to: ByteWriter, words: readonly string[]): void {
  if (words.every(isPlainNumber)) {
    to.u8(WordForm.Numbers);
    writeNumbers(to, words.map(Number));
    return;
  }
  to.u8(WordForm.Texts);
  const characters = new ByteWriter(1024);
  const lengths: number[] = [];
  for (const word of words) {
    const before = characters.length;
    characters.characters(word);
    lengths.push(characters.length - before);
  }
  writeNumbers(to, lengths);
  const bytes = characters.view();
  to.copy(bytes, 0, bytes.length);
}

function isPlainNumber(word: string): boolean {
  if (word.length > DIGITS_MAX || (word.length > 1 && word.charCodeAt(0) === 48)) return false;
  for (let index = 0; index < word.length; index++) {
    const code = word.charCodeAt(index);
    if (code < 48 || code > 57) return false;
  }
  return word.length > 0;
}

/** Words of one place, taken out of the bytes when asked for. */
interface Words {
  at(occurrence: number): string;
  /** The same as UTF-8 bytes. */
  write(occurrence: number, to: ByteWriter): void;
}

interface Template {
  /** The text between its words. */
  readonly parts: readonly string[];
  readonly places: readonly Words[];
}

/** Puts messages together again, one at a time. */
export class TemplateReader {
  readonly #templates: Template[] = [];
  readonly #numbers: Float64Array;
  /** By message: how many of the same template come before it. */
  readonly #occurrences: Float64Array;

  constructor(templates: ByteReader, words: ByteReader, messageCount: number, memory: ChunkMemory) {
    const texts: string[] = [];
    for (let left = templates.varint(); left > 0; left--) texts.push(templates.text());
    const numbers = readNumbers(templates, messageCount, memory.numbers(messageCount));
    const occurrences = memory.numbers(messageCount);
    const counts: number[] = texts.map(() => 0);
    for (let index = 0; index < messageCount; index++) {
      const template = numbers[index] ?? 0;
      const count = counts[template] ?? 0;
      occurrences[index] = count;
      counts[template] = count + 1;
    }
    this.#numbers = numbers;
    this.#occurrences = occurrences;
    for (const [template, text] of texts.entries()) {
      const parts = text === WHOLE ? ["", ""] : text.split(MARK);
      const places: Words[] = [];
      for (let place = 1; place < parts.length; place++) places.push(readWords(words, counts[template] ?? 0));
      this.#templates.push({ parts, places });
    }
  }

  messageAt(index: number): string {
    const template = this.#templates[this.#numbers[index] ?? 0];
    if (template === undefined) throw new MalformedRecord("a message has no template");
    const occurrence = this.#occurrences[index] ?? 0;
    const { parts, places } = template;
    let message = parts[0] ?? "";
    for (let place = 0; place < places.length; place++) {
      message += (places[place]?.at(occurrence) ?? "") + (parts[place + 1] ?? "");
    }
    return message;
  }

  /** The same as UTF-8 bytes. */
  writeMessage(index: number, to: ByteWriter): void {
    const template = this.#templates[this.#numbers[index] ?? 0];
    if (template === undefined) throw new MalformedRecord("a message has no template");
    const occurrence = this.#occurrences[index] ?? 0;
    const { parts, places } = template;
    to.characters(parts[0] ?? "");
    for (let place = 0; place < places.length; place++) {
      places[place]?.write(occurrence, to);
      to.characters(parts[place + 1] ?? "");
    }
  }
}

function readWords(from: ByteReader, count: number): Words {
  return from.u8() === WordForm.Numbers ? new NumberWords(from, count) : new TextWords(from, count);
}

class NumberWords implements Words {
  readonly #numbers: NumberColumn;

  constructor(from: ByteReader, count: number) {
    this.#numbers = new NumberColumn(from, count);
  }

  at(occurrence: number): string {
    return String(this.#numbers.at(occurrence));
  }

  write(occurrence: number, to: ByteWriter): void {
    writeInteger(to, this.#numbers.at(occurrence));
  }
}

class TextWords implements Words {
  readonly #bytes: Buffer;
  readonly #starts: number[] = [];

  constructor(from: ByteReader, count: number) {
    const lengths = new NumberColumn(from, count);
    this.#bytes = from.bytes;
    let start = from.position;
    this.#starts.push(start);
    for (let index = 0; index < count; index++) {
      start += lengths.at(index);
      this.#starts.push(start);
    }
    from.skip(start - from.position);
  }

  at(occurrence: number): string {
    return this.#bytes.toString("utf8", this.#starts[occurrence], this.#starts[occurrence + 1]);
  }

  write(occurrence: number, to: ByteWriter): void {
    to.copy(this.#bytes, this.#starts[occurrence] ?? 0, this.#starts[occurrence + 1] ?? 0);
  }
}
