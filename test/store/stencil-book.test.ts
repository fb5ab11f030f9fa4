import { expect, it } from "vitest";
import { StencilBooks } from "../../service/store/stencil-book.ts";

const row = {
  stream: "console",
  module: undefined,
  boot: "b1",
  levelCode: 2,
  clockCode: 0,
  timestamp: 1_763_784_000_000,
  received: 1_763_784_000_040,
  seq: 7,
  uptime: undefined,
  clockError: undefined,
};

it("a stencil is made once for sources that take turns, though their names and numbers have other lengths", () => {
  const books = new StencilBooks();
  const turns = [
    { src: "a", seq: 7 },
    { src: "hall", seq: 70 },
    { src: "greenhouse", seq: 700 },
  ];
  const stencils = turns.map(({ src, seq }) => books.of(["src", "seq"]).of({ ...row, seq }, src));
  expect(new Set(stencils).size).toBe(3);
  for (let round = 1; round <= 2; round++) {
    for (const [index, { src, seq }] of turns.entries()) {
      const other = { ...row, seq: seq + round, timestamp: row.timestamp + round };
      expect(books.of(["src", "seq"]).of(other, src.toUpperCase())).toBe(stencils[index]);
    }
  }
});

it("lists of fields have stencils of their own, and more entries of other lengths than are kept are written all the same", () => {
  const books = new StencilBooks();
  expect(books.of(["src"])).not.toBe(books.of(["seq"]));
  for (let round = 0; round < 2; round++) {
    for (let length = 1; length < 40; length++) {
      const src = "s".repeat(length);
      expect(books.of(["src"]).of(row, src).tail.toString()).toContain(`"src":"${src}"`);
    }
  }
});
