/** Randomness. The simulator gives a seeded one; only `host/system-random.ts` asks the kernel. */
export interface Random {
  /** `size` unpredictable bytes. */
  bytes(size: number): Uint8Array;
  /** A fraction from 0 to below 1, for jitter; not for secrets. */
  fraction(): number;
}
