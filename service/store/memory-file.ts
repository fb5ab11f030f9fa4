import type { Random } from "../../host/random.ts";
import type { DurableFile } from "./durable-file.ts";
import { JournalContent } from "./journal-content.ts";
import { StoreUnavailable } from "./log-store.ts";

/** What befalls those who write to a simulated disk. */
export interface MemoryKvHooks {
  /** Resolves when what was just written reaches the disk. */
  readonly syncDelay: () => Promise<void>;
  /** False once the power has gone since the engine was opened. */
  readonly alive: () => boolean;
  readonly fails: () => boolean;
  /** Whether what a failed sync was for is there. */
  readonly survives: () => boolean;
}

/** What this disk writes as a whole or not at all: less than a real one, so that small transactions are torn too. */
const SECTOR_BYTES = 64;

/** By which `values` of a space names all of a file whose values cannot be told apart. */
export const WHOLE_FILE = "";

/** A file, which outlives its handles. */
export class MemoryFile {
  /** What is on the disk, and room for more. */
  #memory = Buffer.alloc(0);
  #size = 0;
  /** What is being written; readers see it, a power cut may leave any sectors of it. */
  #pending: { readonly at: number; readonly bytes: Buffer } | undefined;

  /** On the disk. */
  get bytes(): number {
    return this.#size;
  }

  get sizeBytes(): number {
    const pending = this.#pending;
    return Math.max(this.#size, pending === undefined ? 0 : pending.at + pending.bytes.length);
  }

  read(at: number, bytesMax: number, memory?: Buffer): Buffer {
    const size = Math.max(0, Math.min(bytesMax, this.sizeBytes - at));
    const bytes = (memory ?? Buffer.alloc(size)).subarray(0, size).fill(0);
    bytes.set(this.durable.subarray(at, at + size));
    const pending = this.#pending;
    if (pending !== undefined && pending.at < at + size) {
      const from = Math.max(pending.at, at);
      bytes.set(pending.bytes.subarray(from - pending.at, at + size - pending.at), from - at);
    }
    return bytes;
  }

  begin(bytes: Buffer, at: number): void {
    this.#pending = { at, bytes };
  }

  /** What was begun is on the disk. */
  finish(): void {
    this.#settle(() => true);
  }

  /** Any sectors of what was begun are. */
  tear(random: () => boolean): void {
    this.#settle(random);
  }

  copy(): MemoryFile {
    return this.copyInto(new MemoryFile());
  }

  /** The power goes. */
  crash(random: Random): void {
    if (this.#pending === undefined) return;
    // All of it and nothing of it as often as a part.
    const share = Math.min(1, Math.max(0, random.fraction() * 3 - 1));
    this.tear(() => random.fraction() < share);
  }

  keys(): readonly string[] {
    return [WHOLE_FILE];
  }

  sizeOf(_key: string): number {
    return this.#size;
  }

  flipBit(key: string, bit: number): void {
    if (bit >> 3 >= this.sizeOf(key)) throw new RangeError("there is no such bit");
    this.flipBitAt(bit >> 3, bit & 7);
  }

  /** Everything from there on is gone, as of a file that was copied in part. */
  cut(sizeBytes: number): void {
    this.#size = Math.min(this.#size, sizeBytes);
    this.changed();
  }

  protected get durable(): Buffer {
    return this.#memory.subarray(0, this.#size);
  }

  protected copyInto<File extends MemoryFile>(copy: File): File {
    copy.putAt(this.durable, 0);
    return copy;
  }

  protected flipBitAt(at: number, bit: number): void {
    this.#memory[at] = (this.#memory[at] ?? 0) ^ (1 << bit);
    this.changed();
  }

  /** What is on the disk is another than before. */
  protected changed(): void {}

  protected putAt(bytes: Buffer, at: number): void {
    const end = at + bytes.length;
    if (end > this.#memory.length) {
      const memory = Buffer.alloc(end * 2);
      this.durable.copy(memory);
      this.#memory = memory;
    }
    // What was cut off does not come back.
    if (at > this.#size) this.#memory.fill(0, this.#size, at);
    this.#size = Math.max(this.#size, end);
    bytes.copy(this.#memory, at);
  }

  #settle(isWritten: () => boolean): void {
    const pending = this.#pending;
    if (pending === undefined) return;
    this.#pending = undefined;
    const { at, bytes } = pending;
    const end = at + bytes.length;
    for (let from = at; from < end; ) {
      const to = Math.min(end, from - (from % SECTOR_BYTES) + SECTOR_BYTES);
      if (isWritten()) this.putAt(bytes.subarray(from - at, to - at), from);
      from = to;
    }
    this.changed();
  }
}

/** The file under one journal: its values can be told apart. */
export class MemoryJournal extends MemoryFile {
  #content: JournalContent | undefined;

  override copy(): MemoryJournal {
    return this.copyInto(new MemoryJournal());
  }

  override keys(): readonly string[] {
    return this.#read().keys();
  }

  override sizeOf(key: string): number {
    return this.#read().placeOf(key)?.size ?? 0;
  }

  override flipBit(key: string, bit: number): void {
    const place = this.#read().placeOf(key);
    if (place === undefined || bit >> 3 >= place.size) throw new RangeError("there is no such bit");
    this.flipBitAt(place.at + (bit >> 3), bit & 7);
  }

  protected override changed(): void {
    this.#content = undefined;
  }

  #read(): JournalContent {
    const bytes = this.durable;
    this.#content ??= new JournalContent({
      sizeBytes: bytes.length,
      read: (at, bytesMax) => bytes.subarray(at, at + bytesMax),
    });
    return this.#content;
  }
}

/** One process's handle of it. */
export class MemoryFileHandle implements DurableFile {
  readonly #disk: MemoryFile;
  readonly #hooks: MemoryKvHooks;
  #last: Promise<void> | undefined;

  constructor(disk: MemoryFile, hooks: MemoryKvHooks) {
    this.#disk = disk;
    this.#hooks = hooks;
  }

  get sizeBytes(): number {
    return this.#disk.sizeBytes;
  }

  read(at: number, bytesMax: number, memory?: Buffer): Buffer {
    this.#assertAlive();
    return this.#disk.read(at, bytesMax, memory);
  }

  write(parts: readonly Uint8Array[], at: number): Promise<void> {
    this.#last = this.#write(parts, at);
    return this.#last;
  }

  async close(): Promise<void> {
    await this.#last?.catch(() => {});
  }

  async #write(parts: readonly Uint8Array[], at: number): Promise<void> {
    this.#assertAlive();
    this.#disk.begin(Buffer.concat(parts), at);
    await this.#hooks.syncDelay();
    this.#assertAlive();
    if (!this.#hooks.fails()) {
      this.#disk.finish();
      return;
    }
    if (this.#hooks.survives()) this.#disk.finish();
    else this.#disk.tear(() => this.#hooks.survives());
    throw new StoreUnavailable("a simulated sync failed");
  }

  #assertAlive(): void {
    if (!this.#hooks.alive()) throw new StoreUnavailable("the power is gone");
  }
}
