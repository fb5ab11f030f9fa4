import { describe, expect, test } from "vitest";
import { decodeFrameText } from "../../protocol/frame-decoder.ts";
import { sequence } from "../../protocol/sequencing.ts";

const BOOT = { text: "b", json: '"b"' };

function frameOf(head: string, commands: readonly string[]) {
  const decoded = decodeFrameText(`{"v":1,"boot":"b"${head},"cmds":[${commands.join(",")}]}`);
  if (!decoded.ok) throw new Error(decoded.problem.text);
  return decoded.value;
}

function log(id: number, args = `{"msg":"line ${id}"}`): string {
  return `{"cmd":"/v1/Log.Log","id":${id},"args":${args}}`;
}

function typesOf(head: string, commands: readonly string[], mark: number): readonly string[] {
  return sequence(BOOT, frameOf(head, commands), mark).verdicts.map((verdict) => verdict.type);
}

describe("order of a frame with boot", () => {
  test("a command of another method uses up no seq and is answered 404", () => {
    const { verdicts, mark } = sequence(
      BOOT,
      frameOf("", ['{"cmd":"/v1/Log.List","id":1,"args":{"src":"x"}}', log(2)]),
      1,
    );
    expect(verdicts).toMatchObject([
      { type: "aside", id: 1, problem: { status: 404 } },
      { type: "entry", id: 2 },
    ]);
    expect(mark).toBe(2);
  });

  test("ids that do not ascend are refused and are no duplicates", () => {
    const { verdicts, mark } = sequence(BOOT, frameOf("", [log(1), log(2), log(2), log(1), log(3)]), 0);
    expect(verdicts.map((verdict) => verdict.type)).toEqual(["entry", "entry", "aside", "aside", "entry"]);
    expect(verdicts[2]).toMatchObject({ problem: { status: 400, text: expect.stringContaining("ascend") } });
    expect(mark).toBe(3);
  });

  test("an entry out of order behind a gap uses up no seq and can come again in its place", () => {
    expect(typesOf("", [log(2), log(1)], 0)).toEqual(["gap", "aside"]);
    expect(sequence(BOOT, frameOf("", [log(2), log(1)]), 0).mark).toBe(0);
  });

  test("a wrong command that comes again is refused again, never called a duplicate", () => {
    const wrong = log(1, '{"msg":5}');
    expect(typesOf("", [wrong], 0)).toEqual(["refused"]);
    expect(typesOf("", [wrong], 1)).toEqual(["aside"]);
  });

  test("a command without id is answered and spoils nothing", () => {
    expect(typesOf("", ['{"cmd":"/v1/Log.Log"}', log(1)], 0)).toEqual(["aside", "entry"]);
  });

  test("what is below first is lost, even in a frame without entries", () => {
    const { verdicts, mark } = sequence(BOOT, frameOf(',"first":6', []), 2);
    expect(verdicts).toMatchObject([{ type: "lost", lost: { boot: "b", first: 3, last: 5 } }]);
    expect(mark).toBe(5);
  });

  test("a gap that the board can fill is not accepted, and everything behind it neither", () => {
    const result = sequence(BOOT, frameOf(',"first":3,"ack":true', [log(4), log(5)]), 2);
    expect(result).toMatchObject({ mark: 2, resend: true });
    expect(result.verdicts).toMatchObject([
      { type: "gap", id: 4, expected: 3 },
      { type: "gap", id: 5, expected: 3 },
    ]);
  });

  test("on a link without acks a gap is a loss at once", () => {
    const result = sequence(BOOT, frameOf(',"ack":false', [log(4)]), 2);
    expect(result).toMatchObject({ mark: 4, resend: false });
    expect(result.verdicts.map((verdict) => verdict.type)).toEqual(["lost", "entry"]);
  });

  test("a drop notice covers what is left of its range", () => {
    const notice = log(
      9,
      '{"stream":"loss","msg":{"first":4,"last":9,"count":6,"where":"agent","why":"ring full"}}',
    );
    const result = sequence(BOOT, frameOf("", [notice]), 5);
    expect(result.verdicts).toMatchObject([
      { type: "drop", id: 9, lost: { first: 6, last: 9 }, why: "ring full" },
    ]);
    expect(result.mark).toBe(9);
  });
});
