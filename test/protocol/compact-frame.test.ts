import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { crc32Digits, crc32OfLatin1 } from "../../protocol/crc32.ts";
import type { Frame } from "../../protocol/frame.ts";
import { decodeFrame, decodeFrameText } from "../../protocol/frame-decoder.ts";
import { logArgsOf, sequence } from "../../protocol/sequencing.ts";
import { decodeLine, LineDiscard } from "../../protocol/serial-line.ts";
import { cpuMs } from "../support/cpu-time.ts";

interface Vector {
  readonly id: string;
  readonly comment: string;
  readonly json?: string;
  readonly line?: string;
  readonly cbor?: string;
  readonly frame?: object;
  readonly entries?: readonly object[];
  readonly refused?: string;
}
const file = new URL("../vectors/compact-frames.json", import.meta.url);
const vectors = JSON.parse(readFileSync(file, "utf8")) as readonly Vector[];
const valid = vectors.filter((one) => one.refused === undefined);
const invalid = vectors.filter((one) => one.refused !== undefined);

const checked = (json: string) => `${json}${crc32Digits(crc32OfLatin1(json))}`;

function shown(frame: Frame): { frame: object; entries: object[] } {
  const { v: _, form, commands, answerCount, boot, ...head } = frame;
  expect({ form, answerCount }).toEqual({ form: "json", answerCount: 0 });
  return {
    frame: { ...head, boot: boot?.text },
    entries: commands.map((command) => {
      const decoded = logArgsOf(command);
      if (!decoded.ok) throw new Error(decoded.problem.text);
      return { id: command.id, ...decoded.value, ...(command.part && { part: command.part }) };
    }),
  };
}

function frameOf(text: string): Frame {
  const decoded = decodeFrameText(text);
  if (!decoded.ok) throw new Error(`${decoded.problem.text}: ${text}`);
  return decoded.value;
}

describe("the compact frame", () => {
  test.each(valid)("$id: $comment", ({ json, line, cbor, frame, entries }) => {
    if (json !== undefined) expect(shown(frameOf(json))).toEqual({ frame, entries });
    if (cbor !== undefined) {
      const decoded = decodeFrame(Buffer.from(cbor, "hex"));
      expect(decoded.ok && shown(decoded.value)).toEqual({ frame, entries });
    }
    if (line !== undefined) {
      const items = decodeLine(line);
      expect(items.map((one) => one.type === "frame" && shown(one.frame))).toEqual([{ frame, entries }]);
    }
  });

  test.each(invalid)("$id is refused in words", ({ json, line, refused }) => {
    const decoded = decodeFrameText(json ?? "");
    expect(decoded.ok ? "taken" : decoded.problem.text).toContain(refused);
    expect(decodeLine(line ?? "").some((one) => one.type === "frame")).toBe(false);
  });

  test.each(["-", "-0", "00", "01", "+1", "1.0", "1e3", "1 ", " 1", "", "12345678901234567", '"x"y', '"\t"'])(
    "an element that is %j is of no known kind",
    (element) => {
      const decoded = decodeFrameText(`["@b",1,0,10,0,${element},"behind"]`);
      expect(decoded.ok ? "taken" : decoded.problem.text).toBe(
        "compact frame: element 5 is of no known kind",
      );
    },
  );

  test("a string with quotes, commas and brackets in it is one, beside others with none", () => {
    const strings = ["a\\", 'a","b', 'a"]', "plain, [with] {all}", '\\","', "", "é\n"].map((text) =>
      JSON.stringify(text),
    );
    const frame = frameOf(`["@b",1,0,10,0,${strings.join(",")}]`);
    expect(frame.commands.map(({ log }) => log?.msg)).toEqual(strings);
    for (const [index, text] of strings.entries())
      expect(frameOf(`["@b",1,0,10,0,${text}]`).commands[0]?.log?.msg).toBe(strings[index]);
  });

  test("more entries than a frame may hold are refused, and so is a frame of brackets, quickly", () => {
    const many = `["@1",1,0,10,0${',"x"'.repeat(1001)}]`;
    expect(decodeFrameText(many).ok).toBe(false);
    const startMs = cpuMs();
    expect(decodeFrameText(`["@1",1,0,10,0,${"[".repeat(500_000)}`).ok).toBe(false);
    expect(decodeFrameText(`["@1",1,0,10,0,"${"\\".repeat(500_000)}`).ok).toBe(false);
    expect(cpuMs() - startMs).toBeLessThan(2000);
  });

  test("is sequenced as a plain frame is: entries, drops and what is below first", () => {
    const frame = frameOf('["@1",3,1,10,5,2,"a",-2,"b"]');
    const boot = { text: "1", json: '"1"' };
    const { verdicts, mark, resend } = sequence(boot, frame, 3);
    expect([mark, resend]).toEqual([7, false]);
    expect(verdicts.map((one) => one.type)).toEqual(["entry", "drop", "entry"]);
    expect(sequence(boot, frame, 1)).toMatchObject({ mark: 2, resend: true });
  });
});

