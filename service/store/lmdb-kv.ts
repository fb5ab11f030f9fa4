import { statfsSync } from "node:fs";
import { mkdir, open as openFile, readdir, realpath, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { open, type RangeOptions, type RootDatabase, type Transaction } from "lmdb";
import { syncFolder } from "../../host/system-disk.ts";
import { mayBeCutOff, pageProblem } from "./lmdb-pages.ts";
import { StoreUnavailable } from "./log-store.ts";
import type { KvChange, KvPair, KvRange, KvSpace, KvView, KvViews, OrderedKv } from "./ordered-kv.ts";

const DATA_SUFFIX = ".mdb";
const LOCK_SUFFIX = ".mdb-lock";
/** An engine that is never written to: who holds a reader's place in it owns the folder. */
const OWNER_NAME = "owner";
const ARCHITECTURES_32: readonly string[] = ["arm", "ia32", "mips", "mipsel"];

/** What a file's `blocks` count, whatever the file system. */
const BLOCK_BYTES = 512;

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

  constructor(path: string) {
    this.#db = open<Uint8Array, Uint8Array>({
      path,
      noSubdir: true,
      encoding: "binary",
      keyEncoding: "binary",
      overlappingSync: false,
      // With it, a failed commit rejects a second promise that nobody can reach, which would end the process.
      eventTurnBatching: false,
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
      this.#failure ??= new StoreUnavailable("a commit failed", { cause: await commitError(error) });
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

async function namesIn(dir: string): Promise<string[]> {
  const files = await readdir(dir);
  return files
    .filter((file) => file.endsWith(DATA_SUFFIX))
    .map((file) => file.slice(0, -DATA_SUFFIX.length))
    .filter((name) => name !== OWNER_NAME)
    .sort();
}

/** Engines as files of one folder, which one process at a time may have open. */
export class LmdbSpace implements KvSpace {
  readonly #dir: string;
  readonly #owner: RootDatabase<Uint8Array, Uint8Array>;

  private constructor(dir: string, owner: RootDatabase<Uint8Array, Uint8Array>) {
    this.#dir = dir;
    this.#owner = owner;
  }

  /**
   * Makes the folder where there is none.
   * @throws StoreUnavailable while another process has it open.
   */
  static async open(dir: string): Promise<LmdbSpace> {
    await mkdir(dir, { recursive: true, mode: 0o700 });
    const folder = await realpath(dir);
    if (ownedFolders.has(folder)) throw new StoreUnavailable(`${folder} is already open`);
    ownedFolders.add(folder);
    try {
      return new LmdbSpace(folder, takeOwnership(folder));
    } catch (error) {
      ownedFolders.delete(folder);
      throw error;
    }
  }

  async open(name: string): Promise<OrderedKv> {
    const path = join(this.#dir, name + DATA_SUFFIX);
    await assertWhole(path, mayBeCutOff);
    const kv = new LmdbKv(path);
    // The file itself is synced by its first commit; its name in the folder is not.
    await syncFolder(this.#dir);
    return kv;
  }

  names(): Promise<string[]> {
    return namesIn(this.#dir);
  }

  async bytes(name: string): Promise<number> {
    const file = await stat(join(this.#dir, name + DATA_SUFFIX)).catch(() => undefined);
    return (file?.blocks ?? 0) * BLOCK_BYTES;
  }

  freeBytes(): number {
    const { bavail, bsize } = statfsSync(this.#dir);
    return bavail * bsize;
  }

  async remove(name: string): Promise<void> {
    await rm(join(this.#dir, name + DATA_SUFFIX), { force: true });
    await rm(join(this.#dir, name + LOCK_SUFFIX), { force: true });
  }

  async close(): Promise<void> {
    await this.#owner.close();
    ownedFolders.delete(this.#dir);
  }
}

/**
 * LMDB keeps a table of readers with their process numbers, guarded by locks that the kernel drops with the process: a place
 * in it that is held for good is an owner's mark that outlives no crash. Two that start at once may both be refused.
 */
function takeOwnership(folder: string): RootDatabase<Uint8Array, Uint8Array> {
  const owner = open<Uint8Array, Uint8Array>({
    path: join(folder, OWNER_NAME + DATA_SUFFIX),
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
    const path = join(this.#dir, name + DATA_SUFFIX);
    const file = await stat(path).catch((error: NodeJS.ErrnoException) => {
      if (error.code === "ENOENT") return undefined;
      throw error;
    });
    if (file === undefined) return undefined;
    const view = new LmdbView(path);
    try {
      await assertWhole(path);
    } catch (error) {
      await view.close();
      throw error;
    }
    return view;
  }
}

/**
 * To be called while a view is held, or while nobody writes.
 * @param isSuspect which files are to be looked at page by page; all where absent
 * @throws StoreUnavailable where reading the file by its map would end the process
 */
async function assertWhole(
  path: string,
  isSuspect: (file: number, sizeBytes: number) => boolean = () => true,
): Promise<void> {
  // The layout that is looked at is that of 64-bit machines.
  if (ARCHITECTURES_32.includes(process.arch)) return;
  const file = await openFile(path, "r").catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return undefined;
    throw error;
  });
  if (file === undefined) return;
  try {
    const { size } = await file.stat();
    const problem = isSuspect(file.fd, size) ? pageProblem(file.fd, size) : undefined;
    if (problem !== undefined) throw new StoreUnavailable(`${path}: ${problem}`);
  } finally {
    await file.close();
  }
}

class LmdbView implements KvView {
  readonly #db: RootDatabase<Uint8Array, Uint8Array>;
  readonly #transaction: Transaction;
  #closed = false;

  /** @throws StoreUnavailable */
  constructor(path: string) {
    try {
      this.#db = open<Uint8Array, Uint8Array>({
        path,
        noSubdir: true,
        encoding: "binary",
        keyEncoding: "binary",
        readOnly: true,
      });
      this.#transaction = this.#db.useReadTransaction();
    } catch (error) {
      const words = error instanceof Error ? error.message : String(error);
      throw new StoreUnavailable(`${path} cannot be read: ${words}`, { cause: error });
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
