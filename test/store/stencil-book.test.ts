import { expect, it } from "vitest";
import type { ExtraField } from "../../protocol/methods.ts";
import { ByteWriter } from "../../service/store/byte-writer.ts";
import { IdMaker } from "../../service/store/entry-id.ts";
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

const ids = new IdMaker(Buffer.alloc(16, 7), "default");

function written(books: StencilBooks, other: typeof row, src: string, position: number): string {
  const to = new ByteWriter();
  const fields: ExtraField[] = ["received", "seq", "src", "boot", "level"];
  books.of(fields).of(other, src).write(other, src, position, ids, to);
  return to.view().toString();
}

it("an entry is written as if no other had been before it, whichever of its numbers, names and id are another", () => {
  const books = new StencilBooks();
  let seed = 1;
  const below = (end: number): number => {
    seed = (Math.imul(seed, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((seed / 2 ** 32) * end);
  };
  const spans = [0, 1, 10, 9_999, 10_000, 10_001, 100_000_000, 100_000_001];
  const span = (): number => spans[below(spans.length)] ?? 0;
  for (let round = 0; round < 2_000; round++) {
    const other = {
      ...row,
      boot: `b${below(4)}`,
      levelCode: below(5),
      timestamp: row.timestamp + span(),
      received: row.received + span(),
      seq: span() + below(3),
    };
    const src = `dev-${below(3)}`;
    const position = below(3) * 2 ** 30 + below(3) * 1024 + below(2_000);
    const text = written(books, other, src, position);
    expect(text).toBe(written(new StencilBooks(), other, src, position));
    const { id, timestamp, received, seq, boot } = JSON.parse(`{"msg":""${text.slice(0, -1)}`);
    expect({ id, timestamp, received, seq, boot }).toEqual({
      id: ids.make(position),
      timestamp: other.timestamp,
      received: other.received,
      seq: other.seq,
      boot: other.boot,
    });
  }
});

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
      expect(written(books, row, src, length)).toContain(`"src":"${src}"`);
    }
  }
});
