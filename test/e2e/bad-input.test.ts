import { connectAsync } from "mqtt";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { decodeCbor } from "../../protocol/cbor.ts";
import { BoardlogProcess, until } from "../support/boardlog-process.ts";
import { connect } from "../support/web-socket-client.ts";

/** What the same bytes get over HTTP, over a WebSocket and on an MQTT topic of the embedded broker. */
interface BadInput {
  readonly what: string;
  readonly bytes: Buffer;
  readonly isCbor?: boolean;
  /** Of the whole frame, or of its one command. */
  readonly status: number;
  readonly words: RegExp;
}

const frame = (args: string, head = '"v":1,"src":"bad"'): Buffer =>
  Buffer.from(`{${head},"cmds":[{"cmd":"/v1/Log.Log","id":1,"args":${args}}]}`);
const deep = (open: string, close: string, depth: number): string => open.repeat(depth) + close.repeat(depth);
/** `{"v":1,"cmds":[...]}` in CBOR with these bytes as the value of `cmds`. */
const cborCmds = (hex: string): Buffer =>
  Buffer.from(`a2617601646d646d73${hex}`.replace("646d646d73", "64636d6473"), "hex");

const INPUTS: readonly BadInput[] = [
  {
    what: "JSON nested deeper than 16",
    bytes: frame(`{"msg":${deep("[", "]", 17)}}`),
    status: 400,
    words: /nested deeper than 16/,
  },
  {
    what: "JSON nested a million deep",
    bytes: Buffer.from("[".repeat(60_000)),
    status: 400,
    words: /nested deeper than 16/,
  },
  {
    what: "bytes after the end",
    bytes: Buffer.concat([frame('{"msg":"x"}'), Buffer.from("x")]),
    status: 400,
    words: /after the end/,
  },
  { what: "a cut frame", bytes: frame('{"msg":"x"}').subarray(0, -3), status: 400, words: /frame: not JSON/ },
  { what: "a name twice", bytes: frame('{"msg":"x","msg":"y"}'), status: 400, words: /duplicate name "msg"/ },
  { what: "1e400 as a time", bytes: frame('{"msg":"x","timestamp":1e400}'), status: 400, words: /timestamp/ },
  {
    what: "an integer beyond 2^53",
    bytes: frame('{"msg":"x","timestamp":9007199254740993}'),
    status: 400,
    words: /timestamp/,
  },
  {
    what: "NaN, which is no JSON",
    bytes: frame('{"msg":"x","timestamp":NaN}'),
    status: 400,
    words: /frame: not JSON/,
  },
  { what: "a negative time", bytes: frame('{"msg":"x","timestamp":-1}'), status: 400, words: /timestamp/ },
  {
    what: "a stream that is a path",
    bytes: frame(`{"msg":"x","stream":"${"../".repeat(100)}"}`),
    status: 400,
    words: /stream/,
  },
  { what: "a level that is none", bytes: frame('{"msg":"x","level":"loud"}'), status: 400, words: /level/ },
  { what: "no msg", bytes: frame("{}"), status: 400, words: /msg/ },
  { what: "msg of a wrong type", bytes: frame('{"msg":5}'), status: 400, words: /msg/ },
  { what: "arguments that are no object", bytes: frame('"x"'), status: 400, words: /args/ },
  {
    what: "src of 300 bytes",
    bytes: frame('{"msg":"x"}', `"v":1,"src":"${"x".repeat(300)}"`),
    status: 400,
    words: /src/,
  },
  {
    what: "invalid UTF-8 in the frame's structure",
    bytes: Buffer.from('{"v":1,"src":"\xff","cmds":[]}', "latin1"),
    status: 400,
    words: /UTF-8/,
  },
  {
    what: "v of another world",
    bytes: frame('{"msg":"x"}', '"v":9,"src":"bad"'),
    status: 400,
    words: /v: must be/,
  },
  { what: "empty", bytes: Buffer.alloc(0), status: 400, words: /frame/ },
  { what: "CBOR with a tag", bytes: cborCmds("81c100"), isCbor: true, status: 400, words: /CBOR/ },
  { what: "CBOR of indefinite length", bytes: cborCmds("9fff"), isCbor: true, status: 400, words: /CBOR/ },
  {
    what: "CBOR that promises 4 GB",
    bytes: cborCmds("5affffffff00"),
    isCbor: true,
    status: 400,
    words: /CBOR/,
  },
  {
    what: "CBOR nested deeper than 16",
    bytes: cborCmds(`${"81".repeat(20)}00`),
    isCbor: true,
    status: 400,
    words: /CBOR/,
  },
  {
    what: "CBOR with bytes after its end",
    bytes: cborCmds("8000"),
    isCbor: true,
    status: 400,
    words: /CBOR/,
  },
];