describe("compact frames on a serial line", () => {
  const json = '["@7-c0ffee",1,0,1500,40,0,"hello"]';

  test("a frame glued to console text is both", () => {
    const items = decodeLine(`\u001b[J>> ["log",1] ${checked(json)}\r`);
    expect(items.map((one) => one.type)).toEqual(["text", "frame"]);
    expect(items[0]).toEqual({ type: "text", text: '\u001b[J>> ["log",1] ' });
  });

  test.each([
    ["a wrong checksum", `${json}00000000`, LineDiscard.BadChecksum],
    ["a cut frame", json.slice(0, -4), LineDiscard.Cut],
    ["a frame without checksum", json, LineDiscard.Cut],
    ["a checksum over a body that breaks the rules", checked('["@7",1,0,5,0,false]'), LineDiscard.BadFrame],
  ])("%s is discarded and counted", (_, line, reason) => {
    expect(decodeLine(line)).toEqual([{ type: "discarded", reason, line }]);
  });

  test.each(['["@handle"]', '["@a",1]', '["temp",1,2,3,4]', '["~/x",1,2,"three"]', "[info] up", '["@'])(
    "%s is an app's console text",
    (line) => {
      expect(decodeLine(line)).toEqual([{ type: "text", text: line }]);
    },
  );

  test("any one damaged byte of a frame is noticed", () => {
    const line = checked('["@7-c0ffee",12,0,1500,40,2,"hello",504,{"a":[1,2]}]');
    for (let index = 0; index < line.length; index++) {
      for (const flip of [1, 2, 16, 64]) {
        const damaged =
          line.slice(0, index) + String.fromCharCode(line.charCodeAt(index) ^ flip) + line.slice(index + 1);
        // The digits may be in either case.
        if (damaged.toLowerCase() === line.toLowerCase()) continue;
        expect(decodeLine(damaged).filter((one) => one.type === "frame")).toEqual([]);
      }
    }
  });
});

interface Line {
  readonly msg: unknown;
  readonly level: number;
  readonly afterMs: number;
}
const msg = fc.oneof(
  fc.string({ unit: "binary" }),
  fc.dictionary(fc.string(), fc.jsonValue()),
  fc.array(fc.jsonValue()),
);
const lines = fc.array(
  fc.record<Line>({ msg, level: fc.integer({ min: 0, max: 4 }), afterMs: fc.integer({ min: 0, max: 1e9 }) }),
  { maxLength: 20 },
);

test("whatever is written as a compact frame is read as it was written", () => {
  fc.assert(
    fc.property(
      lines,
      fc.integer({ min: 0, max: 2e12 }),
      fc.integer({ min: 1, max: 1e9 }),
      (given, time, first) => {
        const body = given
          .map((one) => `,${5 * one.afterMs + one.level},${JSON.stringify(one.msg)}`)
          .join("");
        const { entries } = shown(frameOf(`["@b",${first},0,${time},7${body}]`));
        let at = time;
        expect(entries).toEqual(
          given.map((one, index) => {
            at += one.afterMs;
            const level = [undefined, "debug", "info", "warn", "error"][one.level];
            return {
              id: first + index,
              msg: JSON.stringify(one.msg),
              ...(at >= 1e12 ? { timestamp: at } : { uptime: at }),
              ...(level !== undefined && { level }),
            };
          }),
        );
      },
    ),
  );
});

test("no line, however broken, throws or is lost without a word", () => {
  const piece = fc.oneof(
    fc.constantFrom(
      '["@1",',
      '["@1",1,0,10,0',
      ',"x"',
      ",[",
      "]",
      '"',
      "\\",
      "{",
      "}",
      ",-3",
      ",null",
      ",true",
      "1234abcd",
    ),
    fc.string({ unit: "binary-ascii", maxLength: 5 }),
  );
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 30 }), (pieces) => {
      const line = pieces.join("").replace(/[\r\n]/g, "");
      for (const text of [line, checked(line)]) {
        const items = decodeLine(text);
        expect(items.length > 0 || text === "").toBe(true);
      }
    }),
    { numRuns: 1000 },
  );
});
