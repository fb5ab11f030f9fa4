import { type FileHandle, mkdir, open, readdir, readFile, rename, rm, stat, unlink } from "node:fs/promises";
import { dirname, join, normalize, sep } from "node:path";
import type { AppendFile, Disk, FilePart } from "./disk.ts";

/** Data is the owner's alone. */
const FOLDER_MODE = 0o700;
const FILE_MODE = 0o600;
/** Ends the name of a file that is not yet what its name says; left over only by a power cut, and overwritten by the next write. */
const TEMPORARY_SUFFIX = ".new";
/** A file that changed so lately may change again within the same tick of the file system's clock. */
const STAMP_AGE_MS_MIN = 2_000;

/** A folder of the machine's own file system. Errors are those of Node (`ENOSPC`, `EACCES`, ...). */
export class SystemDisk implements Disk {
  readonly #root: string;

  constructor(root: string) {
    this.#root = root;
  }

  async read(path: string): Promise<Uint8Array | undefined> {
    try {
      return await readFile(this.#resolve(path));
    } catch (error) {
      if (isMissing(error)) return undefined;
      throw error;
    }
  }

  async stamp(path: string): Promise<string | undefined> {
    try {
      const { ino, size, ctimeNs, ctimeMs } = await stat(this.#resolve(path), { bigint: true });
      return Date.now() - Number(ctimeMs) < STAMP_AGE_MS_MIN ? undefined : `${ino} ${size} ${ctimeNs}`;
    } catch (error) {
      if (isMissing(error)) return undefined;
      throw error;
    }
  }

  async readPart(path: string, at: number, bytesMax: number): Promise<FilePart | undefined> {
    let file: FileHandle;
    try {
      file = await open(this.#resolve(path), "r");
    } catch (error) {
      if (isMissing(error)) return undefined;
      throw error;
    }
    try {
      const { size } = await file.stat();
      const bytes = Buffer.allocUnsafeSlow(Math.max(0, Math.min(bytesMax, size - at)));
      let count = 0;
      while (count < bytes.length) {
        const { bytesRead } = await file.read(bytes, count, bytes.length - count, at + count);
        if (bytesRead === 0) break;
        count += bytesRead;
      }
      return { bytes: bytes.subarray(0, count), sizeBytes: size };
    } finally {
      await file.close();
    }
  }

  async replace(path: string, content: Uint8Array, mode = FILE_MODE): Promise<void> {
    const target = this.#resolve(path);
    const temporary = target + TEMPORARY_SUFFIX;
    await makeFolder(dirname(target));
    // Removed first: an old one could have looser permissions, which opening would keep.
    await rm(temporary, { force: true });
    const file = await open(temporary, "wx", mode);
    try {
      // The mask of the process must not decide who reads a key.
      await file.chmod(mode);
      await giveToOwner(file, dirname(target));
      await file.writeFile(content);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, target);
    await syncFolder(dirname(target));
  }

  async openAppend(path: string): Promise<AppendFile> {
    const target = this.#resolve(path);
    await makeFolder(dirname(target));
    const handle = await open(target, "a", FILE_MODE);
    const { size } = await handle.stat();
    if (size === 0) await syncFolder(dirname(target));
    return new SystemAppendFile(handle, size);
  }

  async list(path: string): Promise<string[]> {
    try {
      return (await readdir(this.#resolve(path))).filter((name) => !name.endsWith(TEMPORARY_SUFFIX)).sort();
    } catch (error) {
      if (isMissing(error)) return [];
      throw error;
    }
  }

  async remove(path: string): Promise<void> {
    const target = this.#resolve(path);
    try {
      await unlink(target);
    } catch (error) {
      if (isMissing(error)) return;
      throw error;
    }
    await syncFolder(dirname(target));
  }

  #resolve(path: string): string {
    const relative = normalize(path);
    if (relative.startsWith("..") || relative.startsWith(sep)) {
      throw new RangeError(`path leaves the folder: ${JSON.stringify(path)}`);
    }
    return join(this.#root, relative);
  }
}

class SystemAppendFile implements AppendFile {
  readonly #handle: FileHandle;
  #sizeBytes: number;

  constructor(handle: FileHandle, sizeBytes: number) {
    this.#handle = handle;
    this.#sizeBytes = sizeBytes;
  }

  get sizeBytes(): number {
    return this.#sizeBytes;
  }

  async append(bytes: Uint8Array): Promise<void> {
    // appendFile goes on after a short write; write does not.
    await this.#handle.appendFile(bytes);
    this.#sizeBytes += bytes.length;
  }

  async sync(): Promise<void> {
    await this.#handle.datasync();
  }

  async close(): Promise<void> {
    await this.#handle.close();
  }
}

/** What an administrator changes in a service's folder must stay readable for the service. */
async function giveToOwner(file: FileHandle, folder: string): Promise<void> {
  if (process.getuid?.() !== 0) return;
  const { uid, gid } = await stat(folder);
  if (uid !== 0) await file.chown(uid, gid);
}

/** Makes the folder durable too: a file in a folder that a power cut takes away is gone. */
async function makeFolder(path: string): Promise<void> {
  const firstMade = await mkdir(path, { recursive: true, mode: FOLDER_MODE });
  if (firstMade === undefined) return;
  for (let folder = path; folder !== dirname(firstMade); folder = dirname(folder)) {
    await syncFolder(dirname(folder));
  }
}

/** Makes names in a folder durable. */
export async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, "r");
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "ENOENT";
}
