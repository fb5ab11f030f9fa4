import type { Random } from "../../host/random.ts";
import { JournalContent } from "./journal-content.ts";
import type { JournalFile } from "./journal-file.ts";
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

/** The file under one journal, which outlives its handles. */
export class MemoryJournal {
  /** What is on the disk. */
  #bytes = Buffer.alloc(0);
  /** What is being written; readers see it, a power cut may leave any sectors of it. */
  #pending: { readonly at: number; readonly bytes: Buffer } | undefined;
  #content: JournalContent | undefined;

  get bytes(): number {
    return this.#bytes.length;
  }

  get sizeBytes(): number {
    const pending = this.#pending;
    return Math.max(this.#bytes.length, pending === undefined ? 0 : pending.at + pending.bytes.length);
  }

  read(at: number, bytesMax: number): Buffer {
    const pending = this.#pending;
    if (pending === undefined) return Buffer.from(this.#bytes.subarray(at, at + bytesMax));
    const all = Buffer.alloc(this.sizeBytes);
    this.#bytes.copy(all);
    pending.bytes.copy(all, pending.at);
    return all.subarray(at, at + bytesMax);
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

  copy(): MemoryJournal {
    const copy = new MemoryJournal();
    copy.#bytes = Buffer.from(this.#bytes);
    return copy;
  }

  /** The power goes. */
  crash(random: Random): void {
    if (this.#pending === undefined) return;
    // All of it and nothing of it as often as a part.
    const share = Math.min(1, Math.max(0, random.fraction() * 3 - 1));
    this.tear(() => random.fraction() < share);
  }

  keys(): readonly string[] {
    return this.#read().keys();
  }

  sizeOf(key: string): number {
    return this.#read().placeOf(key)?.size ?? 0;
  }

  flipBit(key: string, bit: number): void {
    const place = this.#read().placeOf(key);
    const at = (place?.at ?? 0) + (bit >> 3);
    if (place === undefined || bit >> 3 >= place.size) throw new RangeError("there is no such bit");
    this.#bytes[at] = (this.#bytes[at] ?? 0) ^ (1 << (bit & 7));
  }

  #read(): JournalContent {
    const bytes = this.#bytes;
    this.#content ??= new JournalContent({
      sizeBytes: bytes.length,
      read: (at, bytesMax) => bytes.subarray(at, at + bytesMax),
    });
    return this.#content;
  }

  #settle(isWritten: () => boolean): void {
    const pending = this.#pending;
    if (pending === undefined) return;
    this.#pending = undefined;
    this.#content = undefined;
    const { at, bytes } = pending;
    const end = at + bytes.length;
    for (let from = at; from < end; ) {
      const to = Math.min(end, from - (from % SECTOR_BYTES) + SECTOR_BYTES);
      if (isWritten()) this.#put(bytes.subarray(from - at, to - at), from);
      from = to;
    }
  }

  #put(bytes: Buffer, at: number): void {
    if (at + bytes.length > this.#bytes.length)
      this.#bytes = Buffer.concat([this.#bytes, Buffer.alloc(at + bytes.length - this.#bytes.length)]);
    bytes.copy(this.#bytes, at);
  }
}

/** One process's handle of it. */
export class MemoryJournalFile implements JournalFile {
  readonly #disk: MemoryJournal;
  readonly #hooks: MemoryKvHooks;

  constructor(disk: MemoryJournal, hooks: MemoryKvHooks) {
    this.#disk = disk;
    this.#hooks = hooks;
  }

  get sizeBytes(): number {
    return this.#disk.sizeBytes;
  }

  read(at: number, bytesMax: number): Buffer {
    this.#assertAlive();
    return this.#disk.read(at, bytesMax);
  }

  async write(parts: readonly Uint8Array[], at: number): Promise<void> {
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

  async close(): Promise<void> {}

  #assertAlive(): void {
    if (!this.#hooks.alive()) throw new StoreUnavailable("the power is gone");
  }
}
