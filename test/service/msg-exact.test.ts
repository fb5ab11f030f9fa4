import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { encodeCbor } from "../../protocol/cbor.ts";
import { type RunningService, runService } from "../support/running-service.ts";

let running: RunningService;
beforeAll(async () => {
  running = await runService();
});
afterAll(() => running.stop());

let sourceCount = 0;

/** Logs `msg` as it stands, and gives the text of the `msg` member that List answers with. */
async function roundTrip(msg: string): Promise<string> {
  const src = `exact ${++sourceCount}`;
  const logged = await running.post(
    "/",
    `{"v":1,"src":"${src}","cmds":[{"cmd":"/v1/Log.Log","id":1,"args":{"msg":${msg}}}]}`,
  );
  expect(await logged.text()).toBe(`{"v":1,"src":"//boardlog","dst":"${src}","resp":[{"id":1,"status":0}]}`);
  const text = await (await running.post("/v1/Log.List", JSON.stringify({ src }))).text();
  const match =
    /^\{"status":0,"resp":\[\{"stream":"console","msg":(.*),"timestamp":\d+,"id":"[^"]+"\}\]\}$/s.exec(text);
  expect(match).not.toBeNull();
  return match?.[1] ?? "";
}

describe("msg comes back as it came", () => {
  test.each([
    "12345678901234567890",
    "1.0",
    "-0",
    "1e400",
    "1E+2",
    "0.1000",
    '{"b":1,"a":2,"2":3,"1":4}',
    '{ "spaced" :\t[ 1 , 2 ],\n "x":{} }',
    '{"a":1,"a":2}',
    '{"__proto__":null,"msg":{"msg":1}}',
    '"\\u0041\\/\\ud83d\\ude00"',
  ])("%s (a bare number inside an array)", async (json) => {
    const msg = /^["{[]/.test(json) ? json : `[${json}]`;
    expect(await roundTrip(msg)).toBe(msg);
  });

  test.each(['""', '" "', "[]", "{}", '"\\u0000"', '"\\ud800"', '"😀 grüße \\"x\\" \\\\"', '"\u2028"'])(
    "%s",
    async (msg) => {
      expect(await roundTrip(msg)).toBe(msg);
    },
  );

  test("any JSON object, array or string", async () => {
    const json = fc.json({ maxDepth: 5 }).filter((text) => /^["{[]/.test(text));
    await fc.assert(
      fc.asyncProperty(json, async (msg) => {
        expect(await roundTrip(msg)).toBe(msg);
      }),
      { numRuns: 100 },
    );
  });

  test("nested 16 deep is kept, 17 deep refused", async () => {
    const deep = (depth: number) => "[".repeat(depth) + "]".repeat(depth);
    expect(await roundTrip(deep(16))).toBe(deep(16));
    const frame = `{"v":1,"src":"s","cmds":[{"cmd":"/v1/Log.Log","id":1,"args":{"msg":${deep(17)}}}]}`;
    expect((await running.post("/", frame)).status).toBe(400);
  });

  test("invalid UTF-8 in msg stays readable", async () => {
    const frame = '{"v":1,"src":"latin","cmds":[{"cmd":"/v1/Log.Log","id":1,"args":{"msg":"gr\xfc\xdfe"}}]}';
    expect((await running.post("/", Buffer.from(frame, "latin1"))).status).toBe(200);
    const text = await (await running.post("/v1/Log.List", '{"src":"latin"}')).text();
    expect(text).toContain('"msg":"gr\ufffd\ufffde"');
  });

  test("from CBOR: strings, Latin-1 bytes and the JSON text of objects", async () => {
    const msgs = [
      { msg: "grüße" },
      { msg: Buffer.from("gr\xfcn", "latin1") },
      { json: '{"x": 1.0}' },
      { json: "[1]" },
    ];
    const cmds = msgs.map((args, id) => ({ cmd: "/v1/Log.Log", id, args }));
    const response = await running.post("/", encodeCbor({ v: 1, src: "cbor", cmds }), {
      "content-type": "application/cbor",
    });
    expect(response.status).toBe(200);
    const list = await running.post("/v1/Log.List", '{"src":"cbor"}');
    const text = await list.text();
    expect(text.match(/"msg":(?:"[^"]*"|\{[^}]*\}|\[[^\]]*\])/g)).toEqual([
      '"msg":"grüße"',
      '"msg":"grün"',
      '"msg":{"x": 1.0}',
      '"msg":[1]',
    ]);
  });
});
