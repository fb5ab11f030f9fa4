import { constants, existsSync, statfsSync } from "node:fs";
import { access, mkdir, realpath, rm, stat } from "node:fs/promises";
import { open, type RangeOptions, type RootDatabase, type Transaction } from "lmdb";
import type { Clock } from "../../host/clock.ts";
import { syncFolder } from "../../host/system-disk.ts";
import { commitFailure, DISK_FULL_TEXT } from "./commit-failure.ts";
import { type ByteFile, type Disk, type DurableFile, diskOf, SystemFile } from "./durable-file.ts";
import { JournalKv, JournalView } from "./journal-kv.ts";
import {
  assertOpens,
  dataPath,
  IS_64_BIT,
  journalPath,
  lockPath,
  namesIn,
  OWNER_NAME,
  packPath,
  problemAt,
  stateAt,
} from "./lmdb-files.ts";
import { dropLeftHolds, holdFiles } from "./lmdb-holds.ts";
import { mayBeCutOff } from "./lmdb-pages.ts";
import { StoreUnavailable } from "./log-store.ts";
import {
  type KvChange,
  KvForm,
  type KvPair,
  type KvRange,
  type KvSpace,
  type KvView,
  type KvViews,
  type OrderedKv,
} from "./ordered-kv.ts";

/** What a file's `blocks` count, whatever the file system. */
const BLOCK_BYTES = 512;

/**
 * What a new file is mapped with: more than a segment that is full. Where a file outgrows its map, lmdb-js makes one twice as large and keeps
 * all before it, and with each the pages that were looked at in it. It is address space; memory is only what is looked at.
 */
const MAP_BYTES_NEW = 512 * 1024 * 1024;

/**
 * What the first pages of a file and its table of readers take, with room for those of a few others. LMDB writes the table through a map:
 * on a disk without room for it, the system ends the process.
 */
const NEW_FILE_BYTES = 128 << 10;

/** Of opening a view. */
const ATTEMPTS_MAX = 5;
/** What a destroyed lock says when it is taken; what lmdb-js writes behind it is of an earlier error. */
const LOCKS_DESTROYED = "Invalid argument";

/** Folders this process has open; the engine itself would share them. */
const ownedFolders = new Set<string>();

/**
 * One lmdb environment in one file. Commits are LMDB's own kind: pages, fdatasync, then the meta page through a descriptor
 * opened O_DSYNC, on a thread, before the promise resolves. lmdb-js's `overlappingSync` is off: it makes commits visible to
 * readers before they are durable, ignores a failed write of the meta page, and after a power cut relies on the boot id.
 */
export class LmdbKv implements OrderedKv {
  readonly #db: RootDatabase<Uint8Array, Uint8Array>;
  #failure: StoreUnavailable | undefined;

  /** @param isNew there is no such file yet */
  constructor(path: string, isNew: boolean) {
    // On 32 bits lmdb-js maps parts, unless it is told a size.
    const isMappedAhead = isNew && IS_64_BIT;
    this.#db = open<Uint8Array, Uint8Array>({
      path,
      noSubdir: true,
      encoding: "binary",
      keyEncoding: "binary",
      overlappingSync: false,
      // With it, a failed commit rejects a second promise that nobody can reach, which would end the process.
      eventTurnBatching: false,
      ...(isMappedAhead && { mapSize: MAP_BYTES_NEW }),
    });
  }

  get(key: Uint8Array): Uint8Array | undefined {
    this.#assertUsable();
    return this.#db.getBinary(key);
  }

  *range(range: KvRange): Generator<KvPair> {
    this.#assertUsable();
    yield* this.#db.getRange(boundsOf(range));
  }

  async commit(changes: readonly KvChange[]): Promise<void> {
    this.#assertUsable();
    if (changes.length === 0) return;
    try {
      await this.#db.batch(() => {
        for (const change of changes) {
          if (change.type === "put") this.#db.put(change.key, change.value);
          else this.#db.remove(change.key);
        }
      });
    } catch (error) {
      this.#failure ??= commitFailure(await commitError(error));
      throw this.#failure;
    }
  }

  releaseDeadViews(): void {
    this.#db.readerCheck();
  }

  async close(): Promise<void> {
    await this.#db.close();
  }

  #assertUsable(): void {
    if (this.#failure !== undefined) throw this.#failure;
  }
}

function boundsOf({ start, end, reverse, limit }: KvRange): RangeOptions {
  const limited = limit === undefined ? {} : { limit };
  // Backwards, lmdb starts at the upper end; ours excludes it and includes the lower one.
  return reverse
    ? { start: end, end: start, reverse, exclusiveStart: true, inclusiveEnd: true, ...limited }
    : { start, end, ...limited };
}

/** lmdb-js tells the reason in a promise beside the error; left alone, it would be an unhandled rejection. */
async function commitError(error: unknown): Promise<unknown> {
  const told = (error as { commitError?: unknown }).commitError;
  if (!(told instanceof Promise)) return error;
  return told.then(
    () => error,
    (reason: unknown) => reason,
  );
}

