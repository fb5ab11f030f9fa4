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
/** In the order of their codes (ECMA-48, 8.3.117). */
const COLOURS = ["black", "red", "green", "yellow", "blue", "magenta", "cyan", "white"] as const;
type Colour = (typeof COLOURS)[number];
/** Codes that turn a look on, and what turns it off. */
const ATTRIBUTES: Readonly<Record<number, { readonly on?: string; readonly off?: readonly string[] }>> = {
  1: { on: "bold" },
  2: { on: "dim" },
  3: { on: "italic" },
  4: { on: "underline" },
  7: { on: "inverse" },
  9: { on: "struck" },
  22: { off: ["bold", "dim"] },
  23: { off: ["italic"] },
  24: { off: ["underline"] },
  27: { off: ["inverse"] },
  29: { off: ["struck"] },
};
/** Of the three parts of a colour, 0 to 255: below this difference it is a grey, and a grey is black below half. */
const GREY_DIFFERENCE = 40;
/** Of xterm's palette of 256: 16 to 231 are a cube with these steps, 232 to 255 greys. */
const CUBE_STEPS = [0, 95, 135, 175, 215, 255] as const;
const CUBE_START = 16;
const GREYS_START = 232;
const PALETTE_END = 256;

export function shownPieces(text: string): readonly Piece[] {
  if (!text.includes("\u001b")) return [{ text: visible(text), look: "" }];
  const pieces: Piece[] = [];
  let look = PLAIN;
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

function push(pieces: Piece[], text: string, look: Look): void {
  if (text === "") return;
  const names = [...look.attributes];
  if (look.colour !== undefined) names.push(look.colour);
  if (look.ground !== undefined) names.push(`on-${look.ground}`);
  pieces.push({ text: visible(text), look: names.map((name) => `ansi-${name}`).join(" ") });
}

interface Look {
  readonly attributes: ReadonlySet<string>;
  readonly colour?: Colour | undefined;
  readonly ground?: Colour | undefined;
}

const PLAIN: Look = { attributes: new Set() };

function lookAfter(before: Look, codes: string): Look {
  let look = before;
  const numbers = codes.split(";").map(Number);
  for (let index = 0; index < numbers.length; index++) {
    const code = numbers[index] ?? 0;
    if (code === 38 || code === 48) {
      const { colour, count } = colourOf(numbers.slice(index + 1));
      look = code === 38 ? { ...look, colour } : { ...look, ground: colour };
      index += count;
    } else look = lookAfterOne(look, code);
  }
  return look;
}

function lookAfterOne(look: Look, code: number): Look {
  if (code === 0) return PLAIN;
  const attribute = ATTRIBUTES[code];
  if (attribute !== undefined) {
    const attributes = new Set(look.attributes);
    for (const name of attribute.off ?? []) attributes.delete(name);
    if (attribute.on !== undefined) attributes.add(attribute.on);
    return { ...look, attributes };
  }
  if ((code >= 30 && code <= 37) || (code >= 90 && code <= 97))
    return { ...look, colour: COLOURS[code % 10] };
  if (code >= 40 && code <= 47) return { ...look, ground: COLOURS[code - 40] };
  if (code >= 100 && code <= 107) return { ...look, ground: COLOURS[code - 100] };
  if (code === 39) return { ...look, colour: undefined };
  if (code === 49) return { ...look, ground: undefined };
  return look;
}

/** What follows code 38 or 48: `5;n` of a palette, or `2;r;g;b`. */
function colourOf([kind, ...numbers]: readonly number[]): {
  readonly colour: Colour | undefined;
  readonly count: number;
} {
  if (kind === 5) return { colour: paletteColour(numbers[0]), count: 2 };
  if (kind !== 2) return { colour: undefined, count: 1 };
  const [red = 0, green = 0, blue = 0] = numbers;
  return { colour: nearest(red, green, blue), count: 4 };
}

function paletteColour(number = PALETTE_END): Colour | undefined {
  if (!(number >= 0 && number < PALETTE_END)) return undefined;
  if (number < CUBE_START) return COLOURS[number % 8];
  if (number >= GREYS_START) return number - GREYS_START < 12 ? "black" : "white";
  const at = number - CUBE_START;
  const [red = 0, green = 0, blue = 0] = [Math.floor(at / 36), Math.floor(at / 6) % 6, at % 6].map(
    (step) => CUBE_STEPS[step],
  );
  return nearest(red, green, blue);
}

/** One of the eight: the page's own shades of them can be read on its light and on its dark ground, any other may not. */
function nearest(red: number, green: number, blue: number): Colour {
  const parts = [red, green, blue];
  const most = Math.max(...parts);
  const least = Math.min(...parts);
  if (most - least < GREY_DIFFERENCE) return most < 128 ? "black" : "white";
  const middle = (most + least) / 2;
  // The bits of the eight are red, green and blue.
  const bits = parts.reduce((sum, part, index) => sum + (part > middle ? 1 << index : 0), 0);
  return COLOURS[bits] ?? "white";
}

export interface MarkedPiece extends Piece {
  readonly isMatch: boolean;
}

/** Splits pieces where `pattern` matches in the text that they make together. */
export function markedPieces(pieces: readonly Piece[], pattern: RegExp | undefined): readonly MarkedPiece[] {
  if (pattern === undefined) return pieces.map((piece) => ({ ...piece, isMatch: false }));
  const whole = pieces.map(({ text }) => text).join("");
  /** Where a match begins or ends, ascending. */
  const edges = [...whole.matchAll(pattern)]
    .filter(([match]) => match !== "")
    .flatMap(({ index, 0: match }) => [index, index + match.length]);
  const marked: MarkedPiece[] = [];
  let at = 0;
  let edge = 0;
  for (const { text, look } of pieces) {
    const end = at + text.length;
    let start = at;
    while (start < end) {
      while ((edges[edge] ?? end) <= start && edge < edges.length) edge++;
      const next = Math.min(edges[edge] ?? end, end);
      marked.push({ text: text.slice(start - at, next - at), look, isMatch: edge % 2 === 1 });
      start = next;
    }
    at = end;
  }
  return marked;
}
