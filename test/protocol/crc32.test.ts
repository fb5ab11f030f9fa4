import { crc32 as zlibCrc32 } from "node:zlib";
import { expect, test } from "vitest";
import { crc32, crc32OfLatin1 } from "../../protocol/crc32.ts";

const LENGTHS = [...Array(40).keys(), 65_535, 65_536, 65_543, 65_544, 65_545, 200_001];

test.each([
  ["ASCII", (index: number) => 32 + (index % 95)],
  ["every byte", (index: number) => (index * 7) % 256],
  ["ASCII but for the first", (index: number) => (index === 0 ? 0xe9 : 0x41)],
  ["no ASCII at all", () => 0xff],
])("the checksum of %s is that of zlib, at every length, of bytes and as text", (_, byteAt) => {
  for (const length of LENGTHS) {
    const bytes = Buffer.from(Uint8Array.from({ length }, (_byte, index) => byteAt(index)));
    const expected = zlibCrc32(bytes);
    expect([length, crc32(bytes)]).toEqual([length, expected]);
    expect([length, crc32OfLatin1(bytes.toString("latin1"))]).toEqual([length, expected]);
  }
});