/** Engines as files of one folder, trees of lmdb and journals, which one process at a time may have open. */
export class LmdbSpace implements KvSpace {
  readonly #dir: string;
  readonly #owner: RootDatabase<Uint8Array, Uint8Array>;
  readonly #disk: Disk | undefined;

  private constructor(dir: string, owner: RootDatabase<Uint8Array, Uint8Array>, disk: Disk | undefined) {
    this.#dir = dir;
    this.#owner = owner;
    this.#disk = disk;
  }

  /**
   * Makes the folder where there is none.
   * @param clock by which the disk is timed; without one, no write is made on the caller's thread.
   * @throws StoreUnavailable while another process has it open.
   */
  static async open(dir: string, clock?: Clock): Promise<LmdbSpace> {
    const folder = await folderAt(dir);
    if (ownedFolders.has(folder)) throw new StoreUnavailable(`${folder} is already open`);
    ownedFolders.add(folder);
    try {
      await assertOpens(dataPath(folder, OWNER_NAME), () => false);
      assertRoom(folder, OWNER_NAME);
      const owner = takeOwnership(folder);
      await dropLeftHolds(folder);
      return new LmdbSpace(folder, owner, clock && diskOf(clock));
    } catch (error) {
      ownedFolders.delete(folder);
      throw error;
    }
  }

