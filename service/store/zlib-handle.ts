import type { createBrotliCompress, createBrotliDecompress } from "node:zlib";

/** What the calls of `node:zlib` are made of: the coder's own call, and what it left of the input and of the room. */
export interface ZlibHandle {
  readonly handle: {
    reset(): void;
    writeSync(
      operation: number,
      input: Uint8Array,
      inputStart: number,
      inputBytes: number,
      output: Uint8Array,
      outputStart: number,
      outputBytes: number,
    ): void;
    onerror: (message: string) => void;
  };
  readonly left: Uint32Array;
}

/** Places in `left`. */
export const Left = { Output: 0, Input: 1 } as const;

/** Undefined where this version of Node makes its streams of something else. */
export function handleOf(
  stream: ReturnType<typeof createBrotliCompress | typeof createBrotliDecompress>,
): ZlibHandle | undefined {
  const { _handle: handle, _writeState: left } = stream as unknown as {
    _handle?: Partial<ZlibHandle["handle"]>;
    _writeState?: unknown;
  };
  const isKnown =
    typeof handle?.writeSync === "function" &&
    typeof handle.reset === "function" &&
    left instanceof Uint32Array;
  return isKnown ? { handle: handle as ZlibHandle["handle"], left } : undefined;
}
