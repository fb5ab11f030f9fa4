import type { NewEntry } from "../../protocol/entry.ts";
import { ByteReader } from "./byte-reader.ts";
import { ByteWriter } from "./byte-writer.ts";
import { CHECKED_HEAD_BYTES, openValue, sealValue, ValueKind } from "./checked-value.ts";
import { skipRow, writeRow } from "./entry-record.ts";

/** A source as a batch names it: its numbers and its names, so that a log can be read without anything beside it. */
export interface BatchSource {
  readonly number: number;
  readonly src: string;
  readonly project: { readonly number: number; readonly name: string };
}

/** How the messages of a batch are written: a place in them is a place in the joined text, times the width. */
const MessageForm = { Ascii: 0, Utf16: 1 } as const;

/** The bytes of one transaction, and where its messages are in them. */
export interface BatchValue {
  readonly value: Buffer;
  readonly messagesStart: number;
  /** Bytes a UTF-16 unit of a message takes: 1 or 2. */
  readonly unitBytes: number;
}

export interface Batch<S> extends BatchValue {
  /** Positions are consecutive from here. */
  readonly firstPosition: number;
  readonly entryCount: number;
  /** By index. */
  readonly sources: readonly S[];
  /** By row: index of its source, and where its length is. At least `entryCount` long; a builder's are good until it is used again. */
  readonly rowSources: Uint32Array;
  readonly rowStarts: Uint32Array;
}

/**
 * Builds the value of one transaction: `[count][projects][sources][form and size of the messages][messages][rows]`, where a
 * row is `[index of its source][length][row]`. The messages are written in one go, which costs a third of one at a time.
 */
export class BatchBuilder<S extends BatchSource> {
  readonly #head = new ByteWriter(4096);
  readonly #rows = new ByteWriter(1 << 16);
  readonly #indexes = new Map<S, number>();
  readonly #messages: string[] = [];
  #messageUnits = 0;
  #sources: S[] = [];
  #rowSources = new Uint32Array(1024);
  #rowStarts = new Uint32Array(1024);
  #entryCount = 0;

  get entryCount(): number {
    return this.#entryCount;
  }

  /** True when the batch did not hold anything of the source before. */
  add(source: S, entry: NewEntry): boolean {
    let index = this.#indexes.get(source);
    const isFirst = index === undefined;
    if (index === undefined) {
      index = this.#sources.push(source) - 1;
      this.#indexes.set(source, index);
    }
    const row = this.#entryCount++;
    if (row === this.#rowStarts.length) this.#grow();
    this.#rows.varint(index);
    this.#rowSources[row] = index;
    this.#rowStarts[row] = this.#rows.length;
    writeRow(this.#rows, entry, this.#messageUnits);
    this.#messages.push(entry.msg);
    this.#messageUnits += entry.msg.length;
    return isFirst;
  }

  /** The batch, whose value is its own; the builder is empty again. */
  finish(firstPosition: number): Batch<S> {
    const text = this.#messages.join("");
    const isAscii = Buffer.byteLength(text) === text.length;
    const messages = Buffer.from(text, isAscii ? "latin1" : "utf16le");
    const head = this.#writeHead(isAscii ? MessageForm.Ascii : MessageForm.Utf16, messages.length);
    const value = sealValue(ValueKind.Batch, head, messages, this.#rows.view());
    const messagesStart = CHECKED_HEAD_BYTES + head.length;
    const rowsStart = messagesStart + messages.length;
    const rowStarts = this.#rowStarts;
    for (let row = 0; row < this.#entryCount; row++) rowStarts[row] = (rowStarts[row] ?? 0) + rowsStart;
    const batch = {
      firstPosition,
      entryCount: this.#entryCount,
      value,
      messagesStart,
      unitBytes: isAscii ? 1 : 2,
      sources: this.#sources,
      rowSources: this.#rowSources,
      rowStarts,
    };
    this.#sources = [];
    this.#indexes.clear();
    this.#messages.length = 0;
    this.#messageUnits = 0;
    this.#entryCount = 0;
    this.#rows.clear();
    return batch;
  }

  #writeHead(form: number, messagesBytes: number): Buffer {
    const head = this.#head;
    head.clear();
    head.varint(this.#entryCount);
    const projects = new Map<S["project"], number>();
    for (const source of this.#sources) {
      if (!projects.has(source.project)) projects.set(source.project, projects.size);
    }
    head.varint(projects.size);
    for (const project of projects.keys()) {
      head.varint(project.number);
      head.text(project.name);
    }
    head.varint(this.#sources.length);
    for (const source of this.#sources) {
      head.varint(projects.get(source.project) ?? 0);
      head.varint(source.number);
      head.text(source.src);
    }
    head.u8(form);
    head.varint(messagesBytes);
    return head.view();
  }

  #grow(): void {
    this.#rowSources = grown(this.#rowSources);
    this.#rowStarts = grown(this.#rowStarts);
  }
}

/**
 * Reads a batch back. `resolve` gives the source for what the batch says of it. Undefined where the checksum fails.
 * @throws MalformedRecord
 */
export function readBatch<S>(
  firstPosition: number,
  stored: Uint8Array,
  resolve: (source: BatchSource) => S,
): Batch<S> | undefined {
  const value = openValue(ValueKind.Batch, stored);
  if (value === undefined) return undefined;
  const reader = new ByteReader(value, CHECKED_HEAD_BYTES);
  const entryCount = reader.varint();
  const projects: { number: number; name: string }[] = [];
  for (let left = reader.varint(); left > 0; left--)
    projects.push({ number: reader.varint(), name: reader.text() });
  const sources: S[] = [];
  for (let left = reader.varint(); left > 0; left--) {
    const project = projects[reader.varint()];
    const number = reader.varint();
    const src = reader.text();
    if (project === undefined) throw new RangeError("a batch names a project that it does not list");
    sources.push(resolve({ number, src, project }));
  }
  const unitBytes = reader.u8() === MessageForm.Ascii ? 1 : 2;
  const messagesBytes = reader.varint();
  const messagesStart = reader.position;
  reader.skip(messagesBytes);
  const rowSources = new Uint32Array(entryCount);
  const rowStarts = new Uint32Array(entryCount);
  for (let row = 0; row < entryCount; row++) {
    rowSources[row] = reader.varint();
    rowStarts[row] = reader.position;
    skipRow(reader);
  }
  return { firstPosition, entryCount, value, messagesStart, unitBytes, sources, rowSources, rowStarts };
}

/** The same numbers with room for as many again. */
export function grown(numbers: Uint32Array): Uint32Array<ArrayBuffer> {
  const larger = new Uint32Array(numbers.length * 2);
  larger.set(numbers);
  return larger;
}
