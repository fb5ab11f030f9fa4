import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { decodeCompactText, decodeCompactValue } from "../../protocol/compact-text.ts";
import { type Decoded, good } from "../../protocol/decoded.ts";
import type { Frame } from "../../protocol/frame.ts";
import { decodeFrame } from "../../protocol/frame-decoder.ts";
import { hashOfLine } from "../../protocol/line-hash.ts";
import { nextLines, sequence } from "../../protocol/sequencing.ts";
import { decodeFrameLine, decodeLine, encodeLine } from "../../protocol/serial-line.ts";
import { encodeUtf8 } from "../../protocol/utf8.ts";

const options = { seed: 20_261_128, numRuns: 3_000 };

const ascii = fc.string({ unit: "binary-ascii", minLength: 1, maxLength: 40 });
const text = fc.oneof(
  { arbitrary: ascii, weight: 12 },
  {
    arbitrary: fc.string({
      unit: fc.constantFrom("a", '"', "\\", ",", "]", "\u007f", "\u001f"),
      maxLength: 12,
    }),
    weight: 6,
  },
  { arbitrary: fc.nat(3_000).map((length) => "x".repeat(length)), weight: 6 },
  { arbitrary: fc.string({ unit: "grapheme", maxLength: 10 }), weight: 1 },
);
const number = fc.oneof(
  { arbitrary: fc.nat(12), weight: 12 },
  { arbitrary: fc.nat(2 ** 40), weight: 4 },
  { arbitrary: fc.constantFrom(999_999_999_999_999, 2 ** 53 - 1), weight: 1 },
);
/** Nearly always the first. */
const usual = <T>(one: T, ...others: readonly T[]) =>
  fc.oneof({ arbitrary: fc.constant(one), weight: 12 }, { arbitrary: fc.constantFrom(...others), weight: 1 });
/** What frames hold, most of it plain lines; all of it is written the same way as text and as a CBOR array. */
const body = fc.array(
  fc.oneof(
    { arbitrary: text.map((line) => [line]), weight: 60 },
    { arbitrary: number.map((step) => [step]), weight: 30 },
    { arbitrary: fc.constantFrom("net", "wifi.sta", "a\\", "é", "").map((name) => [null, name]), weight: 4 },
    { arbitrary: fc.constantFrom([null], [false], [true], [-3], [-1]), weight: 1 },
    { arbitrary: text.map((part) => [false, -1, part]), weight: 1 },
  ),
  { maxLength: 12 },
);
const head = fc.tuple(
  fc.oneof(usual("@b", "!b", "~", "x", '@"', "@é"), fc.constant("~7-c0ffee")),
  usual<readonly string[]>([], ["//board/src"]),
  usual(1, 7, 0, 2 ** 53 - 1),
  usual(0, 2, -1),
  fc.oneof(usual(0, 1e12 - 1, 1e12), fc.constantFrom(1_500, 1_763_784_000_000)),
  fc.oneof(usual(0, -20), fc.constant(20)),
);
const frame = fc
  .tuple(head, body)
  .map(([[start, src, ...numbers], elements]) => [start, ...src, ...numbers, ...elements.flat()]);

function digits(line: string, isUpper: boolean): string {
  const checksum = line.slice(-8);
  return isUpper ? checksum.toUpperCase() : checksum;
}

function shown(decoded: Decoded<Frame>): object {
  if (!decoded.ok) return decoded.problem;
  const { boot, commands, ...rest } = decoded.value;
  return { ...rest, boot: { text: boot?.text, json: boot?.json }, commands };
}

