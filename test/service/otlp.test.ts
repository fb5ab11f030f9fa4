import { gzipSync } from "node:zlib";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type RunningService, runService } from "../support/running-service.ts";

let running: RunningService;

beforeEach(async () => {
  running = await runService({ nameQuota: { sourcesPerKeyMax: 3 } });
});
afterEach(() => running.stop());

const record = (body: object, more: object = {}) => ({ timeUnixNano: "1763784000000123456", body, ...more });
const request = (name: string | undefined, logRecords: readonly object[]) => ({
  resourceLogs: [
    {
      resource: {
        attributes: name === undefined ? [] : [{ key: "service.name", value: { stringValue: name } }],
      },
      scopeLogs: [{ scope: { name: "http" }, logRecords }],
    },
  ],
});
const post = (body: object, headers: Record<string, string> = {}) =>
  running.post("/v1/logs", JSON.stringify(body), headers);
async function entries(src: string): Promise<unknown> {
  const fields = ["level", "module"];
  const answer = await running.post("/v1/Log.List", JSON.stringify({ src, fields }));
  return ((await answer.json()) as { resp: unknown }).resp;
}

test("records become entries: source, module, level, time and whatever stands beside the body", async () => {
  const answer = await post(
    request("api", [
      record({ stringValue: "started" }, { severityNumber: 9 }),
      record({ intValue: "7" }, { severityNumber: 17 }),
      record(
        { kvlistValue: { values: [{ key: "a", value: { arrayValue: { values: [{ boolValue: true }] } } }] } },
        { attributes: [{ key: "boardlog.stream", value: { stringValue: "audit" } }] },
      ),
      record({ stringValue: "GET /" }, { attributes: [{ key: "code", value: { intValue: "200" } }] }),
    ]),
  );
  expect([answer.status, await answer.json()]).toEqual([200, {}]);
  const timestamp = 1_763_784_000_000;
  expect(await entries("api")).toMatchObject([
    { msg: "started", level: "info", module: "http", stream: "console", timestamp },
    { msg: "7", level: "error" },
    { msg: { a: [true] }, stream: "audit" },
    { msg: { body: "GET /", code: 200 } },
  ]);
});

test("what is refused is counted and named, and spoils nothing beside it", async () => {
  const { resourceLogs } = request(undefined, [record({ stringValue: "whose?" })]);
  const both = {
    resourceLogs: [...resourceLogs, ...request("api", [record({ stringValue: "x" })]).resourceLogs],
  };
  const answer = await post(both);
  expect([answer.status, await answer.json()]).toEqual([
    200,
    { partialSuccess: { rejectedLogRecords: "1", errorMessage: expect.stringContaining("service.name") } },
  ]);
  expect(await entries("api")).toHaveLength(1);
  for (const name of ["a", "b"]) await post(request(name, [record({ stringValue: "x" })]));
  const over = await post(request("endless", [record({ stringValue: "x" })]));
  expect(await over.json()).toMatchObject({
    partialSuccess: { errorMessage: expect.stringContaining("3 sources") },
  });
  expect(await entries("endless")).toEqual([]);
});

test("bad requests are refused as exporters understand it, and nothing of them is stored", async () => {
  const statusOf = async (body: string | Uint8Array, headers: Record<string, string> = {}) =>
    (await running.post("/v1/logs", body, headers)).status;
  const good = JSON.stringify(request("api", [record({ stringValue: "x" })]));
  expect(await statusOf(good, { "x-api-key": "wrong" })).toBe(401);
  expect(await statusOf(good, { "content-type": "application/x-protobuf" })).toBe(415);
  for (const body of ["", "[", "{", `${good}x`, `{"resourceLogs":${"[".repeat(40)}${"]".repeat(40)}}`])
    expect(await statusOf(body), body).toBe(400);
  const many = request("api", new Array(10_001).fill(record({ stringValue: "x" })));
  expect(await statusOf(JSON.stringify(many))).toBe(413);
  expect(await statusOf(gzipSync(Buffer.alloc(5 * 1024 * 1024)), { "content-encoding": "gzip" })).toBe(413);
  for (const odd of ['{"resourceLogs":5}', "{}", '{"__proto__":{"x":1}}', '{"resourceLogs":[null,[],"x"]}'])
    expect(await statusOf(odd), odd).toBe(200);
  expect(await entries("api")).toEqual([]);
  const { key } = await running.keys.add({ project: "default", rights: ["write"], src: "own" });
  const other = await post(request("api", [record({ stringValue: "x" })]), { "x-api-key": key });
  expect(await other.json()).toMatchObject({ partialSuccess: { rejectedLogRecords: "1" } });
});
