import { describe, expect, test } from "vitest";
import { encodeAnswerFrame } from "../../protocol/answer.ts";
import { encodeCbor } from "../../protocol/cbor.ts";
import { decodeFrame, decodeFrameText } from "../../protocol/frame-decoder.ts";
import { decodeListArgs, decodeLogArgs } from "../../protocol/methods.ts";

function frameOf(text: string) {
  const decoded = decodeFrameText(text);
  if (!decoded.ok) throw new Error(decoded.problem.text);
  return decoded.value;
}

function problemOf(text: string): string {
  const decoded = decodeFrameText(text);
  if (decoded.ok) throw new Error("was taken");
  return `${decoded.problem.status} ${decoded.problem.text}`;
}

describe("the plain frame", () => {
  test("the seed's own requests decode", () => {
    const list = frameOf(
      '{"v":1,"src":"//api.cesanta.com/user_123","dst":"//api.cesanta.com","cmds":[{"cmd":"/v1/Log.List","id":123,"args":{"src":"//api.cesanta.com/device_123","limit":10,"stream":"console"}}]}',
    );
    const [command] = list.commands;
    expect(command).toMatchObject({ id: 123, method: "/v1/Log.List" });
    expect(decodeListArgs(command?.args ?? {})).toMatchObject({
      ok: true,
      value: { limit: 10, stream: "console" },
    });
  });

  test("msg keeps every digit, its key order and its spaces", () => {
    const msg = '{ "b":12345678901234567890, "a":1.0, "__proto__":[1e400,-0] }';
    const frame = frameOf(`{"cmds":[{"cmd":"/v1/Log.Log","id":1,"args":{"msg":${msg}}}]}`);
    const args = decodeLogArgs(frame.commands[0]?.args ?? {});
    expect(args).toEqual({ ok: true, value: { msg } });
  });

  test.each<[string, Uint8Array]>([
    ["JSON", Buffer.from('{"cmds":[{"cmd":"x","id":1,"args":{"__proto__":{"msg":"evil"},"toString":1}}]}')],
    [
      "CBOR",
      encodeCbor({ cmds: [{ cmd: "x", id: 1, args: { ["__proto__"]: { msg: "evil" }, toString: 1 } }] }),
    ],
  ])("args in %s have what was sent as their own, and inherit nothing", (_, bytes) => {
    const decoded = decodeFrame(bytes);
    const args = decoded.ok ? decoded.value.commands[0]?.args : undefined;
    expect(Object.keys(args ?? {})).toEqual(["__proto__", "toString"]);
    expect([args?.msg, args?.constructor, args?.hasOwnProperty]).toEqual([undefined, undefined, undefined]);
  });

  test("a wrong command does not spoil its neighbours", () => {
    const frame = frameOf(
      '{"v":1,"cmds":[{"cmd":"/v1/Log.Log","id":1,"args":{"msg":"a"}},7,{"id":2},{"cmd":"x","id":3}]}',
    );
    expect(frame.commands.map((command) => command.problem?.text)).toEqual([
      undefined,
      "cmds: each command must be an object",
      "cmd: required",
      undefined,
    ]);
    expect(frame.commands.map((command) => command.id)).toEqual([1, undefined, 2, 3]);
  });

  test.each([
    ['{"v":3,"cmds":[]}', "400 v: must be 1, 2 or absent"],
    ['{"v":1}', "400 cmds: required (or resp)"],
    ['{"v":1,"cmds":{}}', "400 cmds: must be an array"],
    ["[]", "400 frame: must be an object"],
    ['{"v":1,"v":1,"cmds":[]}', '400 frame: not JSON: duplicate name "v" at character 11'],
    ['{"v":1,"cmds":[]} x', "400 frame: not JSON: unexpected text after the end at character 18"],
    ['{"v":1,"cmds":[],"first":0}', "400 first: must be >= 1"],
    [
      '{"v":1,"cmds":[],"now":9007199254740993}',
      "400 now: must be a number between -(2^53-1) and 2^53-1, not 9007199254740993",
    ],
    [
      '{"v":1,"cmds":[],"boot":""}',
      "400 boot: must be a string of 1 to 32 printable ASCII characters, or an integer from 0 to 2^53-1",
    ],
    [`{"v":1,"cmds":${"[".repeat(5_000_000)}`, "400 frame: not JSON: nested deeper than 16 at character 29"],
  ])("%.60s is refused in words", (text, problem) => {
    expect(problemOf(text)).toBe(problem);
  });

  test("a CBOR frame means the same and is answered in CBOR", async () => {
    const { encodeCbor } = await import("../../protocol/cbor.ts");
    const bytes = encodeCbor({
      v: 1,
      src: "//h/d",
      cmds: [
        { cmd: "/v1/Log.Log", id: 1, args: { msg: "grüße" } },
        { cmd: "/v1/Log.Log", id: 2, args: { json: '{"x":1.0}' } },
      ],
    });
    const decoded = decodeFrame(bytes);
    if (!decoded.ok) throw new Error(decoded.problem.text);
    expect(decoded.value.commands.map((command) => decodeLogArgs(command.args))).toEqual([
      { ok: true, value: { msg: '"grüße"' } },
      { ok: true, value: { msg: '{"x":1.0}' } },
    ]);
    const answer = encodeAnswerFrame(decoded.value, "//boardlog", [{ id: 1, status: 0 }]);
    expect(answer[0]).toBeGreaterThanOrEqual(0xa0);
  });
});
