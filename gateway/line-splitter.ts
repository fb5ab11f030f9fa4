import { LineBound } from "./line-bound.ts";

/** Lines that end in one chunk. */
export interface SplitLines {
  /** Without their LF, as Latin-1 text, one code unit a byte; an empty one may be among them. */
  readonly lines: readonly string[];
  /** Where in the chunk the first begins, and behind it and its LF the next, and so on: below 0 where the chunk before began it. */
  readonly start: number;
}

const NONE: SplitLines = { lines: [], start: 0 };
/** Of lines that do not lie in the chunk as they are. */
const NOWHERE = Number.NEGATIVE_INFINITY;

/** Cuts what a serial wire brings into lines. */
export class LineSplitter {
  readonly #bound: LineBound;
  /** What came since the last LF. */
  #pending = "";

  /** @param onDiscarded told of bytes of endless lines that were thrown away. */
  constructor(onDiscarded: (byteCount: number) => void) {
    this.#bound = new LineBound(onDiscarded);
  }

  /** The lines that end in these bytes. */
  push(bytes: Uint8Array): SplitLines {
    const parts = this.#bound.push(bytes);
    if (parts.length === 1 && parts[0] === bytes) return this.#split(latin1(bytes), -this.#pending.length);
    return this.#split(parts.map(latin1).join(""), NOWHERE);
  }

  /** What stands there without an LF, where something does. */
  end(): SplitLines {
    const line = this.#pending;
    this.#pending = "";
    return line === "" ? NONE : { lines: [line], start: NOWHERE };
  }

  /** All at once: made one by one, lines would cost several times as much. */
  #split(text: string, start: number): SplitLines {
    const lines = text.split("\n");
    if (lines.length === 1) {
      this.#pending += text;
      return NONE;
    }
    lines[0] = this.#pending + lines[0];
    this.#pending = lines.pop() ?? "";
    return { lines, start };
  }
}

function latin1(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("latin1");
}
