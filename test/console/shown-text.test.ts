import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { markedPieces, type Piece, shownPieces } from "../../console/shown-text.ts";

function looks(text: string): string[] {
  return shownPieces(text).map((piece) => `${piece.text}:${piece.look}`);
}

describe("the text of a line with ANSI codes", () => {
  it("has the colours, grounds and attributes that they ask for, until they take them back", () => {
    expect(looks("a \u001b[31mred\u001b[0m b")).toEqual(["a :", "red:ansi-red", " b:"]);
    expect(looks("\u001b[1;91mbold\u001b[22mred\u001b[39mplain")).toEqual([
      "bold:ansi-bold ansi-red",
      "red:ansi-red",
      "plain:",
    ]);
    expect(looks("\u001b[44;97mon blue\u001b[49mwhite")).toEqual([
      "on blue:ansi-white ansi-on-blue",
      "white:ansi-white",
    ]);
    expect(looks("\u001b[2;7;9mx\u001b[27;29my\u001b[mz")).toEqual([
      "x:ansi-dim ansi-inverse ansi-struck",
      "y:ansi-dim",
      "z:",
    ]);
  });

  it("shows colours of 256 and true colours as the nearest of the eight", () => {
    expect(looks("\u001b[38;5;196mred")).toEqual(["red:ansi-red"]);
    expect(looks("\u001b[38;5;46mgreen")).toEqual(["green:ansi-green"]);
    expect(looks("\u001b[38;5;208morange")).toEqual(["orange:ansi-yellow"]);
    expect(looks("\u001b[38;5;9mlight red")).toEqual(["light red:ansi-red"]);
    expect(looks("\u001b[38;5;240mgrey\u001b[38;5;250mgrey")).toEqual(["grey:ansi-black", "grey:ansi-white"]);
    expect(looks("\u001b[38;2;10;200;220mcyan")).toEqual(["cyan:ansi-cyan"]);
    expect(looks("\u001b[48;2;90;20;130;1mon magenta, bold")).toEqual([
      "on magenta, bold:ansi-bold ansi-on-magenta",
    ]);
    // What is no colour takes none, and what follows is read on.
    expect(looks("\u001b[38;5;999mnone\u001b[38;7;4munderlined")).toEqual([
      "none:",
      "underlined:ansi-underline",
    ]);
  });
});

describe("matches of the search", () => {
  it("are marked where they stand, also across a change of colour", () => {
    const pieces = shownPieces("disk \u001b[33mnearly \u001b[31mfull\u001b[0m now");
    expect(markedPieces(pieces, /nearly full/g).filter(({ isMatch }) => isMatch)).toEqual([
      { text: "nearly ", look: "ansi-yellow", isMatch: true },
      { text: "full", look: "ansi-red", isMatch: true },
    ]);
  });

  it("leave the text as it is, whatever the pieces and the pattern", () => {
    const piece: fc.Arbitrary<Piece> = fc.record({
      text: fc.string({ unit: fc.constantFrom("a", "b", "c"), minLength: 1, maxLength: 6 }),
      look: fc.constantFrom("", "ansi-red"),
    });
    const pattern = fc.constantFrom(/ab/g, /a*/g, /b+c?/g, /^a/g, /c$/g, /(?:)/g);
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 6 }), pattern, (pieces, regex) => {
        const marked = markedPieces(pieces, regex);
        const whole = pieces.map(({ text }) => text).join("");
        expect(marked.map(({ text }) => text).join("")).toBe(whole);
        const isMarked = marked.flatMap(({ text, isMatch }) => Array.from(text, () => isMatch));
        const wanted = Array.from(whole, () => false);
        for (const { index, 0: match } of whole.matchAll(regex))
          wanted.fill(true, index, index + match.length);
        expect(isMarked).toEqual(wanted);
        const lookAt = (all: readonly Piece[]) =>
          all.flatMap(({ text, look }) => Array.from(text, () => look));
        expect(lookAt(marked)).toEqual(lookAt(pieces));
      }),
    );
  });
});
