import { existsSync } from "node:fs";
import { chmod, copyFile, open, readdir, rename, rm, stat, statfs } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { syncFolder } from "../host/system-disk.ts";
import { isStoreFile } from "../service/store/lmdb-files.ts";
import { LmdbSpace } from "../service/store/lmdb-kv.ts";
import { type BackupSummary, copyStore } from "../service/store/store-backup.ts";
import type { StoreView } from "../service/store/store-view.ts";
import { ADDRESS_FILE } from "./api-options.ts";
import { takeData } from "./data-folder.ts";
import { LOCK_FILE } from "./data-lock.ts";
import { writeOut } from "./output.ts";
import { ProgressLine, percent } from "./progress-line.ts";
import { stopSignal } from "./stop-signal.ts";
import { dataFolderWithStore, STORE_FOLDER, viewOf } from "./store-folder.ts";
import { UserError } from "./user-error.ts";

export interface BackupOptions {
  readonly to: string;
  readonly data?: string;
  readonly json?: boolean;
}

/** Files of a data folder that are of the running process alone. */
const NOT_COPIED: readonly string[] = [LOCK_FILE, ADDRESS_FILE];

/**
 * `boardlog backup`: a copy of the log and its keys as they are at one moment, also of a running service. Made under another name,
 * and named as asked for when all of it is on the disk.
 */
export async function runBackup(options: BackupOptions): Promise<void> {
  const from = resolve(dataFolderWithStore(options.data));
  const to = resolve(options.to);
  await assertFree(from, to);
  const { signal } = stopSignal();
  const partial = `${to}.partial`;
  const view = await viewOf(from);
  const unlock = await takePartial(partial);
  try {
    const takenMs = Date.now();
    const totalBytes = await storeBytes(from);
    await assertRoom(dirname(to), totalBytes);
    const progress = new BackupProgress(totalBytes, signal, options.json);
    const summary = await copyAll(from, partial, view, progress);
    unlock();
    await rename(partial, to);
    await syncFolder(dirname(to));
    await tell(from, to, summary, takenMs, options.json);
  } catch (error) {
    await rm(partial, { recursive: true, force: true });
    throw error instanceof UserError ? error : new UserError(`--to: ${to}: ${(error as Error).message}`, 1);
  } finally {
    await view.close();
  }
}

/** @throws UserError where the folder is there, or would be of the log itself. */
async function assertFree(from: string, to: string): Promise<void> {
  if (to === from || to.startsWith(`${from}/`))
    throw new UserError(`--to: ${to} is in the data folder; name one outside, on another disk at best`);
  if (!existsSync(dirname(to))) throw new UserError(`--to: ${dirname(to)} is not there; make it first`);
  if (existsSync(to)) throw new UserError(`--to: ${to} is there already; name a folder that is not`);
}

/** The folder that the copy is made in; what an interrupted one left goes. */
async function takePartial(partial: string): Promise<() => void> {
  try {
    const unlock = takeData(partial, "--to");
    for (const name of await readdir(partial))
      if (name !== LOCK_FILE) await rm(join(partial, name), { recursive: true });
    return unlock;
  } catch (error) {
    if (error instanceof UserError) throw error;
    throw new UserError(`--to: ${partial} cannot be written: ${(error as Error).message}`, 1);
  }
}

async function copyAll(
  from: string,
  partial: string,
  view: StoreView,
  progress: BackupProgress,
): Promise<BackupSummary> {
  const folder = join(partial, STORE_FOLDER);
  const space = await LmdbSpace.open(folder);
  let summary: BackupSummary;
  try {
    summary = await copyStore(view, space, (bytes) => progress.turn(bytes));
  } finally {
    progress.clear();
    await space.close();
  }
  for (const name of await readdir(folder)) {
    if (isStoreFile(name)) await chmod(join(folder, name), 0o600);
    else await rm(join(folder, name));
  }
  for (const entry of await readdir(from, { withFileTypes: true })) {
    if (!entry.isFile() || NOT_COPIED.includes(entry.name)) continue;
    const path = join(partial, entry.name);
    await copyFile(join(from, entry.name), path);
    const file = await open(path, "r+");
    await file.sync();
    await file.close();
  }
  for (const one of [folder, partial]) await syncFolder(one);
  return summary;
}

async function storeBytes(from: string): Promise<number> {
  const folder = join(from, STORE_FOLDER);
  let bytes = 0;
  for (const name of await readdir(folder)) {
    const file = await stat(join(folder, name)).catch(() => undefined);
    bytes += (file?.blocks ?? 0) * 512;
  }
  return bytes;
}

async function assertRoom(folder: string, bytes: number): Promise<void> {
  const { bavail, bsize } = await statfs(folder);
  const free = bavail * bsize;
  if (free < bytes) {
    throw new UserError(
      `--to: ${folder} has ${megabytes(free)} left, the copy needs about ${megabytes(bytes)}`,
      1,
    );
  }
}

class BackupProgress {
  readonly #total: number;
  readonly #signal: AbortSignal;
  readonly #line: ProgressLine;

  constructor(total: number, signal: AbortSignal, isQuiet = false) {
    this.#total = total;
    this.#signal = signal;
    this.#line = new ProgressLine(isQuiet);
  }

  async turn(bytes: number): Promise<void> {
    this.#line.draw(
      () => `${megabytes(bytes)} of about ${megabytes(this.#total)}${percent(bytes, this.#total)}`,
    );
    await new Promise((resolve) => setImmediate(resolve));
    if (this.#signal.aborted) throw new UserError("stopped; no copy was made", 1);
  }

  clear(): void {
    this.#line.clear();
  }
}

async function tell(
  from: string,
  to: string,
  { entryCount, valueCount, bytes }: BackupSummary,
  takenMs: number,
  isJson: boolean | undefined,
): Promise<void> {
  const taken = new Date(takenMs).toISOString();
  if (isJson) {
    await writeOut(`${JSON.stringify({ to, taken, entryCount, valueCount, bytes })}\n`);
    return;
  }
  await writeOut(
    `${to}: ${entryCount} entries as of ${taken}, ${megabytes(bytes)}, and the keys
to restore it: stop the service, put ${basename(to)} in the place of ${from}, start the service
to see that it is whole: boardlog store check --data ${to}
`,
  );
}

function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(1)} MB`;
}
