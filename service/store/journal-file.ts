import { close, constants, fdatasync, fstatSync, openSync, readSync, writev } from "node:fs";
import { promisify } from "node:util";

/** The file under a journal. */
export interface JournalFile {
  readonly sizeBytes: number;
  /** So many bytes from `at` on, fewer where the file ends before. */
  read(at: number, bytesMax: number): Buffer;
  /** Resolves when all parts are durable, one after the other from `at` on. After a failure the file must not be used again. */
  write(parts: readonly Uint8Array[], at: number): Promise<void>;
  close(): Promise<void>;
}

/**
 * Linux makes a write durable before it returns where the file is opened so: one call and one change of threads a transaction in
 * place of two.
 */
const SYNCS_ITSELF = process.platform === "linux";
const OWNER_ONLY = 0o600;

/** A file of the disk. */
export class SystemJournalFile implements JournalFile {
  readonly #file: number;

  private constructor(file: number) {
    this.#file = file;
  }

  /** Makes an empty one where there is none. */
  static open(path: string): SystemJournalFile {
    const flags = constants.O_RDWR | constants.O_CREAT | (SYNCS_ITSELF ? constants.O_DSYNC : 0);
    return new SystemJournalFile(openSync(path, flags, OWNER_ONLY));
  }

  /** To read only. @throws where there is none. */
  static view(path: string): SystemJournalFile {
    return new SystemJournalFile(openSync(path, constants.O_RDONLY));
  }

  get sizeBytes(): number {
    return fstatSync(this.#file).size;
  }

  read(at: number, bytesMax: number): Buffer {
    const bytes = Buffer.allocUnsafeSlow(bytesMax);
    let size = 0;
    while (size < bytesMax) {
      const count = readSync(this.#file, bytes, size, bytesMax - size, at + size);
      if (count === 0) break;
      size += count;
    }
    return bytes.subarray(0, size);
  }

  async write(parts: readonly Uint8Array[], at: number): Promise<void> {
    let left = parts;
    let position = at;
    while (left.length > 0) {
      const written = await writeParts(this.#file, left, position);
      position += written;
      left = without(left, written);
    }
    if (!SYNCS_ITSELF) await promisify(fdatasync)(this.#file);
  }

  close(): Promise<void> {
    return promisify(close)(this.#file);
  }
}

function writeParts(file: number, parts: readonly Uint8Array[], at: number): Promise<number> {
  return new Promise((resolve, reject) => {
    writev(file, parts, at, (error, written) => {
      if (error !== null) reject(error);
      else resolve(written);
    });
  });
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
