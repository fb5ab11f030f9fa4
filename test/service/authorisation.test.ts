import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { NewKey } from "../../service/auth/key-store.ts";
import { type RunningService, runService } from "../support/running-service.ts";
import { connect, UpgradeRefused } from "../support/web-socket-client.ts";

let running: RunningService;
beforeEach(async () => {
  running = await runService();
});
afterEach(() => running.stop());

const NO_KEY_WORDS =
  "no good API key: send one in the header x-api-key, as Authorization: Bearer, or in the frame's key";

function logFrame(src?: string, key?: string): string {
  return JSON.stringify({
    v: 1,
    src,
    key,
    cmds: [{ cmd: "/v1/Log.Log", id: 1, args: { msg: "secret line" } }],
  });
}
function listFrame(src: string): string {
  return JSON.stringify({ v: 1, cmds: [{ cmd: "/v1/Log.List", id: 2, args: { src } }] });
}

async function statusOf(body: string, headers: Record<string, string | undefined>): Promise<number> {
  const response = await running.post("/", body, { "x-api-key": undefined, ...headers });
  const { resp } = (await response.json()) as {
    resp: { status: number; status_msg?: string; resp?: unknown }[];
  };
  for (const { status, status_msg: words, resp: payload } of resp) {
    if (status !== 0) expect(words).toBeTypeOf("string");
    if (status !== 0) expect(payload).toBeUndefined();
    if (status === 401) expect(response.status).toBe(401);
  }
  return resp[0]?.status ?? -1;
}

async function keyFor(newKey: Partial<NewKey>): Promise<string> {
  return (await running.keys.add({ project: "default", rights: [], ...newKey })).key;
}

describe("without a good key nothing is told and nothing is stored", () => {
  test.each<[string, Record<string, string>]>([
    ["no key", {}],
    ["an empty key", { "x-api-key": "" }],
    ["a made-up key", { "x-api-key": `blk_00000000_${"x".repeat(64)}` }],
    ["a made-up bearer", { authorization: "Bearer nonsense" }],
    ["another scheme", { authorization: "Basic dXNlcjpwYXNz" }],
  ])("%s: HTTP 401, every command 401", async (_name, headers) => {
    const body =
      '{"v":1,"src":"s","dst":"//d","cmds":[{"cmd":"/v1/Log.Log","id":1,"args":{"msg":"x"}},{"cmd":"/v1/Log.List","id":2,"args":{"src":"s"}},{"cmd":"nonsense","id":3}]}';
    const response = await running.post("/", body, { "x-api-key": undefined, ...headers });
    expect(response.status).toBe(401);
    expect(await response.json()).toEqual({
      v: 1,
      src: "//d",
      dst: "s",
      resp: [1, 2, 3].map((id) => ({ id, status: 401, status_msg: NO_KEY_WORDS })),
    });
    expect(await (await running.post("/v1/Log.List", '{"src":"s"}')).json()).toEqual({ status: 0, resp: [] });
  });

  test("bare args: HTTP 401", async () => {
    const response = await running.post("/v1/Log.List?id=4", '{"src":"s"}', { "x-api-key": "wrong" });
    expect(response.status).toBe(401);
    expect(await response.json()).toEqual({ id: 4, status: 401, status_msg: NO_KEY_WORDS });
  });

  test("a frame with boot and ack is answered 401, never acked", async () => {
    const body =
      '{"v":1,"src":"s","boot":1,"ack":true,"cmds":[{"cmd":"/v1/Log.Log","id":1,"args":{"msg":"x"}}]}';
    const response = await running.post("/", body, { "x-api-key": undefined });
    expect(await response.json()).toMatchObject({ resp: [{ id: 1, status: 401 }] });
  });

  test("the query is no place for a key but on the live socket", async () => {
    const response = await running.post(`/?x-api-key=${running.key}`, listFrame("s"), {
      "x-api-key": undefined,
    });
    expect(response.status).toBe(401);
  });

  test("the words name the places where a key may stand here, and no other", async () => {
    const wordsOf = async (path: string) =>
      (await fetch(`${running.url}/v1/projects/default/${path}?x-api-key=wrong`)).text();
    for (const path of ["logs", "entries", "sources", "rates"])
      expect(await wordsOf(path)).not.toContain("query");
    expect(await wordsOf("events")).toContain("or in the query as x-api-key or jwt");
  });
});

describe("where a key may be shown", () => {
  test("header x-api-key, Authorization: Bearer in any case, the frame's key", async () => {
    expect(await statusOf(listFrame("s"), { "x-api-key": running.key })).toBe(0);
    expect(await statusOf(listFrame("s"), { authorization: `Bearer ${running.key}` })).toBe(0);
    expect(await statusOf(listFrame("s"), { authorization: `bearer ${running.key}` })).toBe(0);
    expect(await statusOf(logFrame("s", running.key), {})).toBe(0);
  });

  test("a header that is shown decides over the frame's key", async () => {
    expect(await statusOf(logFrame("s", running.key), { "x-api-key": "wrong" })).toBe(401);
    expect(await statusOf(logFrame("s", "wrong"), { "x-api-key": running.key })).toBe(0);
  });

  test("a revoked key is no key", async () => {
    const { id, key } = await running.keys.add({ project: "default", rights: ["admin"] });
    expect(await statusOf(listFrame("s"), { "x-api-key": key })).toBe(0);
    await running.keys.revoke(id);
    expect(await statusOf(listFrame("s"), { "x-api-key": key })).toBe(401);
  });
});

