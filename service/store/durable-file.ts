import { close, constants, fdatasync, fstatSync, openSync, readSync, writev, writevSync } from "node:fs";
import { promisify } from "node:util";
import type { Clock } from "../../host/clock.ts";
import { StoreUnavailable } from "./log-store.ts";
import { WritePace } from "./write-pace.ts";

/** A file of bytes to look at. */
export interface ByteFile {
  readonly sizeBytes: number;
  /**
   * So many bytes from `at` on, fewer where the file ends before.
   * @param memory in which they are read, where it is given: it must have room for them
   */
  read(at: number, bytesMax: number, memory?: Buffer): Buffer;
  /** Waits for a write under way. */
  close(): Promise<void>;
}

/** The file under a journal, or a pack. */
export interface DurableFile extends ByteFile {
  /**
   * Resolves when all parts are durable, one after the other from `at` on. One at a time. After a failure the file must not be used
   * again.
   */
  write(parts: readonly Uint8Array[], at: number): Promise<void>;
}

/**
 * Linux makes a write durable before it returns where the file is opened so: one call and one change of threads a transaction in
 * place of two.
 */
const SYNCS_ITSELF = process.platform === "linux";
const OWNER_ONLY = 0o600;
/** A larger write is one of many entries, beside which a change of threads is little, and which take time to collect. */
const SMALL_BYTES_MAX = 16 << 10;

/** What the files of a disk know of it together. */
export interface Disk {
  readonly clock: Clock;
  readonly pace: WritePace;
}

export function diskOf(clock: Clock): Disk {
  return { clock, pace: new WritePace() };
}

/** A file of the disk. */
export class SystemFile implements DurableFile {
  readonly #file: number;
  readonly #disk: Disk | undefined;
  /** The last write, one after the other. */
  #last: Promise<void> | undefined;
  #isClosed = false;

  private constructor(file: number, disk: Disk | undefined) {
    this.#file = file;
    this.#disk = disk;
  }

  /**
   * Makes an empty one where there is none.
   * @param disk where it is known, small writes are made on the caller's thread while it is fast.
   */
  static open(path: string, disk?: Disk): SystemFile {
    const flags = constants.O_RDWR | constants.O_CREAT | (SYNCS_ITSELF ? constants.O_DSYNC : 0);
    return new SystemFile(openSync(path, flags, OWNER_ONLY), disk);
  }

  /** To read only. @throws where there is none. */
  static view(path: string): SystemFile {
    return new SystemFile(openSync(path, constants.O_RDONLY), undefined);
  }

  get sizeBytes(): number {
    return fstatSync(this.#file).size;
  }

  read(at: number, bytesMax: number, memory?: Buffer): Buffer {
    this.#assertOpen();
    const bytes = memory ?? Buffer.allocUnsafeSlow(bytesMax);
    let size = 0;
    while (size < bytesMax) {
      const count = readSync(this.#file, bytes, size, bytesMax - size, at + size);
      if (count === 0) break;
      size += count;
    }
    return bytes.subarray(0, size);
  }

  write(parts: readonly Uint8Array[], at: number): Promise<void> {
    const disk = this.#disk;
    this.#last =
      disk !== undefined && SYNCS_ITSELF && sizeOf(parts) <= SMALL_BYTES_MAX
        ? this.#writeSmall(parts, at, disk)
        : this.#write(parts, at, writeParts);
    return this.#last;
  }

  async #writeSmall(parts: readonly Uint8Array[], at: number, { clock, pace }: Disk): Promise<void> {
    const start = clock.monotonicMs();
    await this.#write(parts, at, pace.isFast ? writevSync : writeParts);
    pace.took(clock.monotonicMs() - start);
  }

  async #write(parts: readonly Uint8Array[], at: number, writeSome: WriteSome): Promise<void> {
    this.#assertOpen();
    let left = parts;
    let position = at;
    while (left.length > 0) {
      const some = writeSome(this.#file, left, position);
      const written = typeof some === "number" ? some : await some;
      position += written;
      left = without(left, written);
    }
    if (!SYNCS_ITSELF) await promisify(fdatasync)(this.#file);
  }

  /** Harmless twice. */
  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    // Its number would soon be that of another file, which the write would go to.
    await this.#last?.catch(() => {});
    await promisify(close)(this.#file);
  }

  /** Its number may be that of another file already. */
  #assertOpen(): void {
    if (this.#isClosed) throw new StoreUnavailable("the file is closed");
  }
}

/** Writes some of the parts, and says how many bytes. */
type WriteSome = (file: number, parts: readonly Uint8Array[], at: number) => number | Promise<number>;

/** On another thread. */
function writeParts(file: number, parts: readonly Uint8Array[], at: number): Promise<number> {
  return new Promise((resolve, reject) => {
    writev(file, parts, at, (error, written) => {
      if (error !== null) reject(error);
      else resolve(written);
    });
  });
}

function sizeOf(parts: readonly Uint8Array[]): number {
  let size = 0;
  for (const part of parts) size += part.length;
  return size;
}

/** The parts without their first `count` bytes. */
function without(parts: readonly Uint8Array[], count: number): readonly Uint8Array[] {
  let skipped = 0;
  for (const [index, part] of parts.entries()) {
    if (skipped + part.length > count) return [part.subarray(count - skipped), ...parts.slice(index + 1)];
    skipped += part.length;
  }
  return [];
}
