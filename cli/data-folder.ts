import { mkdirSync, statSync } from "node:fs";
import { dirname } from "node:path";
import { lockData } from "./data-lock.ts";
import { UserError } from "./user-error.ts";

/** Why the system refuses, in words that say what to do. */
const REASONS: Readonly<Record<string, string>> = {
  EEXIST: "a file stands where the folder would be",
  ENOTDIR: "a file stands where a folder on the way to it would be",
  EACCES: "this user may not write there",
  EPERM: "this user may not write there",
  EROFS: "its file system is read-only",
  ENOSPC: "the disk is full",
  ENOENT: "a folder cannot be made there",
};

/**
 * Makes the folder where there is none and takes it for this process alone; the returned function gives it free.
 * @param setting names the folder in what is said of it
 * @throws UserError where another process has it, or the system refuses it
 */
export function takeData(folder: string, setting = "data"): () => void {
  try {
    makeFolder(folder);
    return lockData(folder, setting);
  } catch (error) {
    if (error instanceof UserError) throw error;
    const { code = "", message } = error as NodeJS.ErrnoException;
    const reason = REASONS[code] ?? message;
    throw new UserError(
      `${setting}: ${folder} cannot be written: ${reason}; name another with ${setting}`,
      1,
    );
  }
}

/** With the folders above it. Node's own recursive form never returns where the system lets nothing be made, as in /proc. */
function makeFolder(folder: string, isParentMade = false): void {
  try {
    mkdirSync(folder, { mode: 0o700 });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" && !isParentMade && dirname(folder) !== folder) {
      makeFolder(dirname(folder));
      makeFolder(folder, true);
    } else if (!isFolder(folder)) {
      throw error;
    }
  }
}

/** False also where the system does not let one look. */
function isFolder(path: string): boolean {
  try {
    return statSync(path).isDirectory();
  } catch {
    return false;
  }
}
