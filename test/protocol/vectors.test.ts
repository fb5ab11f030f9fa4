import { readFileSync } from "node:fs";
import { crc32 } from "node:zlib";
import { describe, expect, test } from "vitest";
import { encodeAck, encodeHello } from "../../protocol/ack.ts";
import { type Answer, encodeAnswerFrame } from "../../protocol/answer.ts";
import { decodeCbor } from "../../protocol/cbor.ts";
import { decodeConsoleLine, encodeCall, isCallEcho } from "../../protocol/console-line.ts";
import type { Decoded, Problem } from "../../protocol/decoded.ts";
import type { Command, Frame } from "../../protocol/frame.ts";
import { decodeArgs, decodeFrame } from "../../protocol/frame-decoder.ts";
import { type JsonObject, Verbatim } from "../../protocol/json-parser.ts";
import { decodeListArgs, decodeLogArgs } from "../../protocol/methods.ts";
import { type Sequenced, sequence, type Verdict } from "../../protocol/sequencing.ts";
import { decodeLine, encodeLine } from "../../protocol/serial-line.ts";

interface Vector<Input, Expected> {
  readonly id: string;
  /** Of docs/protocol.md. */
  readonly clause: string;
  readonly comment: string;
  readonly input: Input;
  readonly expected: Expected;
}
interface Bytes {
  readonly text?: string;
  readonly hex?: string;
}
interface Refused {
  /** Status and words. */
  readonly refused?: string;
}

const clauses = new Set<string>();

function each<Input, Expected>(file: string, check: (vector: Vector<Input, Expected>) => void): void {
  const url = new URL(`../vectors/${file}`, import.meta.url);
  const vectors = JSON.parse(readFileSync(url, "utf8")) as readonly Vector<Input, Expected>[];
  for (const vector of vectors) clauses.add(vector.clause);
  describe(file, () => {
    test("ids are unique", () => {
      expect(new Set(vectors.map(({ id }) => id)).size).toBe(vectors.length);
    });
    test.each(vectors)("$clause $id: $comment", check);
  });
}

function bytesOf({ text, hex }: Bytes): Uint8Array {
  return hex === undefined ? Buffer.from(text ?? "", "utf8") : Buffer.from(hex, "hex");
}

function wordsOf({ status, text }: Problem): string {
  return `${status} ${text}`;
}

function goodValue<T>(decoded: Decoded<T>, { refused }: Refused): T | undefined {
  if (!decoded.ok) expect(wordsOf(decoded.problem)).toBe(refused);
  else expect(refused).toBeUndefined();
  return decoded.ok ? decoded.value : undefined;
}

/** As the vectors write it: problems as words, text that was kept as `{"verbatim": text}`. */
function plain(value: unknown): unknown {
  if (value instanceof Verbatim) return { verbatim: value.text };
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, plain(item)]));
}

function plainFrame(frame: Frame): object {
  const commands = frame.commands.map(({ problem, ...command }: Command) => ({
    ...(plain(command) as object),
    ...(problem !== undefined && { problem: wordsOf(problem) }),
  }));
  return { ...frame, commands };
}

each<Bytes, Refused & { readonly frame?: { readonly commands: unknown } }>(
  "frames.json",
  ({ input, expected }) => {
    const frame = goodValue(decodeFrame(bytesOf(input)), expected);
    if (frame === undefined) return;
    const { commands } = expected.frame ?? {};
    if (commands !== undefined && !Array.isArray(commands)) {
      expect({ ...frame, commands: { count: frame.commands.length } }).toEqual(expected.frame);
    } else expect(plainFrame(frame)).toMatchObject(expected.frame ?? {});
  },
);

each<Bytes & { readonly method: string }, Refused & { readonly args?: object }>(
  "arguments.json",
  ({ input, expected }) => {
    const args = decodeArgs(bytesOf(input), "json");
    if (!args.ok) throw new Error(args.problem.text);
    const decode: (args: JsonObject) => Decoded<object> =
      input.method === "Log.Log" ? decodeLogArgs : decodeListArgs;
    expect(goodValue(decode(args.value), expected)).toEqual(expected.args);
  },
);

each<Bytes & { readonly answers: readonly Answer[] }, { readonly text?: string; readonly cbor?: object }>(
  "answers.json",
  ({ input, expected }) => {
    const frame = decodeFrame(bytesOf(input));
    if (!frame.ok) throw new Error(frame.problem.text);
    const bytes = encodeAnswerFrame(frame.value, "//own", input.answers);
    if (expected.text !== undefined) expect(Buffer.from(bytes).toString("utf8")).toBe(expected.text);
    else {
      const decoded = decodeCbor(bytes);
      expect(decoded.ok && plain(decoded.value)).toEqual(expected.cbor);
    }
  },
);

