import fc from "fast-check";
import { expect, test } from "vitest";
import { decodeUtf8, decodeUtf8OfLatin1 } from "../../protocol/utf8.ts";

test("bytes that stand as Latin-1 give the same text as the bytes, whatever they are", () => {
  const someBytes = fc.oneof(
    fc.uint8Array({ maxLength: 40 }),
    fc.string({ unit: "binary", maxLength: 20 }).map((text) => new TextEncoder().encode(text)),
    fc.uint8Array({ maxLength: 40, max: 127 }),
  );
  fc.assert(
    fc.property(someBytes, (bytes) => {
      const latin1 = Array.from(bytes, (byte) => String.fromCharCode(byte)).join("");
      expect(decodeUtf8OfLatin1(latin1)).toEqual(decodeUtf8(bytes));
    }),
  );
});
