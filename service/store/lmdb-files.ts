import { constants, fstatSync } from "node:fs";
import { open as openFile, readdir } from "node:fs/promises";
import { join } from "node:path";
import { pageProblem, stateOfFile } from "./lmdb-pages.ts";
import { StoreUnavailable } from "./log-store.ts";

const DATA_SUFFIX = ".mdb";
const JOURNAL_SUFFIX = ".journal";
const ENGINE_SUFFIXES = [DATA_SUFFIX, JOURNAL_SUFFIX];
const PACK_SUFFIX = ".pack";
/** LMDB's own name for it. */
const LOCK_SUFFIX = `${DATA_SUFFIX}-lock`;
/** An engine that is never written to: who holds a reader's place in it owns the folder. */
export const OWNER_NAME = "owner";
/** The layout of pages that is looked at is that of such machines. */
export const IS_64_BIT = !["arm", "ia32", "mips", "mipsel"].includes(process.arch);

export function dataPath(folder: string, name: string): string {
  return join(folder, name + DATA_SUFFIX);
}

export function journalPath(folder: string, name: string): string {
  return join(folder, name + JOURNAL_SUFFIX);
}

export function packPath(folder: string, name: string): string {
  return join(folder, name + PACK_SUFFIX);
}

export function lockPath(folder: string, name: string): string {
  return join(folder, name + LOCK_SUFFIX);
}

/** True for a file that holds what is stored, and is not there to keep processes apart. */
export function isStoreFile(file: string): boolean {
  return [...ENGINE_SUFFIXES, PACK_SUFFIX].some((suffix) => file.endsWith(suffix));
}

/** The engines of a folder, ascending; the owner's mark is none of them. */
export async function namesIn(dir: string): Promise<string[]> {
  const files = await readdir(dir);
  const names = ENGINE_SUFFIXES.flatMap((suffix) =>
    files.filter((file) => file.endsWith(suffix)).map((file) => file.slice(0, -suffix.length)),
  );
  return names.filter((name) => name !== OWNER_NAME).sort();
}

type FileState = ReturnType<typeof stateOfFile>;

/** Undefined where there is no such file. @throws StoreUnavailable where it cannot be read */
export async function stateAt(path: string): Promise<FileState | undefined> {
  return withFile(path, constants.O_RDONLY, stateOf);
}

/**
 * To be called before LMDB opens a file to write to it: lmdb-js uses memory that it has freed after each open that fails, which
 * may end the process at any later time.
 * @param isSuspect whether the file is to be looked at page by page
 * @throws StoreUnavailable where LMDB would refuse it, or where reading it by its map would end the process
 */
export async function assertOpens(path: string, isSuspect: (file: number) => boolean): Promise<void> {
  const problem = await withFile(path, constants.O_RDWR, (file) =>
    stateOf(file) === "damaged" || (IS_64_BIT && isSuspect(file)) ? problemOf(file) : undefined,
  );
  if (problem !== undefined) throw new StoreUnavailable(`${path}: ${problem}`);
}

/**
 * What is wrong with the pages of a file, if anything. To be called while a view of it is held, or while nobody writes.
 * @throws StoreUnavailable where it cannot be read
 */
export async function problemAt(path: string): Promise<string | undefined> {
  return withFile(path, constants.O_RDONLY, problemOf);
}

function stateOf(file: number): FileState {
  if (IS_64_BIT) return stateOfFile(file);
  return fstatSync(file).size === 0 ? "empty" : "committed";
}

function problemOf(file: number): string | undefined {
  return IS_64_BIT && stateOfFile(file) !== "empty" ? pageProblem(file) : undefined;
}

async function withFile<T>(path: string, flags: number, look: (file: number) => T): Promise<T | undefined> {
  const file = await openFile(path, flags).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return undefined;
    throw new StoreUnavailable(`${path} cannot be opened: ${error.message}`, { cause: error });
  });
  try {
    return file && look(file.fd);
  } finally {
    await file?.close();
  }
}
