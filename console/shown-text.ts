/** A piece of log text with the look that its ANSI colours ask for, as class names; nothing else of an escape is obeyed. */
export interface Piece {
  readonly text: string;
  readonly look: string;
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what it looks for.
const SGR = /\u001b\[([\d;]{0,40})m/g;
/** C0 but tab and LF, DEL, C1, bidirectional marks and byte order marks: shown, never obeyed. */
const UNSEEN =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what it looks for.
  /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g;
const COLOURS = ["black", "red", "green", "yellow", "blue", "magenta", "cyan", "white"] as const;

export function shownPieces(text: string): readonly Piece[] {
  if (!text.includes("\u001b")) return [{ text: visible(text), look: "" }];
  const pieces: Piece[] = [];
  let look = new Set<string>();
  let start = 0;
  for (const found of text.matchAll(SGR)) {
    push(pieces, text.slice(start, found.index), look);
    look = lookAfter(look, found[1] ?? "");
    start = found.index + found[0].length;
  }
  push(pieces, text.slice(start), look);
  return pieces;
}

/** Text in which what cannot be seen is. */
export function visible(text: string): string {
  return text.replace(UNSEEN, (unit) => {
    const code = unit.charCodeAt(0);
    if (code < 0x20) return String.fromCharCode(0x2400 + code);
    if (code === 0x7f) return "\u2421";
    return `<U+${code.toString(16).toUpperCase().padStart(4, "0")}>`;
  });
}

function push(pieces: Piece[], text: string, look: ReadonlySet<string>): void {
  if (text !== "") pieces.push({ text: visible(text), look: [...look].join(" ") });
}

function lookAfter(before: ReadonlySet<string>, codes: string): Set<string> {
  const look = new Set(before);
  const numbers = codes.split(";").map(Number);
  for (let index = 0; index < numbers.length; index++) {
    const code = numbers[index] ?? 0;
    if (code === 0) look.clear();
    else if (code === 1) look.add("ansi-bold");
    else if (code === 3) look.add("ansi-italic");
    else if (code === 4) look.add("ansi-underline");
    else if (code === 22) look.delete("ansi-bold");
    else if (code === 38 || code === 48) {
      // 256 and true colours are left out, with their numbers.
      index += numbers[index + 1] === 5 ? 2 : 4;
    } else if ((code >= 30 && code <= 37) || (code >= 90 && code <= 97) || code === 39) {
      for (const name of COLOURS) look.delete(`ansi-${name}`);
      const name = COLOURS[code % 10];
      if (code !== 39 && name !== undefined) look.add(`ansi-${name}`);
    }
  }
  return look;
}

export interface MarkedPiece extends Piece {
  readonly isMatch: boolean;
}

/** Splits pieces where `pattern` matches within one. */
export function markedPieces(pieces: readonly Piece[], pattern: RegExp | undefined): readonly MarkedPiece[] {
  if (pattern === undefined) return pieces.map((piece) => ({ ...piece, isMatch: false }));
  return pieces.flatMap(({ text, look }) => {
    const marked: MarkedPiece[] = [];
    let start = 0;
    for (const found of text.matchAll(pattern)) {
      if (found[0] === "") continue;
      if (found.index > start) marked.push({ text: text.slice(start, found.index), look, isMatch: false });
      marked.push({ text: found[0], look, isMatch: true });
      start = found.index + found[0].length;
    }
    if (start < text.length) marked.push({ text: text.slice(start), look, isMatch: false });
    return marked;
  });
}
