import type { Level } from "../protocol/level.ts";

/** Colours of terminal output; plain text where the output is no terminal or NO_COLOR is set (no-color.org). */
export interface Style {
  dim(text: string): string;
  bold(text: string): string;
  level(level: Level | undefined, text: string): string;
  /** A colour of its own for each source, the same at every run. */
  source(src: string): string;
}

const ESC = "\u001b[";
const LEVEL_CODES: Readonly<Record<Level, string>> = { debug: "90", info: "36", warn: "33", error: "31" };
const SOURCE_CODES = ["32", "34", "35", "36", "92", "94", "95", "96"] as const;

export function makeStyle(isColoured: boolean): Style {
  const paint = (code: string, text: string): string => (isColoured ? `${ESC}${code}m${text}${ESC}0m` : text);
  return {
    dim: (text) => paint("2", text),
    bold: (text) => paint("1", text),
    level: (level, text) => (level === undefined ? text : paint(LEVEL_CODES[level], text)),
    source: (src) => paint(SOURCE_CODES[hashOf(src) % SOURCE_CODES.length] ?? "32", src),
  };
}

export function styleOf(stream: { readonly isTTY?: boolean }): Style {
  const { NO_COLOR: noColor, FORCE_COLOR: forceColor } = process.env;
  if (noColor !== undefined && noColor !== "") return makeStyle(false);
  return makeStyle(stream.isTTY === true || (forceColor !== undefined && forceColor !== "0"));
}

function hashOf(text: string): number {
  let hash = 0;
  for (let index = 0; index < text.length; index++) hash = (hash * 31 + text.charCodeAt(index)) >>> 0;
  return hash;
}
