import { access, mkdir, mkdtemp, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

const LOOK_MS = 200;
const OWNER_FILE = "owner";

/**
 * Makes a file that many processes want at the same moment, in one of them; the others wait for it. The folder that it is
 * built in is the lock: it is renamed into place with its owner's pid inside, so that there is never a lock without owner.
 * @param build gets a folder of its own, removed afterwards, and gives the path of what it built there.
 * @param timeoutMs after which a lock is stale although a process of its owner's number lives.
 * @throws what `build` throws, in the process that it failed in; the next then tries itself.
 */
export async function buildOnce({ cache, file, timeoutMs, build }) {
  const lock = join(cache, "building");
  await mkdir(cache, { recursive: true });
  while (!(await exists(file))) {
    if (await take(cache, lock)) {
      try {
        // Whoever had the lock before may have built it since the last look.
        if (!(await exists(file))) await rename(await build(lock), file);
      } finally {
        await rm(lock, { recursive: true, force: true });
      }
    } else if (await isStale(lock, timeoutMs)) await remove(cache, lock, timeoutMs);
    else await sleep(LOOK_MS);
  }
}

async function take(cache, lock) {
  const folder = await mkdtemp(join(cache, "new-"));
  await writeFile(join(folder, OWNER_FILE), `${process.pid}`);
  try {
    await rename(folder, lock); // Refused where a folder with something in it stands there.
    return true;
  } catch (error) {
    await rm(folder, { recursive: true, force: true });
    if (!["ENOTEMPTY", "EEXIST"].includes(error.code)) throw error;
    return false;
  }
}

async function isStale(lock, timeoutMs) {
  try {
    const [{ mtimeMs }, pid] = await Promise.all([
      stat(join(lock, OWNER_FILE)),
      readFile(join(lock, OWNER_FILE), "utf8"),
    ]);
    return Date.now() - mtimeMs > timeoutMs || !isAlive(Number(pid));
  } catch {
    return false; // Gone, or just being removed.
  }
}

function isAlive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === "EPERM";
  }
}

/** Of several that find it stale, one can rename it; a lock that was taken anew meanwhile goes back. */
async function remove(cache, lock, timeoutMs) {
  const away = await mkdtemp(join(cache, "stale-"));
  const moved = join(away, "building");
  try {
    await rename(lock, moved);
    if (!(await isStale(moved, timeoutMs))) await rename(moved, lock);
  } catch {
    // Another was first.
  }
  await rm(away, { recursive: true, force: true });
}

async function exists(path) {
  try {
    await access(path);
    return true;
  } catch {
    return false;
  }
}
