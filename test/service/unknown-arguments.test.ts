import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { MemoryStore } from "../support/memory-store.ts";
import { type RunningService, runServiceOver } from "../support/running-service.ts";
import { connect } from "../support/web-socket-client.ts";

let running: RunningService;
beforeAll(async () => {
  running = await runServiceOver(new MemoryStore());
  await running.post("/v1/Log.Log", '{"src":"a","msg":"kept"}');
});
afterAll(() => running.stop());

const LIST_ARGS = "src, after, limit, stream, last, follow, fields, level, module, since, until, term, order";

describe("an argument that a method does not know is refused, with the one that was meant", () => {
  const cases: readonly [string, string, string][] = [
    ["List", '{"src":"a","limi":5}', "limi: no such argument; did you mean limit?"],
    ["List", '{"scr":"a"}', "scr: no such argument; did you mean src?"],
    ["List", '{"src":"a","Stream":"uart"}', "Stream: no such argument; did you mean stream?"],
    ["List", '{"src":"a","where":"x"}', `where: no such argument; there are ${LIST_ARGS}`],
    ["List", '{"src":"a","a b\\n":1}', `"a b\\n": no such argument; there are ${LIST_ARGS}`],
    ["List", '{"src":"a","__proto__":{"limit":1}}', `__proto__: no such argument; there are ${LIST_ARGS}`],
    ["Delete", '{"src":"a","straem":"uart"}', "straem: no such argument; did you mean stream?"],
    ["Sources", '{"src":"a"}', "src: no such argument; there are none here"],
  ];

  test.each(cases)("%s %s over HTTP", async (method, args, words) => {
    const response = await running.post(`/v1/Log.${method}`, args);
    expect([response.status, await response.json()]).toEqual([400, { status: 400, status_msg: words }]);
  });

  test.each(cases)(
    "%s %s in frames over HTTP and WebSocket, in both versions",
    async (method, args, words) => {
      const plain = `{"v":1,"cmds":[{"cmd":"/v1/Log.${method}","id":1,"args":${args}}]}`;
      const answer = { resp: [{ id: 1, status: 400, status_msg: words }] };
      expect(await (await running.post("/", plain)).json()).toMatchObject(answer);
      const client = await connect(`${running.url}/`, { headers: { "x-api-key": running.key } });
      client.send(plain);
      expect(await client.nextJson()).toMatchObject(answer);
      client.send(`{"v":2,"id":2,"method":"/v1/Log.${method}","args":${args}}`);
      expect(await client.nextJson()).toMatchObject({ id: 2, error: { code: 400, message: words } });
      client.socket.terminate();
    },
  );

  test("nothing was deleted by it, and a page of the right words is answered as ever", async () => {
    await running.post("/v1/Log.Delete", '{"src":"a","straem":"uart"}');
    const page = await running.post("/v1/Log.List", '{"src":"a","limit":5}');
    expect(await page.json()).toMatchObject({ status: 0, resp: [{ msg: "kept" }] });
  });

  test("no line is lost for one: Log.Log takes it as if it were not there", async () => {
    const args = '{"src":"tolerant","msg":"a line","fd":1,"straem":"uart"}';
    expect((await running.post("/v1/Log.Log", args)).status).toBe(200);
    const page = await running.post("/v1/Log.List", '{"src":"tolerant"}');
    expect(await page.json()).toMatchObject({ resp: [{ msg: "a line", stream: "console" }] });
  });
});

describe("a query that says two things is refused: one of them alone would be another answer", () => {
  test.each([
    ["events?src=a&src=b", "src: only once here"],
    ["logs?src=a&src=b", "src: only once here"],
    ["entries?level=warn&level=debug", "level: only once here"],
    ["entries?deviceId=a&deviceId=b", "deviceId: only once here"],
    ["entries?src=a&deviceId=b", "deviceId: the same as src; give one of them"],
    ["devices/a/events?last=1&last=2", "last: only once here"],
  ])("%s", async (path, message) => {
    const response = await fetch(`${running.url}/v1/projects/default/${path}`, {
      headers: { "x-api-key": running.key },
    });
    expect([response.status, await response.json()]).toEqual([400, { error: { code: 3, message } }]);
  });

  test("pages and counts take many sources", async () => {
    for (const path of ["entries", "rates"]) {
      const url = `${running.url}/v1/projects/default/${path}?src=a&src=b`;
      expect((await fetch(url, { headers: { "x-api-key": running.key } })).status).toBe(200);
    }
  });
});

