import { fstatSync, readSync } from "node:fs";

/*
 * The pages of an LMDB file, as lmdb-js writes them (liblmdb, format 2, little-endian, 64 bit). LMDB maps its file and believes what
 * it finds: a page number that is wrong ends the process. So what other checks are going to read is looked at here first.
 *
 * page  [its own number: 8][transaction: 8][2][flags: 2][end of the pointers: 2][start of the nodes: 2] or [count of pages: 4]
 * meta  a page with [magic: 4][version: 4][16][tree of free pages: 48][tree of the values: 48][last page: 8][transaction: 8]
 * tree  [4][flags: 2][depth: 2][24][8][root: 8]
 * node  [low: 2][high: 2][flags: 2][size of the key: 2][key][data, or number and count of its own pages]
 */
const PAGE_HEAD = 24;
const MAGIC = 0xbeefc0de;
const FORMAT = 2;
const TREES_AT = PAGE_HEAD + 24;
const TREE_BYTES = 48;
const ROOT_AT = 40;
const DEPTH_AT = 6;
const LAST_PAGE_AT = TREES_AT + 2 * TREE_BYTES;
const NO_ROOT = 0xffffffffffffffffn;
const DEPTH_MAX = 32;
const PAGE_BYTES_SIZES = [4096, 8192, 16_384, 32_768];

/** What a page is; any other bit makes LMDB read it in ways that ours are never written. */
const PageFlag = { Branch: 1, Leaf: 2, Overflow: 4, Meta: 8 } as const;
const NODE_HEAD = 8;
const NODE_IS_LARGE = 1;

interface Meta {
  readonly pageBytes: number;
  readonly transaction: bigint;
  readonly lastPage: number;
  /** Of the tree of the values: the ways of LMDB that ours is not. */
  readonly valueFlags: number;
  readonly trees: readonly { readonly root: bigint; readonly depth: number }[];
}

/**
 * What LMDB will find when it opens the file: nothing yet, `new` (begun, and nothing committed), `committed`, or `damaged`, which is
 * to be told before: lmdb-js uses memory that it has freed after each open that fails.
 */
export function stateOfFile(file: number): "empty" | "new" | "committed" | "damaged" {
  if (fstatSync(file).size === 0) return "empty";
  const newest = newestMeta(file);
  if (newest === undefined) return "damaged";
  return newest.transaction === 0n ? "new" : "committed";
}

/**
 * What is wrong with the pages that the newest transaction reaches, or undefined. Pages of values are looked at by their heads
 * only. While another process writes, a transaction that reads must be held, so that none of them is used again.
 */
export function pageProblem(file: number): string | undefined {
  const newest = newestMeta(file);
  if (newest === undefined || newest.valueFlags !== 0) return "its first pages are damaged";
  // Asked for only now: another process may have made the file longer for that very transaction.
  const walk = new PageWalk(file, fstatSync(file).size, newest);
  // Keys of the tree of free pages are numbers, and do not stand in the order of their bytes.
  const [free, main] = newest.trees;
  return (free && walk.tree(free, false)) ?? (main && walk.tree(main, true));
}

/**
 * True where the file ends before the last page that LMDB has given out. It may, where that page is free again; else it was cut off,
 * and reading it would end the process.
 */
export function mayBeCutOff(file: number): boolean {
  const newest = newestMeta(file);
  return newest !== undefined && (newest.lastPage + 1) * newest.pageBytes > fstatSync(file).size;
}

/** Undefined where one of the two is damaged: LMDB itself then opens nothing. */
function newestMeta(file: number): Meta | undefined {
  for (const pageBytes of PAGE_BYTES_SIZES) {
    const [first, second] = [0, 1].map((page) => readMeta(file, page, pageBytes));
    if (first !== undefined && second !== undefined)
      return second.transaction > first.transaction ? second : first;
  }
  return undefined;
}

function readMeta(file: number, page: number, pageBytes: number): Meta | undefined {
  const bytes = readUnchanged(file, page * pageBytes, PAGE_HEAD + 200);
  if (bytes === undefined || (bytes.readUInt16LE(18) & PageFlag.Meta) === 0) return undefined;
  const isOurs = bytes.readUInt32LE(PAGE_HEAD) === MAGIC && bytes.readUInt32LE(PAGE_HEAD + 4) === FORMAT;
  if (!isOurs || bytes.readUInt32LE(TREES_AT) !== pageBytes) return undefined;
  const trees = [0, 1].map((index) => {
    const at = TREES_AT + index * TREE_BYTES;
    return { root: bytes.readBigUInt64LE(at + ROOT_AT), depth: bytes.readUInt16LE(at + DEPTH_AT) };
  });
  return {
    pageBytes,
    trees,
    valueFlags: bytes.readUInt16LE(TREES_AT + TREE_BYTES + 4),
    lastPage: Number(bytes.readBigUInt64LE(LAST_PAGE_AT)),
    transaction: bytes.readBigUInt64LE(LAST_PAGE_AT + 8),
  };
}

