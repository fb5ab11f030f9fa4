import { crc32 } from "node:zlib";
import type { NewEntry, SeqRange } from "../../protocol/entry.ts";
import type { EntryRun, TextRun } from "../../protocol/entry-run.ts";
import { ByteReader } from "./byte-reader.ts";
import { ByteWriter, wordsOf } from "./byte-writer.ts";
import { CHECKED_HEAD_BYTES, ValueKind } from "./checked-value.ts";
import { RowView, skipRow, writeLineRow, writeRow, writeTextRow, writeTextStart } from "./entry-record.ts";
import { StoreUnavailable } from "./log-store.ts";
import { MessageText } from "./message-text.ts";
import { SeqRanges } from "./seq-ranges.ts";
import { type ValueBlock, ValueMemory } from "./value-memory.ts";

/** A source as a batch names it: its numbers and its names, so that a log can be read without anything beside it. */
export interface BatchSource {
  readonly number: number;
  readonly src: string;
  readonly project: { readonly number: number; readonly name: string };
}

/** A source that entries of a batch can be of; one builder at a time counts with it. */
export interface BatchMember extends BatchSource {
  /** Its index in the batch that is being built, or NOT_IN_BATCH. Here and not in a map: to hash each entry's source took a tenth of an append. */
  batchIndex: number;
}

export const NOT_IN_BATCH = -1;

/** How the messages of a batch are written: a place in them is a place in the joined text, times the width. */
const MessageForm = { Ascii: 0, Utf16: 1 } as const;

/** The bytes of one transaction, and where its messages are in them. */
export interface BatchValue {
  readonly value: Buffer;
  /** The same bytes. */
  readonly words: DataView;
  readonly messagesStart: number;
  /** Bytes a UTF-16 unit of a message takes: 1 or 2. */
  readonly unitBytes: number;
  /** The memory it is in, where it shares it. */
  readonly block: ValueBlock | undefined;
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

/** What of a batch can still be told though some of it is damaged, of one source. */
export interface DamagedRows {
  readonly source: BatchSource;
  readonly entryCount: number;
  /** Seqs that are missing with them, as far as they are known. */
  readonly ranges: readonly SeqRange[];
  /** Entries that the ranges do not say. */
  readonly otherCount: number;
}

export type BatchRead<S> =
  | { readonly type: "batch"; readonly batch: Batch<S> }
  | { readonly type: "damaged"; readonly sources: readonly DamagedRows[] };

/** The checksum of the head, the kind of value, and the size of the head. */
const VALUE_HEAD_BYTES = CHECKED_HEAD_BYTES + 4;
/** Batches before there were checksums of the parts; they are not read any more. */
const OLD_BATCH_KIND = 5;

/**
 * Builds the value of one transaction: `[checksum of the head][kind][size of the head][head][messages][rows]`. The head is
 * `[count][projects][sources][form, size and checksum of the messages][size and checksum of the rows]` and says of each source how
 * many entries it has; a row is `[index of its source][length][row]`. Each part has a checksum of its own, so that where one is
 * damaged the others tell what is lost.
 */
export class BatchBuilder<S extends BatchMember> {
  readonly #head = new ByteWriter(4096);
  readonly #rows = new ByteWriter(1 << 16);
  readonly #messages = new MessageText();
  /** What rows of a run have in common. */
  readonly #boot = new ByteWriter(64);
  readonly #textStart = new ByteWriter(64);
  readonly memory = new ValueMemory();
  #sources: S[] = [];
  /** Entries, by index of the source. */
  #counts = new Uint32Array(64);
  #rowSources = new Uint32Array(1024);
  #rowStarts = new Uint32Array(1024);
  #entryCount = 0;

  get entryCount(): number {
    return this.#entryCount;
  }

