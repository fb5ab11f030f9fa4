import type { KvRange } from "./ordered-kv.ts";

/** A key as a binary string, which orders as its bytes do. */
export function textOf(key: Uint8Array): string {
  return Buffer.from(key.buffer, key.byteOffset, key.length).toString("latin1");
}

/** Those of ascending keys that are in the range, as the range wants them. */
export function keysWithin(
  keys: readonly string[],
  { start, end, reverse, limit }: KvRange,
): readonly string[] {
  const first = lowerBound(keys, textOf(start));
  const some = keys.slice(first, Math.max(first, lowerBound(keys, textOf(end))));
  if (reverse) some.reverse();
  return some.slice(0, limit);
}

function lowerBound(keys: readonly string[], key: string): number {
  let low = 0;
  let high = keys.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((keys[middle] ?? "") < key) low = middle + 1;
    else high = middle;
  }
  return low;
}