describe("a frame of whole lines, read in one pass", () => {
  test("says what the same elements say one by one", () => {
    let linesCount = 0;
    fc.assert(
      fc.property(frame, (elements) => {
        const json = JSON.stringify(elements);
        const decoded = decodeCompactText(json);
        expect(shown(decoded)).toEqual(shown(decodeCompactValue(elements)));
        if (json.startsWith('["')) expect(shown(decodeFrame(encodeUtf8(json)))).toEqual(shown(decoded));
        if (decoded.ok && decoded.value.lines !== undefined) linesCount += 1;
      }),
      options,
    );
    expect(linesCount).toBeGreaterThan(options.numRuns / 10);
  });

  test("says on a serial line what the line's text says, wherever its bytes lie, or leaves it to that", () => {
    const ends = fc.constantFrom("", "\r", " ", "0");
    const around = fc.tuple(fc.nat(9), fc.nat(9), ends, fc.constantFrom("", "[", "x"), fc.boolean());
    let frameCount = 0;
    fc.assert(
      fc.property(frame, around, (elements, [before, behind, end, start, isUpper]) => {
        const written = encodeLine(JSON.stringify(elements), true).slice(0, -1);
        const line = start + written.slice(0, -8) + digits(written, isUpper) + end;
        const bytes = Buffer.concat([
          Buffer.alloc(before, "["),
          Buffer.from(line, "latin1"),
          Buffer.alloc(behind),
        ]);
        const item = decodeFrameLine(bytes, before, before + line.length);
        if (item === undefined) return;
        frameCount += 1;
        const [expected, ...others] = decodeLine(line);
        if (expected?.type !== "frame") throw new Error(`${line} is no frame`);
        expect(others).toEqual([]);
        expect(item.hasChecksum).toBe(expected.hasChecksum);
        expect(shown(good(item.frame))).toEqual(shown(good(expected.frame)));
      }),
      options,
    );
    expect(frameCount).toBeGreaterThan(options.numRuns / 20);
  });

  test("is left to the line's text with any byte of it wrong", () => {
    const line = Buffer.from(encodeLine('["~b","pump",3,0,1763784000000,0,"c",7,"d"]', true).slice(0, -1));
    expect(decodeFrameLine(line, 0, line.length)?.frame.lines?.count).toBe(2);
    for (let index = 0; index < line.length; index++) {
      const wrong = Uint8Array.from(line);
      for (let byte = 0; byte < 256; byte++) {
        wrong[index] = byte;
        const isDigit = index >= line.length - 8;
        const isSame =
          byte === line[index] ||
          (isDigit && String.fromCharCode(byte).toLowerCase() === line.toString("latin1", index, index + 1));
        expect(decodeFrameLine(wrong, 0, line.length) !== undefined).toBe(isSame);
      }
    }
  });

  test.each([
    ["its board's name, as on a serial line", '["~b","//board/src",3,0,1763784000000,0,"c",7,"d"]'],
    ["the mark of a board at whose end a prompt is", '["!b","board",3,0,1763784000000,0,"c",7,"d"]'],
  ])("may hold %s", (_, json) => {
    const decoded = decodeCompactText(json);
    expect(decoded.ok && decoded.value.lines?.count).toBe(2);
    expect(shown(decoded)).toEqual(shown(decodeCompactValue(JSON.parse(json))));
  });

  test("is refused with one byte wrong, or says what JSON says", () => {
    const broken = fc.tuple(frame, fc.nat(), fc.string({ unit: "binary", maxLength: 1 }));
    fc.assert(
      fc.property(broken, ([elements, at, unit]) => {
        const json = JSON.stringify(elements);
        const index = at % json.length;
        const bytes = encodeUtf8(json.slice(0, index) + unit + json.slice(index + 1));
        const decoded = decodeFrame(bytes);
        if (!decoded.ok || decoded.value.lines === undefined) return;
        const strings = (JSON.parse(new TextDecoder().decode(bytes)) as unknown[]).filter(
          (element) => typeof element === "string",
        );
        const said = decoded.value.commands.flatMap(({ log }) => [log?.module, log?.msg]).filter(Boolean);
        expect(said.length).toBeLessThan(strings.length);
        for (const one of said) expect(strings).toContain(one?.startsWith('"') ? JSON.parse(one) : one);
      }),
      options,
    );
  });

  test("tells of each line what tells it from another, as its text does", () => {
    fc.assert(
      fc.property(frame, (elements) => {
        const decoded = decodeCompactText(JSON.stringify(elements));
        if (!decoded.ok) return;
        const { lines, commands } = decoded.value;
        for (const [index, { log }] of commands.entries())
          if (lines !== undefined && log !== undefined) expect(lines.hashAt(index)).toBe(hashOfLine(log));
      }),
      options,
    );
  });

  test("is taken as it is right behind the mark alone, and there says what verdicts say", () => {
    const decoded = decodeCompactText('["~b",3,0,1763784000000,0,"c",7,"d"]');
    if (!decoded.ok || decoded.value.boot === undefined) throw new Error("refused");
    const { boot } = decoded.value;
    const { verdicts, mark } = sequence(boot, decoded.value, 2);
    const lines = nextLines(decoded.value, 2);
    expect([mark, verdicts]).toEqual([
      (lines?.seqFirst ?? 0) + (lines?.count ?? 0) - 1,
      decoded.value.commands.map(({ id, log }) => ({ type: "entry", id, args: log })),
    ]);
    for (const other of [0, 1, 3, 4]) expect(nextLines(decoded.value, other)).toBeUndefined();
  });

  test("a frame larger than is read in one pass is read all the same", () => {
    const lines = Array.from({ length: 40 }, (_, index) => `${index}${"y".repeat(2_000)}`);
    const decoded = decodeCompactText(JSON.stringify(["~b", 1, 0, 5, 0, ...lines]));
    expect(decoded.ok && decoded.value.commands.map(({ log }) => log?.msg)).toEqual(
      lines.map((line) => JSON.stringify(line)),
    );
  });
});