  /** True when the batch did not hold anything of the source before. */
  add(source: S, entry: NewEntry): boolean {
    const isFirst = this.#count(source, 1);
    this.#beginRow(source);
    writeRow(this.#rows, entry, this.#messages.units);
    this.#messages.add(entry.msg);
    return isFirst;
  }

  /** The same for all of a run. Its messages are taken in one piece, with what little stands between them. */
  addRun(source: S, run: EntryRun): boolean {
    const isFirst = this.#count(source, run.length);
    const { lines } = run;
    const boot = this.#boot;
    boot.clear();
    boot.text(run.boot);
    const textStart = lines.startAt(0);
    const unitsBefore = this.#messages.units - textStart;
    for (let line = 0; line < lines.count; line++) {
      this.#beginRow(source);
      writeLineRow(this.#rows, run, line, boot, unitsBefore + lines.startAt(line));
    }
    this.#messages.addAscii(lines.bytes, textStart, lines.endAt(lines.count - 1));
    return isFirst;
  }

  /** The same for all lines of a run. */
  addTexts(source: S, run: TextRun): boolean {
    const isFirst = this.#count(source, run.length);
    const messages = this.#messages;
    this.#textStart.clear();
    writeTextStart(this.#textStart, run);
    for (const text of run.texts) {
      this.#beginRow(source);
      writeTextRow(this.#rows, this.#textStart, messages.units, text.length);
      messages.add(text);
    }
    return isFirst;
  }

  #count(source: S, entryCount: number): boolean {
    let index = source.batchIndex;
    const isFirst = index === NOT_IN_BATCH;
    if (isFirst) {
      index = this.#sources.push(source) - 1;
      if (index === this.#counts.length) this.#counts = grown(this.#counts);
      this.#counts[index] = 0;
      source.batchIndex = index;
    }
    this.#counts[index] = (this.#counts[index] ?? 0) + entryCount;
    return isFirst;
  }

  #beginRow({ batchIndex }: S): void {
    const row = this.#entryCount++;
    if (row === this.#rowStarts.length) this.#grow();
    this.#rows.varint(batchIndex);
    this.#rowSources[row] = batchIndex;
    this.#rowStarts[row] = this.#rows.length;
  }

  /** The batch, whose value is its own; the builder is empty again. */
  finish(firstPosition: number): Batch<S> {
    const messages = this.#messages.finish();
    const { isAscii } = this.#messages;
    const rows = this.#rows.view();
    const { head, messagesSumAt, rowsSumAt } = this.#writeHead(isAscii, messages.length, rows.length);
    const messagesStart = VALUE_HEAD_BYTES + head.length;
    const rowsStart = messagesStart + messages.length;
    const { value, block } = this.memory.take(rowsStart + rows.length);
    value[CHECKED_HEAD_BYTES - 1] = ValueKind.Batch;
    value.writeUInt32BE(head.length, CHECKED_HEAD_BYTES);
    value.set(head, VALUE_HEAD_BYTES);
    value.set(messages, messagesStart);
    value.set(rows, rowsStart);
    value.writeUInt32BE(crc32(messages), VALUE_HEAD_BYTES + messagesSumAt);
    value.writeUInt32BE(crc32(rows), VALUE_HEAD_BYTES + rowsSumAt);
    value.writeUInt32BE(crc32(value.subarray(4, messagesStart)), 0);
    const rowStarts = this.#rowStarts;
    for (let row = 0; row < this.#entryCount; row++) rowStarts[row] = (rowStarts[row] ?? 0) + rowsStart;
    const batch = {
      firstPosition,
      entryCount: this.#entryCount,
      value,
      words: wordsOf(value),
      messagesStart,
      unitBytes: isAscii ? 1 : 2,
      block,
      sources: this.#sources,
      rowSources: this.#rowSources,
      rowStarts,
    };
    for (const source of this.#sources) source.batchIndex = NOT_IN_BATCH;
    this.#sources = [];
    this.#messages.clear();
    this.#entryCount = 0;
    this.#rows.clear();
    return batch;
  }

  /** The head without the checksums of the parts, and where in it they belong. */
  #writeHead(
    isAscii: boolean,
    messagesBytes: number,
    rowsBytes: number,
  ): { readonly head: Buffer; readonly messagesSumAt: number; readonly rowsSumAt: number } {
    const head = this.#head;
    head.clear();
    head.varint(this.#entryCount);
    const projects = new Map<S["project"], number>();
    let last: S["project"] | undefined;
    for (const { project } of this.#sources) {
      if (project !== last && !projects.has(project)) projects.set(project, projects.size);
      last = project;
    }
    head.varint(projects.size);
    for (const project of projects.keys()) {
      head.varint(project.number);
      head.text(project.name);
    }
    head.varint(this.#sources.length);
    let number = 0;
    last = undefined;
    for (const source of this.#sources) {
      if (source.project !== last) number = projects.get(source.project) ?? 0;
      last = source.project;
      head.varint(number);
      head.varint(source.number);
      head.varint(this.#counts[source.batchIndex] ?? 0);
      head.text(source.src);
    }
    head.u8(isAscii ? MessageForm.Ascii : MessageForm.Utf16);
    head.varint(messagesBytes);
    const messagesSumAt = head.length;
    head.u32(0);
    head.varint(rowsBytes);
    const rowsSumAt = head.length;
    head.u32(0);
    return { head: head.view(), messagesSumAt, rowsSumAt };
  }

  #grow(): void {
    this.#rowSources = grown(this.#rowSources);
    this.#rowStarts = grown(this.#rowStarts);
  }
}

interface BatchHead {
  readonly entryCount: number;
  readonly sources: readonly { readonly source: BatchSource; readonly entryCount: number }[];
  readonly unitBytes: number;
  readonly messagesStart: number;
  readonly rowsStart: number;
  readonly areMessagesGood: boolean;
  readonly areRowsGood: boolean;
}

/**
 * Reads a batch back. `resolve` gives the source for what a good batch says of it.
 * @throws StoreUnavailable for a batch in a form of before
 */
export function readBatch<S>(
  firstPosition: number,
  stored: Uint8Array,
  resolve: (source: BatchSource) => S,
): BatchRead<S> {
  const value = Buffer.from(stored.buffer, stored.byteOffset, stored.length);
  const head = readHead(value);
  if (head === undefined) return { type: "damaged", sources: [] };
  if (!head.areMessagesGood || !head.areRowsGood)
    return { type: "damaged", sources: damagedRows(value, head) };
  const { entryCount, messagesStart, unitBytes } = head;
  const reader = new ByteReader(value, head.rowsStart);
  const rowSources = new Uint32Array(entryCount);
  const rowStarts = new Uint32Array(entryCount);
  for (let row = 0; row < entryCount; row++) {
    rowSources[row] = reader.varint();
    rowStarts[row] = reader.position;
    skipRow(reader);
  }
  const sources = head.sources.map(({ source }) => resolve(source));
  const batch = {
    firstPosition,
    entryCount,
    value,
    words: wordsOf(value),
    messagesStart,
    unitBytes,
    block: undefined,
    sources,
    rowSources,
    rowStarts,
  };
  return { type: "batch", batch };
}

/** Undefined where its checksum fails. */
function readHead(value: Buffer): BatchHead | undefined {
  if (value.length < VALUE_HEAD_BYTES) return undefined;
  const kind = value[CHECKED_HEAD_BYTES - 1];
  if (kind === OLD_BATCH_KIND && value.readUInt32BE(0) === crc32(value.subarray(4)))
    throw new StoreUnavailable(
      "an earlier version of boardlog wrote its log; move the folder away to begin anew",
    );
  const messagesStart = VALUE_HEAD_BYTES + value.readUInt32BE(CHECKED_HEAD_BYTES);
  if (kind !== ValueKind.Batch || messagesStart > value.length) return undefined;
  if (value.readUInt32BE(0) !== crc32(value.subarray(4, messagesStart))) return undefined;
  const reader = new ByteReader(value, VALUE_HEAD_BYTES, messagesStart);
  const entryCount = reader.varint();
  const projects: { number: number; name: string }[] = [];
  for (let left = reader.varint(); left > 0; left--)
    projects.push({ number: reader.varint(), name: reader.text() });
  const sources: BatchHead["sources"][number][] = [];
  for (let left = reader.varint(); left > 0; left--) {
    const project = projects[reader.varint()];
    const number = reader.varint();
    const count = reader.varint();
    const src = reader.text();
    if (project === undefined) throw new RangeError("a batch names a project that it does not list");
    sources.push({ source: { number, src, project }, entryCount: count });
  }
  const unitBytes = reader.u8() === MessageForm.Ascii ? 1 : 2;
  const rowsStart = messagesStart + reader.varint();
  const messagesSum = reader.u32();
  const end = rowsStart + reader.varint();
  const rowsSum = reader.u32();
  const isWhole = end === value.length;
  return {
    entryCount,
    sources,
    unitBytes,
    messagesStart,
    rowsStart,
    areMessagesGood: isWhole && crc32(value.subarray(messagesStart, rowsStart)) === messagesSum,
    areRowsGood: isWhole && crc32(value.subarray(rowsStart)) === rowsSum,
  };
}

/** What the head tells, and the rows where they are good. */
function damagedRows(value: Buffer, head: BatchHead): DamagedRows[] {
  if (!head.areRowsGood) {
    return head.sources.map(({ source, entryCount }) => {
      return { source, entryCount, ranges: [], otherCount: entryCount };
    });
  }
  const seqs = head.sources.map(() => new Map<string, SeqRanges>());
  const otherCounts = head.sources.map(() => 0);
  const reader = new ByteReader(value, head.rowsStart);
  const view = new RowView();
  for (let row = 0; row < head.entryCount; row++) {
    const index = reader.varint();
    view.read(reader);
    const { boot, seq, lost } = view;
    if (seq === undefined && lost === undefined) otherCounts[index] = (otherCounts[index] ?? 0) + 1;
    const owner = lost?.boot ?? boot;
    const ofSource = seqs[index];
    if (owner === undefined || ofSource === undefined) continue;
    const ranges = ofSource.get(owner) ?? new SeqRanges();
    ofSource.set(owner, ranges);
    if (seq !== undefined) ranges.add(seq);
    // What it said is missing still is, and nothing else says so any more.
    if (lost !== undefined) ranges.addRange(lost.first, lost.last);
  }
  return head.sources.map(({ source, entryCount }, index) => ({
    source,
    entryCount,
    ranges: [...(seqs[index] ?? [])].flatMap(([boot, ranges]) =>
      ranges.list().map((range) => ({ boot, ...range })),
    ),
    otherCount: otherCounts[index] ?? 0,
  }));
}

/** The same numbers with room for as many again. */
export function grown(numbers: Uint32Array): Uint32Array<ArrayBuffer> {
  const larger = new Uint32Array(numbers.length * 2);
  larger.set(numbers);
  return larger;
}