describe("rights", () => {
  test.each<[string, NewKey["rights"], number, number]>([
    ["read", ["read"], 403, 0],
    ["write", ["write"], 403, 403],
    ["write and on-behalf", ["write", "on-behalf"], 0, 403],
    ["on-behalf alone", ["on-behalf"], 403, 403],
    ["all three", ["read", "write", "on-behalf"], 0, 0],
    ["admin", ["admin"], 0, 0],
    ["none", [], 403, 403],
  ])("%s", async (_name, rights, logStatus, listStatus) => {
    const key = await keyFor({ rights });
    expect(await statusOf(logFrame("s"), { "x-api-key": key })).toBe(logStatus);
    expect(await statusOf(listFrame("s"), { "x-api-key": key })).toBe(listStatus);
  });

  test("a board's own key logs as that board under any spelling of its name, and as nobody else", async () => {
    const key = await keyFor({ rights: ["write"], src: "board-7" });
    expect(await statusOf(logFrame("board-7"), { "x-api-key": key })).toBe(0);
    expect(await statusOf(logFrame("//any.host/board-7"), { "x-api-key": key })).toBe(0);
    expect(await statusOf(logFrame(undefined), { "x-api-key": key })).toBe(0);
    for (const other of ["board-8", "//any.host/x/board-7", "board-7 ", "BOARD-7"]) {
      expect(await statusOf(logFrame(other), { "x-api-key": key })).toBe(403);
    }
    const { resp } = (await running.ask(JSON.parse(listFrame("board-7")))) as { resp: [{ resp: unknown[] }] };
    expect(resp[0].resp).toHaveLength(3);
  });

  test("args.src is held to the same rule", async () => {
    const key = await keyFor({ rights: ["write"], src: "board-7" });
    const body =
      '{"v":1,"src":"board-7","cmds":[{"cmd":"/v1/Log.Log","id":1,"args":{"msg":"m","src":"board-8"}}]}';
    expect(await statusOf(body, { "x-api-key": key })).toBe(403);
  });

  test("a frame with boot of another source is refused and leaves no mark", async () => {
    const key = await keyFor({ rights: ["write"], src: "board-7" });
    const body =
      '{"v":1,"src":"board-8","boot":1,"ack":true,"cmds":[{"cmd":"/v1/Log.Log","id":1,"args":{"msg":"m"}}]}';
    expect(await statusOf(body, { "x-api-key": key })).toBe(403);
    expect(await running.store.mark("default", "board-8", "1")).toBe(0);
  });
});

describe("projects do not see each other", () => {
  test("not by List, by token, by REST or live", async () => {
    const green = await keyFor({ project: "green", rights: ["admin"] });
    await running.post("/", logFrame("s"));
    expect(await statusOf(listFrame("s"), { "x-api-key": green })).toBe(0);
    const mine = await (await running.post("/v1/Log.List", '{"src":"s"}')).json();
    const theirs = await running.post("/v1/Log.List", '{"src":"s"}', { "x-api-key": green });
    expect(await theirs.json()).toEqual({ status: 0, resp: [] });
    const after = (mine as { resp: [{ id: string }] }).resp[0].id;
    const tokenBody = JSON.stringify({ src: "s", after });
    const withToken = await running.post("/v1/Log.List", tokenBody, { "x-api-key": green });
    expect(withToken.status).toBe(400);
    expect(await withToken.json()).toMatchObject({ status_msg: expect.stringContaining("after: ") });

    const rest = await fetch(`${running.url}/v1/projects/default/logs`, { headers: { "x-api-key": green } });
    expect(rest.status).toBe(403);
    expect(await rest.json()).toEqual({ error: { code: 7, message: "this key is not for this project" } });

    const live = await connect(`${running.url}/v1/ws/projects/green/logs?x-api-key=${green}`);
    await running.post("/", logFrame("s"));
    await running.post("/", logFrame("green board"), { "x-api-key": green });
    expect(await live.nextJson()).toMatchObject({ result: { data: { deviceId: "green board" } } });
  });
});

