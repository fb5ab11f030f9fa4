import { connect as connectTcp } from "node:net";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { encodeCbor } from "../../protocol/cbor.ts";
import { type RunningService, runService } from "../support/running-service.ts";

let running: RunningService;
beforeEach(async () => {
  running = await runService({ requestMsMax: 500 });
});
afterEach(() => running.stop());

const FRAME = '{"v":1,"src":"s","cmds":[{"cmd":"/v1/Log.Log","id":1,"args":{"msg":"m"}}]}';

async function refusalOf(response: Response): Promise<string> {
  expect(response.headers.get("content-type")).toContain("application/json");
  const { status, status_msg: text, ...others } = (await response.json()) as { [name: string]: unknown };
  expect(status).toBe(response.status);
  expect(others).toEqual({});
  return `${status} ${text}`;
}

describe("a body that is no frame gets words", () => {
  test.each<[string, string | Uint8Array, string]>([
    ["empty", "", "400 frame: not JSON: unexpected end at character 0"],
    ["not JSON", "hello", "400 frame: not JSON: unexpected character at character 0"],
    ["truncated", FRAME.slice(0, 40), "400 frame: not JSON: string without an end at character 40"],
    ["an array", "[]", "400 frame: must be an object"],
    ["a string", '"x"', "400 frame: must be an object"],
    ["null", "null", "400 frame: must be an object"],
    ["two frames", FRAME + FRAME, "400 frame: not JSON: unexpected text after the end at character 74"],
    [
      "too deep",
      `{"v":1,"cmds":${"[".repeat(17)}`,
      "400 frame: not JSON: nested deeper than 16 at character 29",
    ],
    ["a million deep", "[".repeat(1_000_000), "400 frame: not JSON: nested deeper than 16 at character 16"],
    ["duplicate names", '{"v":1,"v":1,"cmds":[]}', '400 frame: not JSON: duplicate name "v" at character 11'],
    ["no v that is known", '{"v":3,"cmds":[]}', "400 v: must be 1, 2 or absent"],
    ["neither cmds nor resp", '{"v":1}', "400 cmds: required (or resp)"],
    ["cmds no array", '{"v":1,"cmds":{}}', "400 cmds: must be an array"],
    ["src no string", '{"v":1,"src":5,"cmds":[]}', "400 src: must be string"],
    ["src empty", '{"v":1,"src":"","cmds":[]}', "400 src: must not be empty"],
    [
      "src with a control character",
      '{"v":1,"src":"a\\u0000","cmds":[]}',
      "400 src: must not hold control characters",
    ],
    [
      "src too long",
      `{"v":1,"src":"${"x".repeat(257)}","cmds":[]}`,
      "400 src: must be at most 256 bytes of UTF-8",
    ],
    [
      "invalid UTF-8 in src",
      Buffer.from('{"v":1,"src":"\xff","cmds":[]}', "latin1"),
      "400 frame: not JSON: invalid UTF-8 at character 16",
    ],
  ])("%s", async (_name, body, words) => {
    expect(await refusalOf(await running.post("/", body))).toBe(words);
  });

  test("more than 1000 commands: 413", async () => {
    const commands = Array.from({ length: 1001 }, (_, id) => ({
      cmd: "/v1/Log.Log",
      id,
      args: { msg: "m" },
    }));
    const response = await running.post("/", JSON.stringify({ v: 1, src: "s", cmds: commands }));
    expect(await refusalOf(response)).toBe("413 cmds: more than 1000 commands");
  });

  test("2 MiB: 413", async () => {
    const response = await running.post("/", FRAME.replace('"m"', `"${"m".repeat(2 * 1024 * 1024)}"`));
    expect(await refusalOf(response)).toBe("413 body: larger than 1048576 bytes");
  });

  test("exactly 1 MiB is taken, a byte more is not", async () => {
    const fill = 1_048_576 - FRAME.length;
    const full = FRAME.replace('"m"', `"m${"x".repeat(fill)}"`);
    expect(full.length).toBe(1_048_576);
    expect((await running.post("/", full)).status).toBe(200);
    expect((await running.post("/", full.replace('"m', '"mm'))).status).toBe(413);
  });

  test.each([
    ["application/xml", "415 content-type: must be application/json or application/cbor"],
    ["multipart/form-data", "415 content-type: must be application/json or application/cbor"],
    ["multipart/form-data; boundary=x", "415 content-type: must be application/json or application/cbor"],
    ["application/json; charset=latin1", "415 content-type: charset must be utf-8"],
  ])("content type %s: 415", async (type, words) => {
    expect(await refusalOf(await running.post("/", FRAME, { "content-type": type }))).toBe(words);
    expect(await refusalOf(await running.post("/v1/Log.Log", "{}", { "content-type": type }))).toBe(words);
  });

  test("a content type that is none: 415", async () => {
    const response = await running.post("/", FRAME, { "content-type": "nonsense" });
    expect(response.status).toBe(415);
    expect(await refusalOf(response)).toContain("content-type:");
  });

  test("a body in a compression that is not known: 415", async () => {
    const response = await running.post("/", FRAME, { "content-encoding": "br" });
    expect(await refusalOf(response)).toBe("415 content-encoding: must be gzip, zstd or identity");
  });

  test.each([
    "application/json",
    "application/json; charset=UTF-8",
    "text/plain",
    "TEXT/PLAIN;charset=utf-8",
    "application/x-www-form-urlencoded",
  ])("content type %s is JSON", async (type) => {
    expect((await running.post("/", FRAME, { "content-type": type })).status).toBe(200);
  });

  test("no content type is JSON", async () => {
    // A Blob without a type makes fetch send no content type.
    const response = await fetch(`${running.url}/`, {
      method: "POST",
      body: new Blob([FRAME]),
      headers: { "x-api-key": running.key },
    });
    expect(response.status).toBe(200);
  });

  test.each<[string, Uint8Array, string]>([
    ["empty", new Uint8Array(), "ends too early"],
    ["truncated", encodeCbor({ v: 1, cmds: [] }).subarray(0, 5), "a length beyond the bytes there are"],
    ["trailing bytes", Buffer.concat([encodeCbor({ v: 1, cmds: [] }), Buffer.of(0)]), "bytes after the end"],
    ["a tag", Buffer.from("c11a514b67b0", "hex"), "tags are not taken"],
    ["an indefinite map", Buffer.from("bf6176 01ff".replaceAll(" ", ""), "hex"), "indefinite length"],
    ["a length of 2^60", Buffer.from("7b1000000000000000", "hex"), "a length beyond the bytes there are"],
  ])("CBOR %s", async (_name, body, words) => {
    const response = await running.post("/", body, { "content-type": "application/cbor" });
    expect(response.status).toBe(400);
    expect(response.headers.get("content-type")).toBe("application/cbor");
    expect(Buffer.from(await response.arrayBuffer()).toString("latin1")).toContain(words);
  });
});

