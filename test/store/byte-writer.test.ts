import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ByteWriter, wordsOf } from "../../service/store/byte-writer.ts";

/** What a copy makes of the part from `start` to below `end`, behind `before` bytes. */
function copied(text: Buffer, start: number, end: number, before = 0): Buffer {
  const to = new ByteWriter(1);
  for (let index = 0; index < before; index++) to.u8(1);
  to.copyWords(wordsOf(text), start, end);
  return to.view().subarray(before);
}

describe("a text copied in words", () => {
  it("is the same bytes, of every length, from every place to every place", () => {
    const text = Buffer.from("0123456789abcdefghijklmnopqrstuvwxyz");
    for (let start = 0; start <= 9; start++)
      for (let end = start; end <= text.length; end++)
        for (let before = 0; before < 9; before++) {
          const what = `${start} to ${end}, behind ${before}`;
          expect(copied(text, start, end, before).toString(), what).toBe(text.toString("utf8", start, end));
        }
  });

  it("is the same bytes where eight of them come nearest to a double that is no number", () => {
    const texts = ["\u{10ffff}", "\u{40000}", "\u007f", "\u07ff", "\uffff", "\u0000", "~"];
    for (const first of texts)
      for (const second of texts)
        for (const third of texts) {
          const text = Buffer.from((first + second + third).repeat(8));
          for (let start = 0; start < 8; start++)
            expect(copied(text, start, text.length).equals(text.subarray(start))).toBe(true);
        }
  });

  it("is the same bytes, whatever it says", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary", maxLength: 60 }), fc.nat(20), (said, start) => {
        const text = Buffer.from(said);
        const from = Math.min(start, text.length);
        return copied(text, from, text.length).equals(text.subarray(from));
      }),
      { numRuns: 2000 },
    );
  });
});