each<
  { readonly boot: string; readonly seq: number; readonly resend?: boolean; readonly now?: number },
  { readonly text: string }
>("acks.json", ({ input: { boot, now, ...ack }, expected }) => {
  expect(encodeAck({ boot: { json: boot, text: String(JSON.parse(boot)) }, ...ack }, now)).toBe(
    expected.text,
  );
});

function verdictWords(verdict: Verdict): string {
  if (verdict.type === "lost" || verdict.type === "drop") {
    return `${verdict.type} ${verdict.lost.first}-${verdict.lost.last}`;
  }
  return `${verdict.type} ${verdict.id}${verdict.type === "gap" ? ` expected ${verdict.expected}` : ""}`;
}

each<
  Bytes & { readonly mark: number },
  { readonly verdicts: readonly string[] } & Pick<Sequenced, "mark" | "resend">
>("sequences.json", ({ input, expected }) => {
  const frame = decodeFrame(bytesOf(input));
  if (!frame.ok || frame.value.boot === undefined) throw new Error("no frame with boot");
  const { verdicts, ...rest } = sequence(frame.value.boot, frame.value, input.mark);
  expect({ verdicts: verdicts.map(verdictWords), ...rest }).toEqual(expected);
});

each<Bytes, { readonly items: readonly object[] }>("serial-lines.json", ({ input, expected }) => {
  const items = decodeLine(Buffer.from(bytesOf(input)).toString("latin1")).map((item) =>
    item.type === "frame"
      ? { type: "frame", commands: item.frame.commands.length, hasChecksum: item.hasChecksum }
      : item.type === "discarded"
        ? { type: "discarded", reason: item.reason }
        : item,
  );
  expect(items).toEqual(expected.items);
});

each<{ readonly json: string; readonly hasChecksum: boolean }, { readonly text: string }>(
  "serial-lines-down.json",
  ({ input, expected }) => {
    expect(encodeLine(input.json, input.hasChecksum)).toBe(expected.text);
    expect(expected.text).toMatch(/^[\x20-\x7e]+\n$/);
  },
);

each<Bytes, { readonly items: readonly object[] }>("console-lines.json", ({ input, expected }) => {
  const items = decodeConsoleLine(Buffer.from(bytesOf(input)).toString("latin1")).map((item) =>
    item.type === "frame"
      ? {
          type: "frame",
          commands: item.frame.commands.length,
          ...(item.frame.isCalled && { isCalled: true }),
        }
      : item.type === "discarded"
        ? { type: "discarded", reason: item.reason }
        : item,
  );
  expect(items).toEqual(expected.items);
});

each<{ readonly json: string }, { readonly text: string }>("console-calls.json", ({ input, expected }) => {
  const line = encodeCall(input.json);
  expect(line).toBe(expected.text);
  expect(isCallEcho(`>${line.slice(5, -1)}`)).toBe(true);
  // What the board's prompt makes of it.
  const code = line.slice(5).replace("global.boardlogDown&&", "");
  const [json, sum] = new Function(`const boardlogDown = (...all) => all; return ${code}`)();
  expect(JSON.parse(json)).toEqual(JSON.parse(input.json));
  expect(sum).toBe(crc32(json));
});

test("7.7: a hello, with the time where it is known", () => {
  expect(encodeHello(1_700_000_000_000.5)).toBe('{"v":1,"hello":1,"now":1700000000000}');
  expect(encodeHello(undefined)).toBe('{"v":1,"hello":1}');
});

/** Clauses about durability, timing and state: the tests of the parts that have them prove these. */
const ELSEWHERE = [
  "4.3",
  "4.4",
  "4.6",
  "4.7",
  "4.8",
  "4.9",
  "5.2",
  "5.6",
  "5.7",
  "5.8",
  "5.9",
  "5.10",
  "7.6",
  "7.8",
];

test("every clause of sections 2 to 5, 7 and 9 has its vectors", () => {
  const document = readFileSync(new URL("../../docs/protocol.md", import.meta.url), "utf8");
  const numbered = [...document.matchAll(/^([234579]\.\d+)\. /gm)].map((match) => match[1] ?? "");
  expect(numbered.length).toBeGreaterThan(30);
  expect(numbered.filter((clause) => !clauses.has(clause) && !ELSEWHERE.includes(clause))).toEqual([]);
});