describe("HTTP around the frames", () => {
  test.each<[string, string, number, string | null]>([
    ["GET", "/nothing", 404, null],
    ["GET", "/", 404, null],
    ["DELETE", "/", 405, "GET, HEAD, POST"],
    ["GET", "/v1/Log.List", 405, "POST"],
    ["POST", "/healthz", 405, "GET, HEAD"],
    ["OPTIONS", "/", 405, "GET, HEAD, POST"],
    ["GET", "/%zz", 400, null],
  ])("%s %s: %i in JSON", async (method, path, status, allow) => {
    const response = await fetch(running.url + path, { method });
    expect(response.status).toBe(status);
    expect(response.headers.get("allow")).toBe(allow);
    await refusalOf(response);
  });

  test("no answer names the software, allows another site or may be cached", async () => {
    const response = await running.post("/", FRAME, { origin: "https://elsewhere.example" });
    expect([...response.headers.keys()].sort()).toEqual([
      "cache-control",
      "connection",
      "content-length",
      "content-type",
      "date",
      "keep-alive",
      "referrer-policy",
      "x-content-type-options",
    ]);
  });

  test("an unknown method under /v1 is 404 and named", async () => {
    const response = await running.post("/v1/Log.Burn?id=9", "{}");
    expect(response.status).toBe(404);
    expect(await response.json()).toEqual({
      id: 9,
      status: 404,
      status_msg: 'cmd: no such method: "/v1/Log.Burn"',
    });
  });

  test("a body that trickles in is cut off in words", async () => {
    const { hostname, port } = new URL(running.url);
    const socket = connectTcp(Number(port), hostname);
    socket.write(
      `POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\nx-api-key: ${running.key}\r\n\r\n{"v":1`,
    );
    let answer = "";
    for await (const chunk of socket) answer += chunk;
    expect(answer).toMatch(/^HTTP\/1.1 408 Request Timeout\r\n/);
    expect(answer).toContain('{"status":408,"status_msg":"request timeout"}');
  });

  test("what is no HTTP gets 400 and is cut off", async () => {
    const { hostname, port } = new URL(running.url);
    const socket = connectTcp(Number(port), hostname);
    socket.write('{"v":1}\r\n\r\n');
    let answer = "";
    for await (const chunk of socket) answer += chunk;
    expect(answer).toMatch(/^HTTP\/1.1 400 Bad Request\r\n/);
  });

  test("a header of 64 KiB gets 431", async () => {
    const response = await fetch(`${running.url}/healthz`, { headers: { "x-big": "x".repeat(65_536) } });
    expect(response.status).toBe(431);
  });
});