  async open(name: string, form: KvForm = KvForm.Tree): Promise<OrderedKv> {
    const path = dataPath(this.#dir, name);
    const journal = journalPath(this.#dir, name);
    const isJournal = existsSync(journal) || (form === KvForm.Journal && !existsSync(path));
    const kv = isJournal
      ? await openedFile(journal, (file) => JournalKv.open(file), this.#disk)
      : await this.#openTree(path, name);
    // The file itself is synced by its first commit; its name in the folder is not.
    await syncFolder(this.#dir);
    return kv;
  }

  async openPack(name: string): Promise<DurableFile> {
    const path = packPath(this.#dir, name);
    const isNew = !existsSync(path);
    const file = await openedFile(path, async (opened) => opened);
    // The name of one that is there was synced before its engine was in use.
    if (isNew) await syncFolder(this.#dir);
    return file;
  }

  async #openTree(path: string, name: string): Promise<OrderedKv> {
    await assertOpens(path, mayBeCutOff);
    assertRoom(this.#dir, name);
    return new LmdbKv(path, !existsSync(path));
  }

  names(): Promise<string[]> {
    return namesIn(this.#dir);
  }

  async bytes(name: string): Promise<number> {
    let blocks = 0;
    const paths = [dataPath, lockPath, journalPath, packPath].map((pathOf) => pathOf(this.#dir, name));
    for (const path of paths) blocks += (await stat(path).catch(() => undefined))?.blocks ?? 0;
    return blocks * BLOCK_BYTES;
  }

  freeBytes(): number {
    return freeBytesAt(this.#dir);
  }

  async remove(name: string): Promise<void> {
    const pack = packPath(this.#dir, name);
    if (existsSync(pack)) {
      await rm(pack, { force: true });
      // Engines have names, packs have not: one without its engine would stay for good.
      await syncFolder(this.#dir);
    }
    await rm(dataPath(this.#dir, name), { force: true });
    await rm(lockPath(this.#dir, name), { force: true });
    await rm(journalPath(this.#dir, name), { force: true });
  }

  async close(): Promise<void> {
    await this.#owner.close();
    ownedFolders.delete(this.#dir);
  }
}

function freeBytesAt(dir: string): number {
  const { bavail, bsize } = statfsSync(dir);
  return bavail * bsize;
}

/** @throws StoreUnavailable where the table of readers would have to be made on a full disk */
function assertRoom(dir: string, name: string): void {
  if (existsSync(lockPath(dir, name)) || freeBytesAt(dir) >= NEW_FILE_BYTES) return;
  throw new StoreUnavailable(`${dir}: ${DISK_FULL_TEXT}`);
}

/** The real path of a folder that can be written to, made where there is none. @throws StoreUnavailable */
async function folderAt(dir: string): Promise<string> {
  try {
    await mkdir(dir, { recursive: true, mode: 0o700 });
    await access(dir, constants.R_OK | constants.W_OK | constants.X_OK);
    return await realpath(dir);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const why = code === "EEXIST" || code === "ENOTDIR" ? "a file stands where the folder would be" : message;
    throw new StoreUnavailable(`${dir} cannot be used: ${why}`, { cause: error });
  }
}

/**
 * LMDB keeps a table of readers with their process numbers, guarded by locks that the kernel drops with the process: a place
 * in it that is held for good is an owner's mark that outlives no crash. Two that start at once may both be refused.
 */
function takeOwnership(folder: string): RootDatabase<Uint8Array, Uint8Array> {
  const owner = open<Uint8Array, Uint8Array>({
    path: dataPath(folder, OWNER_NAME),
    noSubdir: true,
    encoding: "binary",
    keyEncoding: "binary",
    overlappingSync: false,
  });
  owner.useReadTransaction();
  owner.readerCheck();
  const readers = String(owner.readerList());
  const pids = [...readers.matchAll(/^\s*(\d+)\s/gm)].map((match) => Number(match[1]));
  const other = pids.find((pid) => pid !== process.pid);
  if (other === undefined && pids.length > 0) return owner;
  void owner.close();
  throw new StoreUnavailable(
    other === undefined ? `${folder}: cannot tell who has it open` : `process ${other} has ${folder} open`,
  );
}

/** Files of a folder, whoever has it open: LMDB lets other processes read while one writes. */
export class LmdbViews implements KvViews {
  readonly #dir: string;

  constructor(dir: string) {
    this.#dir = dir;
  }

  names(): Promise<string[]> {
    return namesIn(this.#dir);
  }

  async view(name: string): Promise<KvView | undefined> {
    const journal = journalPath(this.#dir, name);
    if (existsSync(journal)) return viewedFile(journal, (file) => new JournalView(file));
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.#tryView(name);
      } catch (error) {
        // An owner that closes a file destroys the locks in it, also under one who opens it at that moment; who is next makes new ones.
        if (attempt === ATTEMPTS_MAX || !(error instanceof LocksDestroyed)) throw error;
      }
    }
  }

  async viewPack(name: string): Promise<ByteFile | undefined> {
    return viewedFile(packPath(this.#dir, name), (file) => file);
  }

  async #tryView(name: string): Promise<KvView | undefined> {
    const path = dataPath(this.#dir, name);
    const state = await stateAt(path);
    if (state === "damaged") throw new StoreUnavailable(`${path}: its first pages are damaged`);
    if (state === undefined) return undefined;
    // LMDB cannot open what another process is making.
    if (state !== "committed") return NOTHING_YET;
    const held = await holdFiles(this.#dir, name);
    if (held === undefined) return undefined;
    try {
      const view = await LmdbView.open(held.path, path);
      const problem = await problemAt(held.path).catch(async (error: unknown) => {
        await view.close();
        throw error;
      });
      if (problem === undefined) return view;
      await view.close();
      throw new StoreUnavailable(`${path}: ${problem}`);
    } finally {
      await held.release();
    }
  }
}

/** @throws StoreUnavailable */
async function openedFile<T>(path: string, by: (file: SystemFile) => Promise<T>, disk?: Disk): Promise<T> {
  try {
    return await by(SystemFile.open(path, disk));
  } catch (error) {
    throw new StoreUnavailable(`${path} cannot be opened: ${String(error)}`, { cause: error });
  }
}

/** Undefined where it was removed at this moment; once it is open, it stays readable. @throws StoreUnavailable */
function viewedFile<T>(path: string, by: (file: SystemFile) => T): T | undefined {
  try {
    return by(SystemFile.view(path));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw new StoreUnavailable(`${path} cannot be read: ${String(error)}`, { cause: error });
  }
}

class LocksDestroyed extends StoreUnavailable {}

const NOTHING_YET: KvView = { get: () => undefined, *range() {}, async close() {} };

class LmdbView implements KvView {
  readonly #db: RootDatabase<Uint8Array, Uint8Array>;
  readonly #transaction: Transaction;
  #closed = false;

  private constructor(db: RootDatabase<Uint8Array, Uint8Array>) {
    this.#db = db;
    this.#transaction = db.useReadTransaction();
  }

  /**
   * @param shownPath the name by which people know the file
   * @throws StoreUnavailable
   */
  static async open(path: string, shownPath: string): Promise<LmdbView> {
    let db: RootDatabase<Uint8Array, Uint8Array> | undefined;
    try {
      db = open({ path, noSubdir: true, encoding: "binary", keyEncoding: "binary", readOnly: true });
      return new LmdbView(db);
    } catch (error) {
      const words = error instanceof Error ? error.message : String(error);
      await db?.close();
      const Kind = words.startsWith(LOCKS_DESTROYED) ? LocksDestroyed : StoreUnavailable;
      throw new Kind(`${shownPath} cannot be read: ${words}`, { cause: error });
    }
  }

  get(key: Uint8Array): Uint8Array | undefined {
    const transaction = this.#transaction;
    const read = this.#db.getBinary as (
      key: Uint8Array,
      options: { transaction: Transaction },
    ) => Uint8Array | undefined;
    return read.call(this.#db, key, { transaction });
  }

  *range(range: KvRange): Generator<KvPair> {
    yield* this.#db.getRange({ ...boundsOf(range), transaction: this.#transaction });
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#transaction.done();
    await this.#db.close();
  }
}
