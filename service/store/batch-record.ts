import type { NewEntry } from "../../protocol/entry.ts";
import { ByteReader } from "./byte-reader.ts";
import { ByteWriter } from "./byte-writer.ts";
import { CHECKED_HEAD_BYTES, openValue, sealValue, ValueKind } from "./checked-value.ts";
import { type RowView, skipRow, writeRow } from "./entry-record.ts";

/** A source as a batch names it: its numbers and its names, so that a log can be read without anything beside it. */
export interface BatchSource {
  readonly number: number;
  readonly src: string;
  readonly project: { readonly number: number; readonly name: string };
}

/**
 * Builds the value of one transaction: `[count][projects][sources][rows]`, where a row is `[index of its source][length]
 * [row]`. Positions are consecutive from the first one, which is in the key.
 */
export class BatchBuilder<S extends BatchSource> {
  readonly #head = new ByteWriter(4096);
  readonly #rows = new ByteWriter(1 << 16);
  readonly #indexes = new Map<S, number>();
  readonly #sources: S[] = [];
  readonly #rowSources: S[] = [];
  #starts: number[] = [];

  get entryCount(): number {
    return this.#starts.length;
  }

  /** True when the batch did not hold anything of the source before. */
  add(source: S, entry: NewEntry): boolean {
    let index = this.#indexes.get(source);
    const isFirst = index === undefined;
    if (index === undefined) {
      index = this.#sources.length;
      this.#indexes.set(source, index);
      this.#sources.push(source);
    }
    this.#rowSources.push(source);
    this.#rows.varint(index);
    this.#starts.push(this.#rows.length);
    writeRow(this.#rows, entry);
    return isFirst;
  }

  /** The batch, whose value is its own; the builder is empty again. */
  finish(firstPosition: number): Batch<S> {
    const head = this.#head;
    head.clear();
    head.varint(this.#starts.length);
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
    const value = sealValue(ValueKind.Batch, head.view(), this.#rows.view());
    const rowsStart = CHECKED_HEAD_BYTES + head.length;
    const starts = this.#starts;
    for (let index = 0; index < starts.length; index++) starts[index] = (starts[index] ?? 0) + rowsStart;
    const batch = {
      firstPosition,
      entryCount: starts.length,
      value,
      rowsStart,
      sources: this.#sources.slice(),
      rowSources: this.#rowSources.slice(),
      rowStarts: starts,
    };
    this.#starts = [];
    this.#rowSources.length = 0;
    this.#sources.length = 0;
    this.#indexes.clear();
    this.#rows.clear();
    return batch;
  }
}

export interface Batch<S> {
  readonly firstPosition: number;
  readonly entryCount: number;
  readonly value: Buffer;
  /** Where the first row's source index is. */
  readonly rowsStart: number;
  /** By index. */
  readonly sources: readonly S[];
  /** By row. */
  readonly rowSources: readonly S[];
  /** Where the length of each row is. */
  readonly rowStarts: readonly number[];
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
  const rowsStart = reader.position;
  const rowSources: S[] = [];
  const rowStarts: number[] = [];
  for (let left = entryCount; left > 0; left--) {
    const source = sources[reader.varint()];
    if (source === undefined) throw new RangeError("a batch names a source that it does not list");
    rowSources.push(source);
    rowStarts.push(reader.position);
    skipRow(reader);
  }
  return { firstPosition, entryCount, value, rowsStart, sources, rowSources, rowStarts };
}

/** Reads the row that starts at `start`. */
export function readRow(batch: Pick<Batch<unknown>, "value">, start: number, into: RowView): void {
  into.read(new ByteReader(batch.value, start));
}