let up: BoardlogProcess;
let key: string;
beforeAll(async () => {
  up = await BoardlogProcess.create(["--quiet"]);
  await up.start();
  key = await up.key();
});
afterAll(() => up.remove());

const post = (bytes: Buffer, isCbor = false): Promise<Response> =>
  fetch(up.url, {
    method: "POST",
    headers: { "x-api-key": key, "content-type": isCbor ? "application/cbor" : "application/json" },
    body: new Uint8Array(bytes),
  });

/** The words for the whole frame, or for its one command. */
function refusal(answer: {
  status?: number;
  status_msg?: string;
  resp?: { status: number; status_msg?: string }[];
}) {
  const { status, status_msg: words } = answer.resp?.[0] ?? answer;
  return { status, words };
}

async function counted(): Promise<number> {
  const text = await (await fetch(`${up.url}/metrics`)).text();
  const names = [
    "mqtt_bad_frames_total",
    "gateway_bad_commands_total",
    "mqtt_empty_messages_total",
    "mqtt_foreign_source_frames_total",
  ];
  return names.reduce(
    (sum, name) => sum + Number(new RegExp(`^boardlog_${name}(?:{.*})? (\\d+)$`, "m").exec(text)?.[1] ?? 0),
    0,
  );
}

describe("bad input gets words and a status, and changes nothing else", () => {
  test.each(INPUTS)("over HTTP: $what", async ({ bytes, isCbor, status, words }) => {
    const response = await post(bytes, isCbor);
    expect([200, status]).toContain(response.status);
    const decoded = isCbor ? decodeCbor(new Uint8Array(await response.arrayBuffer())) : undefined;
    const answer = decoded?.ok ? decoded.value : await response.json();
    expect(refusal(answer as Parameters<typeof refusal>[0])).toEqual({
      status,
      words: expect.stringMatching(words),
    });
  });

  test("over one WebSocket, which lives on", async () => {
    const client = await connect(up.url, { headers: { "x-api-key": key } });
    for (const { what, bytes, isCbor, status, words } of INPUTS) {
      if (isCbor) continue; // The form of an answer follows the frame's; HTTP has tried the decoder.
      client.socket.send(bytes.toString("latin1") === "" ? "" : bytes, { binary: false });
      expect(refusal(await client.nextJson()), what).toEqual({ status, words: expect.stringMatching(words) });
    }
    client.send(frame('{"msg":"over WebSocket"}', '"v":1,"src":"good"').toString());
    expect(await client.nextJson()).toMatchObject({ resp: [{ status: 0 }] });
  });

  test("over one MQTT connection, which lives on: each is counted", async () => {
    const client = await connectAsync(`mqtt://127.0.0.1:${up.mqttPort}`, {
      username: "default",
      password: key,
      reconnectPeriod: 0,
    });
    let closes = 0;
    client.on("close", () => closes++);
    for (const { what, bytes } of INPUTS) {
      const before = await counted();
      await client.publishAsync("boardlog/default/bad/log", bytes, { qos: 1 });
      await until(`counted: ${what}`, async () => (await counted()) > before);
    }
    expect(closes).toBe(0);
    await client.publishAsync("boardlog/default/good/log", frame('{"msg":"over MQTT"}', '"v":1'), { qos: 1 });
    await client.endAsync();
  });

  test("names that mean something to a language are names like others", async () => {
    for (const name of ["__proto__", "constructor", "toString", "../../etc/passwd"]) {
      const args = JSON.stringify({ msg: name, stream: name.replaceAll(/[./]/g, "_") || "x" });
      const response = await post(frame(args, `"v":1,"src":${JSON.stringify(name)}`));
      expect(await response.json(), name).toMatchObject({ resp: [{ status: 0 }] });
      const listed = await post(
        Buffer.from(JSON.stringify({ v: 1, cmds: [{ cmd: "/v1/Log.List", id: 1, args: { src: name } }] })),
      );
      expect(await listed.json(), name).toMatchObject({ resp: [{ status: 0, resp: [{ msg: name }] }] });
    }
  });

  test("afterwards nothing of it is there, and what was good is", async () => {
    const list = async (src: string): Promise<unknown[]> => {
      const cmds = [{ cmd: "/v1/Log.List", id: 1, args: { src, limit: 1000 } }];
      const answer = (await (await post(Buffer.from(JSON.stringify({ v: 1, cmds })))).json()) as {
        resp: { resp: { msg: unknown }[] }[];
      };
      return answer.resp[0]?.resp.map(({ msg }) => msg) ?? [];
    };
    await until("what came over MQTT", async () => (await list("good")).length === 2);
    expect(await list("good")).toEqual(["over WebSocket", "over MQTT"]);
    expect(await list("bad")).toEqual([]);
    expect((await fetch(`${up.url}/healthz`)).status).toBe(200);
  });
});
