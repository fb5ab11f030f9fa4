import type { ByteFile, DurableFile } from "./durable-file.ts";

/** One change of a transaction. Keys compare byte by byte. */
export type KvChange =
  | { readonly type: "put"; readonly key: Uint8Array; readonly value: Uint8Array }
  | { readonly type: "remove"; readonly key: Uint8Array };

export interface KvPair {
  readonly key: Uint8Array;
  readonly value: Uint8Array;
}

/** Parts of an engine that are not what was written. */
export interface KvDamage {
  /** The first of them, in words. */
  readonly text: string;
  /** Of all of them. */
  readonly bytes: number;
  /** What was put after the last of them. */
  readonly keysAfter: readonly Uint8Array[];
}

export interface KvRange {
  /** Inclusive. */
  readonly start: Uint8Array;
  /** Exclusive. */
  readonly end: Uint8Array;
  readonly reverse?: boolean;
  readonly limit?: number;
}

/**
 * The small ordered key-value engine under the chunked store. Drivers: lmdb, and a simulated one that loses unsynced
 * transactions whole. Reads see only what is durable. Keys hold 1 to 1,900 bytes.
 */
export interface OrderedKv {
  /** The value is the caller's to keep. */
  get(key: Uint8Array): Uint8Array | undefined;
  /** Pairs in key order (descending with `reverse`); the values are the caller's to keep. To be consumed within one turn. */
  range(range: KvRange): Iterable<KvPair>;
  /**
   * All or nothing, in the order of the calls; resolves when durable (fsynced). Keys and values must not be changed until
   * then. A failure is fatal: the engine must not be used again.
   * @throws StoreUnavailable
   */
  commit(changes: readonly KvChange[]): Promise<void>;
  /** Frees the room that views of processes that died still hold (`KvView`). To be called now and then. */
  releaseDeadViews(): void;
  /** What of it was damaged when it was opened and is left out. */
  readonly damage?: KvDamage | undefined;
  /** Waits for commits under way. */
  close(): Promise<void>;
}

/** What an engine is made for: reads as much as writes, or writes that are read when it is opened again. */
export const KvForm = { Tree: "tree", Journal: "journal" } as const;
export type KvForm = (typeof KvForm)[keyof typeof KvForm];

/**
 * Named engines beside each other, each a file of its own and some a pack of bytes with it: whole ones are added and removed, never
 * shrunk.
 */
export interface KvSpace {
  /**
   * Opens an engine, making an empty one where there is none; its existence is durable when this resolves.
   * @param form of one that is made, a tree where absent; one that is there is what it is
   */
  open(name: string, form?: KvForm): Promise<OrderedKv>;
  /**
   * Opens the pack of an engine that is there, making an empty one where there is none; its existence is durable when this resolves.
   * It goes with its engine.
   */
  openPack(name: string): Promise<DurableFile>;
  /** Names of the engines there are, sorted. */
  names(): Promise<string[]>;
  /** What an engine takes of the disk with its pack, in bytes; 0 where there is none. */
  bytes(name: string): Promise<number>;
  /** Bytes that may still be written before the disk is full. Cheap. */
  freeBytes(): number;
  /** Removes a closed engine and its pack and frees their space; harmless where there is none. */
  remove(name: string): Promise<void>;
  /** Gives the space back to other processes. Engines must be closed before. */
  close(): Promise<void>;
}

/** An engine as it was at one moment; what is written since is not seen. */
export interface KvView extends Pick<OrderedKv, "get" | "range" | "damage"> {
  /** Lets go of the moment: until then, what it shows takes room. Harmless twice. */
  close(): Promise<void>;
}

/** Engines to look at without owning them, also while another process writes to them. */
export interface KvViews {
  /** Names of the engines there are, sorted. */
  names(): Promise<string[]>;
  /**
   * Undefined where there is none (any more). One that is removed stays readable.
   * @throws StoreUnavailable where it cannot be read.
   */
  view(name: string): Promise<KvView | undefined>;
  /** The pack of an engine, in the same way. It shows what is written since, too. */
  viewPack(name: string): Promise<ByteFile | undefined>;
}
