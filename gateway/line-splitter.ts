import { LineBound } from "./line-bound.ts";

/** Cuts what a serial wire brings into lines without their LF, as Latin-1 text, one code unit a byte. */
export class LineSplitter {
  readonly #bound: LineBound;
  /** What came since the last LF. */
  #pending = "";

  /** @param onDiscarded told of bytes of endless lines that were thrown away. */
  constructor(onDiscarded: (byteCount: number) => void) {
    this.#bound = new LineBound(onDiscarded);
  }

  /** The lines that end in these bytes; an empty one may be among them. */
  push(bytes: Uint8Array): readonly string[] {
    const parts = this.#bound.push(bytes);
    const only = parts.length === 1 ? parts[0] : undefined;
    return this.#split(only === undefined ? parts.map(latin1).join("") : latin1(only));
  }

  /** What stands there without an LF, where something does. */
  end(): readonly string[] {
    const line = this.#pending;
    this.#pending = "";
    return line === "" ? [] : [line];
  }

  /** All at once: made one by one, lines would cost several times as much. */
  #split(text: string): readonly string[] {
    const lines = text.split("\n");
    if (lines.length === 1) {
      this.#pending += text;
      return [];
    }
    lines[0] = this.#pending + lines[0];
    this.#pending = lines.pop() ?? "";
    return lines;
  }
}

function latin1(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("latin1");
}
