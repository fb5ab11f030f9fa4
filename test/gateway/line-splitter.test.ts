import fc from "fast-check";
import { expect, test } from "vitest";
import { LineSplitter } from "../../gateway/line-splitter.ts";
import { LINE_BYTES_MAX } from "../../protocol/serial-line.ts";

/** Empty lines left out. */
function linesOf(chunks: readonly Uint8Array[]) {
  let discardedBytes = 0;
  const splitter = new LineSplitter((byteCount) => {
    discardedBytes += byteCount;
  });
  const lines = chunks.flatMap((chunk) => splitter.push(chunk).lines);
  lines.push(...splitter.end().lines);
  return { lines: lines.filter((line) => line !== ""), discardedBytes };
}

test("gives the same lines however the bytes are cut", () => {
  const bytes = fc.uint8Array({ maxLength: 300 }).map((raw) => raw.map((byte) => (byte < 40 ? 10 : byte)));
  fc.assert(
    fc.property(bytes, fc.array(fc.nat(300)), (all, cuts) => {
      const places = [0, ...cuts.filter((cut) => cut < all.length).sort((a, b) => a - b), all.length];
      const chunks = places.slice(1).map((place, index) => all.subarray(places[index], place));
      const expected = Buffer.from(all)
        .toString("latin1")
        .split("\n")
        .filter((line) => line !== "");
      expect(linesOf(chunks)).toEqual({ lines: expected, discardedBytes: 0 });
    }),
  );
});

test("tells where in what was pushed a line lies, unless it began before or lies nowhere as a whole", () => {
  const splitter = new LineSplitter(() => {});
  const liesThere = (text: string): readonly (readonly [string, string | undefined])[] => {
    const bytes = Buffer.from(text);
    const { lines, start } = splitter.push(bytes);
    let at = start;
    return lines.map((line) => {
      const there = at < 0 ? undefined : bytes.toString("latin1", at, at + line.length);
      at += line.length + 1;
      return [line, there];
    });
  };
  expect(liesThere("one\ntwo\r\n\nthr")).toEqual([
    ["one", "one"],
    ["two\r", "two\r"],
    ["", ""],
  ]);
  expect(liesThere("ee\nfour\n")).toEqual([
    ["three", undefined],
    ["four", "four"],
  ]);
  const long = "x".repeat(2 * LINE_BYTES_MAX);
  expect(liesThere(`${long}\nfive\n`)).toEqual([
    [long.slice(0, LINE_BYTES_MAX + 2), undefined],
    ["five", undefined],
  ]);
});

test("keeps every byte value as one code unit", () => {
  const bytes = Uint8Array.from({ length: 256 }, (_, byte) => byte).filter((byte) => byte !== 10);
  const { lines } = linesOf([bytes, Uint8Array.of(10)]);
  expect(Array.from(lines[0] ?? "", (unit) => unit.charCodeAt(0))).toEqual([...bytes]);
});

test.each([
  [LINE_BYTES_MAX, LINE_BYTES_MAX, 0],
  [LINE_BYTES_MAX + 1, LINE_BYTES_MAX + 1, 0],
  [LINE_BYTES_MAX + 2, LINE_BYTES_MAX + 2, 0],
  [LINE_BYTES_MAX + 3, LINE_BYTES_MAX + 2, 1],
  [10 * LINE_BYTES_MAX, LINE_BYTES_MAX + 2, 9 * LINE_BYTES_MAX - 2],
])("of a line of %d bytes %d come through, and the next line is whole", (size, kept, discardedBytes) => {
  for (const chunkBytes of [1000, 65_536, size]) {
    const all = Buffer.concat([Buffer.alloc(size, "x"), Buffer.from("\nnext\n")]);
    const chunks: Uint8Array[] = [];
    for (let start = 0; start < all.length; start += chunkBytes) {
      chunks.push(all.subarray(start, start + chunkBytes));
    }
    const result = linesOf(chunks);
    expect(result.lines.map(({ length }) => length)).toEqual([kept, 4]);
    expect(result.discardedBytes).toBe(discardedBytes);
  }
});

test("gives what stands there without an LF when the wire ends", () => {
  expect(linesOf([Buffer.from("a\nb")]).lines).toEqual(["a", "b"]);
});

test("the memory that bytes came in may be used again at once", () => {
  const splitter = new LineSplitter(() => {});
  const memory = Buffer.from("one\ntw");
  const lines = [...splitter.push(memory).lines];
  memory.write("o\nx\nyy");
  lines.push(...splitter.push(memory).lines, ...splitter.end().lines);
  expect(lines).toEqual(["one", "two", "x", "yy"]);
});