/** Read until it is twice the same: another process may be at writing it. Undefined where the file ends before. */
function readUnchanged(file: number, at: number, size: number): Buffer | undefined {
  let before: Buffer | undefined;
  for (;;) {
    const bytes = Buffer.alloc(size);
    if (readSync(file, bytes, 0, size, at) < size) return undefined;
    if (before?.equals(bytes) === true) return bytes;
    before = bytes;
  }
}

class PageWalk {
  readonly #file: number;
  readonly #meta: Meta;
  readonly #sizeBytes: number;

  constructor(file: number, sizeBytes: number, meta: Meta) {
    this.#file = file;
    this.#sizeBytes = sizeBytes;
    this.#meta = meta;
  }

  tree({ root, depth }: Meta["trees"][number], isOrdered: boolean): string | undefined {
    if (root === NO_ROOT) return undefined;
    if (depth > DEPTH_MAX) return "its first pages are damaged";
    return this.#page(Number(root), depth, isOrdered);
  }

  #page(number: number, levelsLeft: number, isOrdered: boolean): string | undefined {
    const { pageBytes } = this.#meta;
    const bytes = this.#read(number, pageBytes);
    if (bytes === undefined) return wrong(number);
    const flags = bytes.readUInt16LE(18);
    const lower = bytes.readUInt16LE(20);
    const upper = bytes.readUInt16LE(22);
    const isLeaf = levelsLeft === 1;
    const isOther = flags !== (isLeaf ? PageFlag.Leaf : PageFlag.Branch);
    // Both ends are counted from behind the head.
    if (isOther || lower > upper || upper + PAGE_HEAD > pageBytes || lower % 2 !== 0) return wrong(number);
    let before: Buffer | undefined;
    for (let index = 0; index < lower / 2; index++) {
      const at = bytes.readUInt16LE(PAGE_HEAD + index * 2) + PAGE_HEAD;
      if (at < upper + PAGE_HEAD || at + NODE_HEAD > pageBytes) return wrong(number);
      const keyEnd = at + NODE_HEAD + bytes.readUInt16LE(at + 6);
      if (keyEnd > pageBytes) return wrong(number);
      const key = bytes.subarray(at + NODE_HEAD, keyEnd);
      // The first key of a branch page stands for everything below the second, and is not read.
      const isKey = isLeaf || index > 0;
      if (isOrdered && isKey && before !== undefined && before.compare(key) >= 0) return wrong(number);
      if (isKey) before = key;
      const problem = isLeaf
        ? this.#leafNode(bytes, at, keyEnd, number)
        : this.#child(bytes, at, levelsLeft, isOrdered);
      if (problem !== undefined) return problem;
    }
    return undefined;
  }

  #child(bytes: Buffer, at: number, levelsLeft: number, isOrdered: boolean): string | undefined {
    const number = bytes.readUInt32LE(at) + bytes.readUInt16LE(at + 4) * 0x100000000;
    return this.#page(number, levelsLeft - 1, isOrdered);
  }

  #leafNode(bytes: Buffer, at: number, keyEnd: number, number: number): string | undefined {
    const { pageBytes } = this.#meta;
    const size = bytes.readUInt32LE(at);
    const flags = bytes.readUInt16LE(at + 4);
    if (flags !== 0 && flags !== NODE_IS_LARGE) return wrong(number);
    if (flags === 0) return keyEnd + size > pageBytes ? wrong(number) : undefined;
    if (keyEnd + 24 > pageBytes) return wrong(number);
    const first = Number(bytes.readBigUInt64LE(keyEnd));
    const count = Math.floor((PAGE_HEAD - 1 + size) / pageBytes) + 1;
    const head = this.#read(first, PAGE_HEAD);
    const isOther =
      head === undefined ||
      head.readUInt16LE(18) !== PageFlag.Overflow ||
      head.readUInt32LE(20) < count ||
      (first + count - 1) * pageBytes + ((PAGE_HEAD + size - 1) % pageBytes) >= this.#sizeBytes;
    return isOther ? wrong(first) : undefined;
  }

  /** Undefined where the page is not there, or says that it is another. */
  #read(number: number, size: number): Buffer | undefined {
    const { pageBytes, lastPage } = this.#meta;
    if (!(number >= 2 && number <= lastPage)) return undefined;
    const bytes = Buffer.allocUnsafe(size);
    if (readSync(this.#file, bytes, 0, size, number * pageBytes) < size) return undefined;
    return bytes.readBigUInt64LE(0) === BigInt(number) ? bytes : undefined;
  }
}

function wrong(number: number): string {
  return `page ${number} of it is damaged or missing`;
}