describe("the live socket refuses before the upgrade", () => {
  async function refusal(path: string, headers: Record<string, string> = {}): Promise<[number, unknown]> {
    const error = await connect(running.url + path, { headers }).catch((error: unknown) => error);
    if (!(error instanceof UpgradeRefused)) throw new Error(`not refused: ${error}`);
    return [error.status, JSON.parse(error.body)];
  }

  test.each(["", "?x-api-key=", "?x-api-key=wrong", "?jwt=a.b.c"])("%s: 401, code 16", async (query) => {
    expect(await refusal(`/v1/ws/projects/default/logs${query}`)).toEqual([
      401,
      {
        error: {
          code: 16,
          message:
            "no good API key: send one in the header x-api-key or as Authorization: Bearer, or in the query as x-api-key or jwt",
        },
      },
    ]);
  });

  test("another project: 403, code 7; no right to read: the same", async () => {
    const [status, body] = await refusal(`/v1/ws/projects/other/logs?x-api-key=${running.key}`);
    expect([status, body]).toEqual([
      403,
      { error: { code: 7, message: "this key is not for this project" } },
    ]);
    const writer = await keyFor({ rights: ["write"] });
    expect((await refusal(`/v1/ws/projects/default/logs?x-api-key=${writer}`))[0]).toBe(403);
  });

  test.each([
    ["level=loud", "level: must be debug, info, warn or error"],
    ["last=0", "last: must be an integer of 1 or more"],
    ["last=x", "last: must be an integer of 1 or more"],
    ["last=1&after=x", "last: not together with after"],
    ["after=nonsense", "after: not a continuation token of this service and project"],
    ["stream=", "stream: must not be empty"],
  ])("%s: 400, code 3, in words", async (query, message) => {
    expect(await refusal(`/v1/ws/projects/default/logs?x-api-key=${running.key}&${query}`)).toEqual([
      400,
      { error: { code: 3, message } },
    ]);
  });

  test("a page of another site: 403; one of this host, or no page at all: fine", async () => {
    const url = `${running.url}/v1/ws/projects/default/logs?x-api-key=${running.key}`;
    const { host } = new URL(running.url);
    for (const origin of [
      "https://elsewhere.example",
      "null",
      `http://${host}.elsewhere.example`,
      "http://127.0.0.1",
    ]) {
      await expect(connect(url, { headers: { origin } })).rejects.toThrow("refused with 403");
      await expect(connect(`${running.url}/`, { headers: { origin } })).rejects.toThrow("refused with 403");
    }
    (await connect(url, { headers: { origin: `http://${host}` } })).socket.terminate();
    (await connect(url)).socket.terminate();
  });

  test("a socket on a path that has none is refused with what there is: 404", async () => {
    for (const path of ["/v1/ws/project/default/logs", "/v1/projects/default/logs", "/v1/Log", "/nothing"])
      await expect(connect(`${running.url}${path}?x-api-key=${running.key}`)).rejects.toMatchObject({
        status: 404,
        body: expect.stringContaining("there are /, /v1/ws/projects/:projectId/logs"),
      });
  });

  test("a plain GET is told to upgrade", async () => {
    const response = await fetch(`${running.url}/v1/ws/projects/default/logs?x-api-key=${running.key}`);
    expect(response.status).toBe(426);
  });
});

test("a key that stands where a name belongs does not come back in the refusal", async () => {
  const { key } = running;
  const headers = { "x-api-key": key };
  const answers = [
    await running.post(`/v1/Log.${key}`, "{}"),
    await running.post(`/v1/Log.List?${key}=1`, "{}"),
    await running.post("/v1/Log.List", JSON.stringify({ src: "s", [key]: 1 })),
    await running.post("/", JSON.stringify({ v: 1, cmds: [{ cmd: key, id: 1, args: {} }] })),
    await fetch(`${running.url}/v1/projects/default/entries?${key}=1`, { headers }),
    await fetch(`${running.url}/v1/projects/default/events?${key}=1`, { headers }),
  ];
  for (const answer of answers) {
    const text = await answer.text();
    expect(text).toContain("[redacted]");
    expect(text).not.toContain(key.slice(13, 40));
  }
});

test("no key, good or bad, reaches the log, an answer, or a metric", async () => {
  const canary = `canary-${"k".repeat(30)}`;
  const answers: string[] = [];
  for (const key of [running.key, canary]) {
    for (const headers of [
      { "x-api-key": key },
      { "x-api-key": undefined, authorization: `Bearer ${key}` },
    ]) {
      for (const body of [listFrame("s"), "{", logFrame("s", key), logFrame("s", key).slice(0, -2)]) {
        answers.push(await (await running.post("/", body, headers)).text());
      }
      answers.push(await (await running.post(`/v1/Log.List?x-api-key=${key}`, "{}", headers)).text());
      answers.push(await (await running.post(`/nothing?x-api-key=${key}`, "", headers)).text());
    }
    const live = `${running.url}/v1/ws/projects/default/logs?x-api-key=${key}`;
    answers.push(await (await fetch(live)).text());
    const socket = await connect(live).catch((error: UpgradeRefused) => answers.push(error.body));
    if (typeof socket === "object") socket.socket.terminate();
  }
  await running.store.close();
  answers.push(await (await running.post("/", listFrame("s"))).text());
  answers.push(await (await fetch(`${running.url}/metrics`)).text());
  expect(answers.at(-2)).toContain('"status":503');
  expect(running.logText()).toContain("the store is unavailable");
  for (const text of [...answers, running.logText()]) {
    expect(text).not.toContain(canary);
    expect(text).not.toContain(running.key);
    expect(text).not.toContain(running.key.slice(13));
  }
});