describe("a query that a path does not know is refused in the same words", () => {
  test.each([
    ["entries?limi=5", "limi: no such argument; did you mean limit?"],
    [
      "entries?src=a&perPage=5",
      "perPage: no such argument; there are src, deviceId, stream, level, module, term, since, until, limit, before, after, order, follow",
    ],
    ["logs?perpage=5", "perpage: no such argument; did you mean perPage?"],
    ["sources?src=a", "src: no such argument; there are none here"],
    ["rates?bucket=5", "bucket: no such argument; did you mean buckets?"],
    ["events?levl=warn", "levl: no such argument; did you mean level?"],
    [
      "devices/a/events?src=b",
      "src: no such argument; there are stream, level, module, term, last, after, x-api-key, jwt",
    ],
  ])("%s", async (path, message) => {
    const ask = (key: string) =>
      fetch(`${running.url}/v1/projects/default/${path}`, { headers: { "x-api-key": key } });
    const response = await ask(running.key);
    expect([response.status, await response.json()]).toEqual([400, { error: { code: 3, message } }]);
    expect((await ask("wrong")).status).toBe(401);
  });

  test("a live socket, before the upgrade", async () => {
    const url = `${running.url}/v1/ws/projects/default/logs?x-api-key=${running.key}`;
    await expect(connect(`${url}&levl=warn`)).rejects.toThrow("400");
    (await connect(`${url}&level=warn`)).socket.terminate();
  });

  test("arguments of a method stand in its body: in the query they are named", async () => {
    const response = await running.post("/v1/Log.List?limit=5", '{"src":"a"}');
    expect([response.status, await response.json()]).toEqual([
      400,
      { status: 400, status_msg: "limit: no such argument; there are id, src" },
    ]);
  });
});

test("a level for a module that is misspelt is not set for the whole board", async () => {
  const response = await running.post(
    "/v1/projects/default/devices/a/level",
    '{"level":"debug","forMs":1000,"modul":"net"}',
  );
  const message = "modul: no such argument; did you mean module?";
  expect([response.status, await response.json()]).toEqual([400, { error: { code: 3, message } }]);
});

test("OpenAPI says of each method and path which names it takes, and that there are no others", async () => {
  interface Operation {
    readonly parameters: readonly { readonly name: string; readonly in: string }[];
    readonly requestBody?: {
      readonly content: {
        readonly "application/json": { readonly schema: { readonly additionalProperties?: boolean } };
      };
    };
  }
  const { paths } = (await (await fetch(`${running.url}/openapi.json`)).json()) as {
    paths: Record<string, { readonly get?: Operation; readonly post?: Operation }>;
  };
  const isClosed = (path: string) =>
    paths[path]?.post?.requestBody?.content["application/json"].schema.additionalProperties === false;
  for (const method of ["List", "Sources", "Delete"])
    expect(isClosed(`/v1/Log.${method}`), method).toBe(true);
  expect(isClosed("/v1/projects/{projectId}/devices/{deviceId}/level")).toBe(true);
  expect(isClosed("/v1/Log.Log")).toBe(false);
  for (const [path, { get }] of Object.entries(paths)) {
    if (!/^\/v1\/(?:ws\/)?projects\/\{projectId\}\/(?!.*gateways)/.test(path) || get === undefined) continue;
    const url = running.url + path.replace("{projectId}", "default").replace("{deviceId}", "a");
    for (const { name } of get.parameters.filter((one) => one.in === "query")) {
      const ending = new AbortController();
      const headers = { "x-api-key": running.key };
      const response = await fetch(`${url}?${name}=`, { headers, signal: ending.signal });
      if (response.status === 400)
        expect(await response.text(), `${path} ${name}`).not.toContain("no such argument");
      ending.abort();
    }
  }
});
