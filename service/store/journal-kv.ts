import { commitFailure } from "./commit-failure.ts";
import type { DurableFile } from "./durable-file.ts";
import { JournalContent } from "./journal-content.ts";
import { JournalEncoder } from "./journal-record.ts";
import { StoreUnavailable } from "./log-store.ts";
import type { KvChange, KvDamage, KvPair, KvRange, KvView, OrderedKv } from "./ordered-kv.ts";

/**
 * Zeros written behind a transaction that makes the file longer, as many as it has bytes, within these bounds. To write over them
 * changes nothing but them: on ext4 that takes half the CPU and half the time of a write that makes the file longer.
 */
const ROOM_BYTES_MIN = 4 << 10;
const ROOM_BYTES_MAX = 256 << 10;
/** For larger transactions zeros cost more than they save. */
const ROOMY_BYTES_MAX = 32 << 10;
const ROOM = Buffer.alloc(ROOM_BYTES_MAX);

/**
 * An engine that is written to and hardly ever read: a file of transactions, each one write that is durable when it returns. What it
 * holds is found by reading all of it, so it is for what does not grow without end.
 */
export class JournalKv implements OrderedKv {
  readonly #file: DurableFile;
  readonly #encoder = new JournalEncoder();
  /** Where the next transaction goes, and up to where the file is prepared. */
  #end: number;
  #preparedEnd: number;
  /** The last commit that was asked for, while it is under way. */
  #last: Promise<void> | undefined;
  #content: JournalContent | undefined;
  #failure: StoreUnavailable | undefined;
  #hasWritten = false;
  #isClosed = false;
  readonly damage: KvDamage | undefined;

  private constructor(file: DurableFile, content: JournalContent) {
    this.#file = file;
    this.#content = content;
    this.#end = content.end;
    this.#preparedEnd = Math.max(content.end, file.sizeBytes);
    this.damage = content.damage;
  }

  /** What a power cut left behind the last transaction is written over, so that it is never met again. */
  static async open(file: DurableFile): Promise<JournalKv> {
    const content = new JournalContent(file);
    const kv = new JournalKv(file, content);
    if (content.isClean) return kv;
    const size = file.sizeBytes;
    for (let at = content.end; at < size; at += ROOM_BYTES_MAX)
      await file.write([ROOM.subarray(0, size - at)], at);
    return kv;
  }

  get(key: Uint8Array): Uint8Array | undefined {
    return this.#read().get(key);
  }

  *range(range: KvRange): Generator<KvPair> {
    yield* this.#read().range(range);
  }

  async commit(changes: readonly KvChange[]): Promise<void> {
    this.#assertUsable();
    if (changes.length === 0) return;
    const before = this.#last;
    const written = before === undefined ? this.#write(changes) : this.#writeAfter(before, changes);
    this.#last = written;
    try {
      await written;
    } finally {
      if (this.#last === written) this.#last = undefined;
    }
  }

  releaseDeadViews(): void {}

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    while (this.#last !== undefined) await this.#last.catch(() => {});
    // Behind an empty one, the last transaction is known to have been durable. It is so without it too, where the disk fails now.
    if (this.#hasWritten && this.#failure === undefined) await this.#write([]).catch(() => {});
    await this.#file.close();
  }

  /** A transaction is not begun before the one before it is durable. */
  async #writeAfter(before: Promise<void>, changes: readonly KvChange[]): Promise<void> {
    await before;
    await this.#write(changes);
  }

  async #write(changes: readonly KvChange[]): Promise<void> {
    if (this.#failure !== undefined) throw this.#failure;
    const { parts, bytes } = this.#encoder.encode(changes, this.#end);
    const at = this.#end;
    this.#end += bytes;
    if (this.#end > this.#preparedEnd) {
      const room = ROOM.subarray(0, bytes > ROOMY_BYTES_MAX ? 0 : Math.max(ROOM_BYTES_MIN, this.#end));
      parts.push(room);
      this.#preparedEnd = this.#end + room.length;
    }
    try {
      await this.#file.write(parts, at);
    } catch (error) {
      this.#failure ??= commitFailure(error);
      throw this.#failure;
    }
    this.#content = undefined;
    this.#hasWritten = true;
  }

  #read(): JournalContent {
    this.#assertUsable();
    this.#content ??= new JournalContent(this.#file);
    return this.#content;
  }

  #assertUsable(): void {
    if (this.#failure !== undefined) throw this.#failure;
    if (this.#isClosed) throw new StoreUnavailable("the engine is closed");
  }
}

/** A journal as it was at one moment, also while another process writes to it: of a transaction under way nothing is seen. */
export class JournalView implements KvView {
  readonly #file: DurableFile;
  readonly #content: JournalContent;
  #isClosed = false;

  constructor(file: DurableFile) {
    this.#file = file;
    this.#content = new JournalContent(file);
  }

  get damage(): KvDamage | undefined {
    return this.#content.damage;
  }

  get(key: Uint8Array): Uint8Array | undefined {
    return this.#content.get(key);
  }

  *range(range: KvRange): Generator<KvPair> {
    yield* this.#content.range(range);
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    await this.#file.close();
  }
}
