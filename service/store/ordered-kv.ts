/** One change of a transaction. Keys compare byte by byte. */
export type KvChange =
  | { readonly type: "put"; readonly key: Uint8Array; readonly value: Uint8Array }
  | { readonly type: "remove"; readonly key: Uint8Array };

export interface KvRange {
  /** Inclusive. */
  readonly start: Uint8Array;
  /** Exclusive. */
  readonly end: Uint8Array;
  readonly reverse?: boolean;
  readonly limit?: number;
}

/** The small ordered key-value engine under the chunked store. Drivers: lmdb, and a simulated one that loses unsynced transactions whole. */
export interface OrderedKv {
  get(key: Uint8Array): Uint8Array | undefined;
  /** Pairs in key order (descending with `reverse`); the values are the caller's to keep. */
  range(range: KvRange): Iterable<{ readonly key: Uint8Array; readonly value: Uint8Array }>;
  /** All or nothing; resolves when durable (fsynced). A failure is fatal: the engine must not be used again. */
  commit(changes: readonly KvChange[]): Promise<void>;
  close(): Promise<void>;
}
