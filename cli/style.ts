import type { Level } from "../protocol/level.ts";

/** Colours of terminal output; plain text where the output is no terminal or NO_COLOR is set (no-color.org). */
export interface Style {
  dim(text: string): string;
  bold(text: string): string;
  good(text: string): string;
  level(level: Level | undefined, text: string): string;
  /** A colour of its own for each source. */
  source(src: string): string;
  /** What `pattern` finds stands out. */
  marked(text: string, pattern: RegExp): string;
}

export type ColourChoice = "auto" | "always" | "never";

const ESC = "\u001b[";
const LEVEL_CODES: Readonly<Record<Level, string>> = { debug: "90", info: "36", warn: "33", error: "31" };
/** Red and yellow are for levels. */
const SOURCE_CODES = [
  "32",
  "34",
  "35",
  "36",
  "92",
  "94",
  "95",
  "96",
  "38;5;208",
  "38;5;141",
  "38;5;37",
] as const;

export function makeStyle(isColoured: boolean): Style {
  const paint = (code: string, text: string): string => (isColoured ? `${ESC}${code}m${text}${ESC}0m` : text);
  const sourceCode = sourceColours();
  return {
    dim: (text) => paint("2", text),
    bold: (text) => paint("1", text),
    good: (text) => paint("32", text),
    level: (level, text) => (level === undefined ? text : paint(LEVEL_CODES[level], text)),
    source: (src) => paint(sourceCode(src), src),
    marked: (text, pattern) =>
      isColoured
        ? text.replace(new RegExp(pattern.source, `${pattern.flags.replace("g", "")}g`), (found) =>
            found === "" ? "" : `${ESC}7m${found}${ESC}27m`,
          )
        : text,
  };
}

export function styleOf(stream: { readonly isTTY?: boolean }, choice: ColourChoice = "auto"): Style {
  if (choice !== "auto") return makeStyle(choice === "always");
  const { NO_COLOR: noColor, FORCE_COLOR: forceColor } = process.env;
  if (noColor !== undefined && noColor !== "") return makeStyle(false);
  return makeStyle(stream.isTTY === true || (forceColor !== undefined && forceColor !== "0"));
}

/** The colour that the name gives, the same at every run, unless a source before has it: then the next that is free. */
function sourceColours(): (src: string) => string {
  const codes = new Map<string, string>();
  return (src) => {
    const known = codes.get(src);
    if (known !== undefined) return known;
    const start = hashOf(src) % SOURCE_CODES.length;
    const turned = [...SOURCE_CODES.slice(start), ...SOURCE_CODES.slice(0, start)];
    const taken = new Set(codes.values());
    const code = turned.find((one) => !taken.has(one)) ?? turned[0] ?? "32";
    // A bound on memory; beyond it the name's own colour is used.
    if (codes.size < 1000) codes.set(src, code);
    return code;
  };
}

function hashOf(text: string): number {
  let hash = 0;
  for (let index = 0; index < text.length; index++) hash = (hash * 31 + text.charCodeAt(index)) >>> 0;
  return hash;
}
