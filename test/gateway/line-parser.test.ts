import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { lineSplitter } from "../../gateway/line-splitter.ts";
import type { LineParserFactory } from "../../gateway/link.ts";
import { readlineParser } from "../../gateway/serialport-link.ts";
import { LINE_BYTES_MAX } from "../../protocol/serial-line.ts";

const PARSERS: readonly (readonly [string, LineParserFactory])[] = [
  ["serialport's readline parser behind the bound", readlineParser],
  ["the plain splitter", lineSplitter],
];

async function linesOf(factory: LineParserFactory, chunks: readonly Uint8Array[]) {
  const lines: string[] = [];
  let discardedBytes = 0;
  const parser = factory(
    (line) => lines.push(line),
    (byteCount) => {
      discardedBytes += byteCount;
    },
  );
  for (const chunk of chunks) parser.write(chunk);
  await parser.end();
  return { lines, discardedBytes };
}

describe.each(PARSERS)("%s", (_name, factory) => {
  test("gives the same lines however the bytes are cut", async () => {
    const bytes = fc.uint8Array({ maxLength: 300 }).map((raw) => raw.map((byte) => (byte < 40 ? 10 : byte)));
    await fc.assert(
      fc.asyncProperty(bytes, fc.array(fc.nat(300)), async (all, cuts) => {
        const places = [0, ...cuts.filter((cut) => cut < all.length).sort((a, b) => a - b), all.length];
        const chunks = places.slice(1).map((place, index) => all.subarray(places[index], place));
        const expected = Buffer.from(all)
          .toString("latin1")
          .split("\n")
          .filter((line) => line !== "");
        expect(await linesOf(factory, chunks)).toEqual({ lines: expected, discardedBytes: 0 });
      }),
    );
  });

  test("keeps every byte value as one code unit", async () => {
    const bytes = Uint8Array.from({ length: 256 }, (_, byte) => byte).filter((byte) => byte !== 10);
    const { lines } = await linesOf(factory, [bytes, Uint8Array.of(10)]);
    expect(Array.from(lines[0] ?? "", (unit) => unit.charCodeAt(0))).toEqual([...bytes]);
  });

  test.each([
    [LINE_BYTES_MAX, LINE_BYTES_MAX, 0],
    [LINE_BYTES_MAX + 1, LINE_BYTES_MAX + 1, 0],
    [LINE_BYTES_MAX + 2, LINE_BYTES_MAX + 2, 0],
    [LINE_BYTES_MAX + 3, LINE_BYTES_MAX + 2, 1],
    [10 * LINE_BYTES_MAX, LINE_BYTES_MAX + 2, 9 * LINE_BYTES_MAX - 2],
  ])(
    "of a line of %d bytes %d come through, and the next line is whole",
    async (size, kept, discardedBytes) => {
      for (const chunkBytes of [1000, 65_536, size]) {
        const all = Buffer.concat([Buffer.alloc(size, "x"), Buffer.from("\nnext\n")]);
        const chunks: Uint8Array[] = [];
        for (let start = 0; start < all.length; start += chunkBytes) {
          chunks.push(all.subarray(start, start + chunkBytes));
        }
        const result = await linesOf(factory, chunks);
        expect(result.lines.map(({ length }) => length)).toEqual([kept, 4]);
        expect(result.discardedBytes).toBe(discardedBytes);
      }
    },
  );

  test("gives what stands there without an LF when the wire ends", async () => {
    expect((await linesOf(factory, [Buffer.from("a\nb")])).lines).toEqual(["a", "b"]);
  });
});
