import { link, mkdtemp, open as openFile, readdir, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { dataPath, lockPath } from "./lmdb-files.ts";
import { StoreUnavailable } from "./log-store.ts";

const HOLD_PREFIX = "view-";
/** A file is opened within a moment; what holds it for longer is a process that was killed meanwhile. */
const HOLD_MS_MAX = 60_000;
/** What file systems say that know no second name of a file, and folders that are not ours to write to. */
const NO_LINK_CODES: readonly unknown[] = ["EPERM", "EACCES", "EROFS", "ENOSYS", "EOPNOTSUPP", "EMLINK"];

/** Drops what is left of holds whose process was killed: they keep files of the folder from being freed. */
export async function dropLeftHolds(folder: string): Promise<void> {
  for (const name of await readdir(folder)) {
    if (!name.startsWith(HOLD_PREFIX)) continue;
    const path = join(folder, name);
    // One that is released at this moment is gone.
    const left = await stat(path).catch(() => undefined);
    if (left !== undefined && Date.now() - left.mtimeMs > HOLD_MS_MAX)
      await rm(path, { recursive: true, force: true });
  }
}

/**
 * Gives an engine's two files a second name until they are open, so that the owner may remove them at any moment: lmdb-js uses
 * memory that it has freed after an open that fails. Undefined where they are removed already.
 */
export async function holdFiles(
  folder: string,
  name: string,
): Promise<{ readonly path: string; release(): Promise<void> } | undefined> {
  const path = dataPath(folder, name);
  let hold: string | undefined;
  const release = async (): Promise<void> => {
    if (hold !== undefined) await rm(hold, { recursive: true, force: true });
  };
  try {
    hold = await mkdtemp(join(folder, HOLD_PREFIX));
    await link(path, dataPath(hold, name));
    await linkLock(folder, name, hold);
    return { path: dataPath(hold, name), release };
  } catch (error) {
    await release();
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT") return undefined;
    if (NO_LINK_CODES.includes(code)) return { path, release: async () => {} };
    throw new StoreUnavailable(`${path} cannot be opened: ${String(error)}`, { cause: error });
  }
}

async function linkLock(folder: string, name: string, hold: string): Promise<void> {
  const lock = lockPath(folder, name);
  try {
    await link(lock, lockPath(hold, name));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    // The owner removes the data first: where that is still there, this is a store at rest that came without its locks.
    await stat(dataPath(folder, name));
    await (await openFile(lock, "a")).close();
    await link(lock, lockPath(hold, name));
  }
}
